// Disks that fail now and then.

import Storage

/// How often in a row something could not be written; a run does not end because of one time.
package struct FaultCount {
  /// How many attempts may fail in a row before the run ends. One may meet a disk in a bad moment, and
  /// two a longer fault; with the third, work of three intervals is at stake, and the batch system
  /// must learn of it by the exit code.
  package static let limit = 3

  private let subject: String
  private var inARow = 0

  /// A count for something, "checkpoint" for example.
  package init(_ subject: String) { self.subject = subject }

  /// Takes notice that it went well.
  package mutating func succeeded() { inARow = 0 }

  /// Takes notice of a fault.
  ///
  /// - Returns: What to warn of.
  /// - Throws: `StorageError.inputOutput` where it was one too many.
  package mutating func failed(_ error: StorageError) throws(StorageError) -> String {
    inARow += 1
    guard inARow < Self.limit else {
      throw .inputOutput(
        path: error.path,
        reason:
          "\(error.reason); \(inARow) \(subject)s in a row could not be saved: mend that, and "
          + "go on with --resume")
    }
    return
      "\(error): this \(subject) is not saved; training goes on and tries again at the next one"
  }
}
