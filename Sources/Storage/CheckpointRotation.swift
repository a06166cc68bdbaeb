// Which checkpoints of a run stay when newer ones come.

/// The old checkpoints of a run: only those that are known to be good are counted and removed.
///
/// A file is judged by its content, once: those that this process has written are good, others are
/// read before they are counted. What is damaged, of another step than its name says, a folder or
/// unreadable is left alone, and pushes nothing out. For the one process that writes to the folder.
public final class CheckpointRotation {
  /// The folder of the checkpoints.
  public let folder: CheckpointFolder
  private var isGood: [Int: Bool] = [:]

  /// The checkpoints of a folder.
  ///
  /// - Parameter step: Where the run goes on: files of later steps are those that it has passed
  ///   over, and count only when it has written them anew; nil: the content alone decides.
  public init(_ folder: CheckpointFolder, goingOnFrom step: Int? = nil) {
    self.folder = folder
    guard let step else { return }
    for later in (try? folder.steps()) ?? [] where later > step { isGood[later] = false }
  }

  /// Takes notice that this process has written the checkpoint of a step.
  public func wrote(step: Int) { isGood[step] = true }

  /// The steps of the good checkpoints, rising.
  ///
  /// - Throws: `.missingInput` where the folder cannot be listed.
  public func goodSteps() throws(StorageError) -> [Int] {
    try folder.steps().filter { step in
      if let known = isGood[step] { return known }
      let good = (try? folder.read(step: step, sections: .model)) != nil
      isGood[step] = good
      return good
    }
  }

  /// Removes all good checkpoints but the newest ones and the one that `best` leads to.
  ///
  /// - Parameters:
  ///   - count: How many to keep, at least 1.
  ///   - step: One that stays wherever it is; nil: none.
  /// - Returns: The paths that were removed, and the errors of those that could not be.
  /// - Throws: `.missingInput` where the folder cannot be listed, `.inputOutput` where the link cannot be
  ///   read: nothing is removed then.
  @discardableResult
  public func prune(
    keeping count: Int, and step: Int? = nil
  ) throws(StorageError) -> (removed: [String], failed: [StorageError]) {
    precondition(count >= 1, "The last good checkpoint stays.")
    let others = [try folder.bestStep, step]
    var (removed, failed) = ([String](), [StorageError]())
    for step in try goodSteps().dropLast(count) where !others.contains(step) {
      let path = folder.path(step: step)
      do throws(StorageError) {
        try removeFile(path)
        removed.append(path)
        isGood[step] = nil
      } catch {
        failed.append(error)
      }
    }
    return (removed, failed)
  }
}
