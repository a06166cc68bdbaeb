// The folder of a run's checkpoints or snapshots: names, and the newest good one.

import Glibc

/// A folder of files `step-00000012.h5`, one for each saved step.
///
/// One process of a run (rank 0) removes files; any may read.
public struct CheckpointFolder: Sendable {
  /// The folder's path.
  public let path: String

  /// The newest checkpoint that is good, and the newer ones that are not.
  public struct Latest: Equatable, Sendable {
    /// The path of the newest good checkpoint, or nil where there is none.
    public let path: String?
    /// The errors of newer files that were passed over, newest first.
    public let skipped: [StorageError]

    /// The outcome of a search.
    package init(path: String?, skipped: [StorageError]) {
      self.path = path
      self.skipped = skipped
    }
  }

  /// The checkpoints in a folder, which need not exist yet.
  public init(path: String) {
    self.path = path
  }

  /// Whether there is such a folder.
  ///
  /// - Throws: `.inputOutput` where that cannot be known: a run must not begin anew because its disk did
  ///   not answer.
  public var exists: Bool {
    get throws(StorageError) {
      guard case .nothing(let failure) = FileKind(path) else { return true }
      if [ENOENT, ENOTDIR].contains(failure.code) { return false }
      throw .inputOutput(path: path, reason: "cannot be looked at: \(failure.reason)")
    }
  }

  /// The path of the checkpoint of a step.
  public func path(step: Int) -> String {
    precondition(step >= 0, "Steps are not negative.")
    let digits = String(step)
    return "\(path)/step-\(String(repeating: "0", count: max(0, 8 - digits.count)))\(digits).h5"
  }

  /// The steps of which there are checkpoints, whole or not, in rising order.
  ///
  /// - Throws: `.missingInput` where the folder cannot be listed.
  public func steps() throws(StorageError) -> [Int] {
    try folderNames(path).compactMap { step(of: $0) }.sorted()
  }

  /// The paths of HDF5 files whose names are none of a checkpoint, in the order of their names.
  ///
  /// - Throws: `.missingInput` where the folder cannot be listed.
  public func strangers() throws(StorageError) -> [String] {
    try folderNames(path).filter { $0.hasSuffix(".h5") && step(of: $0) == nil }.sorted()
      .map { "\(path)/\($0)" }
  }

  /// Reads the checkpoint of a step, and requires that it is of this step.
  ///
  /// - Throws: As `Checkpoint.read`, and `.badData` for the checkpoint of another step.
  public func read(
    step: Int, sections: Checkpoint.Sections = .all
  ) throws(StorageError) -> Checkpoint {
    let path = path(step: step)
    let checkpoint = try Checkpoint.read(path: path, sections: sections)
    try checkpoint.requireStep(step, path: path)
    return checkpoint
  }

  /// The checksum of a checkpoint as its trailer has it, in hexadecimal digits; nil where its last bytes are
  /// no trailer.
  ///
  /// Nothing is compared with it.
  public func checksum(step: Int) -> String? {
    (try? CheckpointTrailer.checksum(path: path(step: step)))?.map { byte in
      let digits = String(byte, radix: 16)
      return byte < 16 ? "0" + digits : digits
    }.joined()
  }

  /// Looks for the newest checkpoint that can be used, from the newest back.
  ///
  /// - Parameters:
  ///   - limit: The last step that is looked at.
  ///   - use: Reads the checkpoint of a step, and throws where it cannot be used.
  /// - Returns: What `use` made of the newest one, nil where there is none, and the errors of newer
  ///   files that were passed over, newest first.
  /// - Throws: `.missingInput` where the folder cannot be listed.
  public func newest<Value>(
    upTo limit: Int = .max, _ use: (Int) throws(StorageError) -> Value
  ) throws(StorageError) -> (value: Value?, skipped: [StorageError]) {
    var skipped: [StorageError] = []
    for step in try steps().reversed() where step <= limit {
      do throws(StorageError) {
        return (try use(step), skipped)
      } catch {
        skipped.append(error)
      }
    }
    return (nil, skipped)
  }

  /// Looks for the newest good checkpoint: whole, of the step in its name, with finite tensors.
  ///
  /// - Parameters:
  ///   - limit: The last step that is looked at.
  ///   - sections: What it must hold.
  /// - Throws: `.missingInput` where the folder cannot be listed. Files that are not good do not
  ///   throw: they are reported in `skipped`.
  public func latestGood(
    upTo limit: Int = .max, sections: Checkpoint.Sections = .model
  ) throws(StorageError) -> Latest {
    let found = try newest(upTo: limit) { (step) throws(StorageError) in
      _ = try read(step: step, sections: sections)
      return path(step: step)
    }
    return Latest(path: found.value, skipped: found.skipped)
  }

  /// Removes the files of later steps, which a run that goes on from an earlier one does again.
  public func remove(after step: Int) throws(StorageError) {
    for later in try steps() where later > step { try removeFile(path(step: later)) }
  }

  /// Removes what writers that died have left: files `step-….h5.….tmp`, and links `best.….tmp`.
  ///
  /// Only for the one process that writes to the folder, before it writes.
  ///
  /// - Returns: The paths that were removed.
  @discardableResult
  public func removeStaleTemporaries() throws(StorageError) -> [String] {
    try TemporaryFile.removeLeft(in: path) { $0 == Self.bestName || step(of: $0) != nil }
  }

  /// The step that the path of a checkpoint of this folder stands for; nil where it is none.
  public func step(ofPath file: String) -> Int? {
    file.hasPrefix(path + "/") ? step(of: String(file.dropFirst(path.count + 1))) : nil
  }

  /// The step that a name stands for, if it is exactly the name of a checkpoint.
  func step(of name: String) -> Int? {
    guard name.hasPrefix("step-"), name.hasSuffix(".h5") else { return nil }
    guard let step = Int(name.dropFirst(5).dropLast(3)), Checkpoint.Progress.counts.contains(step)
    else { return nil }
    return path(step: step) == "\(path)/\(name)" ? step : nil
  }
}
