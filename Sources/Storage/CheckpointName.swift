// The name of a checkpoint, and the step that is in it.

import Glibc

extension CheckpointFolder {
  /// The step that the name of a file stands for; nil where it is not the name of a checkpoint.
  public static func step(ofPath path: String) -> Int? {
    let name = path.split(separator: "/").last.map(String.init) ?? ""
    return CheckpointFolder(path: parentFolder(of: path)).step(of: name)
  }

  /// Gives a checkpoint or a snapshot of averages the name that its content asks for.
  ///
  /// - Parameter path: The file.
  /// - Returns: The path that it has then, which may be the one that it had.
  /// - Throws: `.missingInput` and `.badData` for what is no good file of these kinds;
  ///   `.cannotCreate` where something else has the right name, or where the path is a link;
  ///   `.inputOutput`.
  public static func repairName(of path: String) throws(StorageError) -> String {
    var status = stat()
    // int lstat(const char *path, struct stat *buf): of a link itself.
    if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK {
      throw .cannotCreate(path: path, reason: "is a link; name the file that it leads to")
    }
    let step = try AverageSnapshot.read(path: path, values: false).step
    let target = CheckpointFolder(path: parentFolder(of: path)).path(step: step)
    if isSameFile(path, target) { return target }
    guard try AtomicFile.rename(path, toFree: target) else {
      throw .cannotCreate(
        path: target,
        reason: "is there already, and \(path) is of step \(step) too; nothing is replaced")
    }
    return target
  }
}

extension Checkpoint {
  /// Requires the step that the name of the file stands for.
  ///
  /// The content decides: a file that was renamed would else be the newest for ever.
  ///
  /// - Throws: `.badData`.
  public func requireStep(_ step: Int, path: String) throws(StorageError) {
    guard progress.step != step else { return }
    throw .badData(
      path: path,
      reason: "is the checkpoint of step \(progress.step) and not of \(step), as its name says; "
        + "ddpm-dist checkpoint repair-name gives it the right name")
  }
}
