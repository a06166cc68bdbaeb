// The folder of a run's checkpoints or snapshots: names, the newest good one, and what may be
// removed.

import Glibc

/// A folder of files `step-00000012.h5`, one for each saved step.
///
/// One process of a run (rank 0) removes files; any may read.
public struct CheckpointFolder: Sendable {
  /// The folder's path.
  public let path: String

  /// The newest checkpoint that is whole, and the newer ones that are not.
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

  /// Looks for the newest checkpoint whose checksum fits, from the newest back.
  ///
  /// - Parameter limit: The last step that is looked at.
  /// - Throws: `.missingInput` where the folder cannot be listed. Damaged files do not throw: they
  ///   are reported in `skipped`.
  public func latestGood(upTo limit: Int = .max) throws(StorageError) -> Latest {
    var skipped: [StorageError] = []
    for step in try steps().reversed() where step <= limit {
      let candidate = path(step: step)
      do throws(StorageError) {
        try Checkpoint.verify(path: candidate)
        return Latest(path: candidate, skipped: skipped)
      } catch {
        skipped.append(error)
      }
    }
    return Latest(path: nil, skipped: skipped)
  }

  /// Removes all but the newest checkpoints and the one that `best` leads to.
  ///
  /// - Parameter count: How many to keep, at least 2: the newest may turn out to be damaged.
  /// - Returns: The paths that were removed.
  @discardableResult
  public func prune(keeping count: Int) throws(StorageError) -> [String] {
    precondition(count >= 2, "At least two checkpoints must be kept.")
    let best = bestStep
    let old = try steps().dropLast(count).filter { $0 != best }.map { path(step: $0) }
    for path in old { try remove(path) }
    return old
  }

  /// Removes the files of later steps, which a run that goes on from an earlier one does again.
  public func remove(after step: Int) throws(StorageError) {
    for later in try steps() where later > step { try remove(path(step: later)) }
  }

  /// Removes what writers that died have left: files `step-….h5.….tmp`, and links `best.….tmp`.
  ///
  /// Only for the one process that writes to the folder, before it writes.
  ///
  /// - Returns: The paths that were removed.
  @discardableResult
  public func removeStaleTemporaries() throws(StorageError) -> [String] {
    let stale = try folderNames(path)
      .filter { name in
        guard let target = TemporaryFile.target(of: name) else { return false }
        return target == Self.bestName || step(of: target) != nil
      }
      .map { "\(path)/\($0)" }
    for path in stale { try remove(path) }
    return stale
  }

  /// The step that a name stands for, if it is exactly the name of a checkpoint.
  func step(of name: String) -> Int? {
    guard name.hasPrefix("step-"), name.hasSuffix(".h5") else { return nil }
    guard let step = Int(name.dropFirst(5).dropLast(3)), Checkpoint.Progress.counts.contains(step)
    else { return nil }
    return path(step: step) == "\(path)/\(name)" ? step : nil
  }

  private func remove(_ path: String) throws(StorageError) {
    do throws(SystemFailure) {
      // int unlink(const char *path)
      try systemCall { unlink(path) }
    } catch {
      if error.code == ENOENT { return }
      throw .inputOutput(path: path, reason: "cannot be removed: \(error.reason)")
    }
  }
}
