// The link to the best checkpoint of a run.

import Glibc

extension CheckpointFolder {
  static let bestName = "best"

  /// The path of the link to the best checkpoint, which reads as that checkpoint does.
  public var best: String { "\(path)/\(Self.bestName)" }

  /// The step whose checkpoint the link leads to, whether that is there or not; nil where there is
  /// no link of this kind.
  ///
  /// - Throws: `.inputOutput` where that cannot be known.
  public var bestStep: Int? {
    get throws(StorageError) {
      var bytes = [CChar](repeating: 0, count: 256)
      let count: Int
      do throws(SystemFailure) {
        // ssize_t readlink(const char *path, char *buf, size_t bufsiz): no zero at the end.
        count = try systemCall { readlink(best, &bytes, bytes.count) }
      } catch {
        // EINVAL: something else than a link.
        if [ENOENT, ENOTDIR, EINVAL].contains(error.code) { return nil }
        throw .inputOutput(path: best, reason: "the link cannot be read: \(error.reason)")
      }
      return step(
        of: String(decoding: bytes.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self))
    }
  }

  /// Refuses to go on where something else has the name of the link.
  ///
  /// - Throws: `.cannotCreate`; `.inputOutput` where it cannot be read.
  public func requireBestIsFree() throws(StorageError) {
    var status = stat()
    // int lstat(const char *path, struct stat *buf): of a link itself.
    guard lstat(best, &status) == 0, try bestStep == nil else { return }
    throw .cannotCreate(
      path: best,
      reason: "is no link to a checkpoint of this folder, and is not replaced; move it away")
  }

  /// Makes the link lead to the checkpoint of a step, in one step, and durably: the one that it has led to
  /// may be removed afterwards.
  ///
  /// The link is relative: it is right in a copy of the folder too.
  ///
  /// - Throws: `.cannotCreate` where something else has its name, or where the file system has no
  ///   links; `.inputOutput`.
  public func linkBest(step: Int) throws(StorageError) {
    guard try bestStep != step else { return }
    try requireBestIsFree()
    let target = String(path(step: step).dropFirst(path.count + 1))
    let temporary = TemporaryFile.name(for: best)
    do throws(SystemFailure) {
      // int symlink(const char *target, const char *linkpath)
      try systemCall { symlink(target, temporary) }
    } catch {
      throw .cannotCreate(path: best, reason: "the link cannot be made: \(error.reason)")
    }
    do throws(SystemFailure) {
      // int rename(const char *old, const char *new): replaces the old link in one step.
      try systemCall { rename(temporary, best) }
    } catch {
      _ = unlink(temporary)
      throw .inputOutput(path: best, reason: "the link cannot be renamed: \(error.reason)")
    }
    try synchronizeFolder(of: best)
  }
}
