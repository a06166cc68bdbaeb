// A new folder appears complete, or nothing does.

import CLinux
import Glibc

/// A folder under construction beside its final place: published whole, or removed.
///
/// Until `publish`, the target keeps what it holds; a process that dies before leaves only a folder
/// whose name ends in `.tmp`. Without `publish` it is removed, with all that is in it, when it goes
/// out of scope.
public struct AtomicFolder: ~Copyable {
  /// Where the folder will be.
  public let target: String
  /// Where it is until then.
  public let path: String

  /// Refuses, before any work, a place where no folder can be made, or which is taken.
  ///
  /// - Parameters:
  ///   - target: A name that nothing has yet, or that of an empty folder, or of one that may be replaced.
  ///   - what: What is written, for messages: "a pipeline".
  ///   - isForced: Whether a folder that holds nothing but our files may be replaced.
  ///   - isOurs: Whether a folder holds nothing but what the command writes.
  /// - Throws: `.cannotCreate`.
  public static func check(
    _ target: String, _ what: String, isForced: Bool, isOurs: (String) -> Bool
  ) throws(StorageError) {
    let target = withoutSlash(target)
    switch FileKind(target) {
    case .file, .special:
      throw .cannotCreate(path: target, reason: "is there and no folder; choose another name")
    case .nothing: break
    case .folder:
      var status = stat()
      // int lstat(const char *path, struct stat *buf): of a link itself.
      if lstat(target, &status) == 0, status.st_mode & S_IFMT == S_IFLNK {
        throw .cannotCreate(path: target, reason: "is a link; name the folder that it leads to")
      }
      let names: [String]
      do throws(StorageError) { names = try folderNames(target) } catch {
        throw .cannotCreate(path: target, reason: error.reason)
      }
      guard !names.isEmpty else { break }
      guard isOurs(target) else {
        throw .cannotCreate(
          path: target,
          reason:
            "holds other files than those of \(what) of this program; choose an empty or a new "
            + "folder")
      }
      guard isForced else {
        throw .cannotCreate(
          path: target,
          reason:
            "holds \(what) already and is not replaced; choose another name, or replace it with "
            + "--force")
      }
    }
    _ = try AtomicFolder(target)
  }

  /// Makes an empty folder beside the target.
  ///
  /// - Throws: `.cannotCreate`.
  public init(_ target: String) throws(StorageError) {
    let target = Self.withoutSlash(target)
    while true {
      let candidate = TemporaryFile.name(for: target)
      do throws(SystemFailure) {
        // int mkdir(const char *path, mode_t mode)
        try systemCall { mkdir(candidate, 0o777) }
      } catch {
        // Another process of the same number may have died here: take the next free number then.
        if error.code == EEXIST { continue }
        throw .cannotCreate(path: target, reason: "cannot be created: \(error.reason)")
      }
      (self.target, path) = (target, candidate)
      return
    }
  }

  /// Makes a folder in it; gives its path.
  ///
  /// - Throws: `.cannotCreate`.
  public borrowing func makeFolder(_ name: String) throws(StorageError) -> String {
    let folder = "\(path)/\(name)"
    do throws(SystemFailure) { try systemCall { mkdir(folder, 0o777) } } catch {
      throw .cannotCreate(path: folder, reason: "cannot be created: \(error.reason)")
    }
    return folder
  }

  /// Writes a file in it, which survives the process; the power may fail only after `publish(forcing: true)`.
  ///
  /// - Throws: `.inputOutput`.
  borrowing func write(_ bytes: [UInt8], to name: String) throws(StorageError) {
    do throws(SystemFailure) {
      let file = try Descriptor("\(path)/\(name)", O_WRONLY | O_CREAT | O_EXCL)
      try file.write(bytes, at: 0)
      try file.close()
    } catch {
      throw .inputOutput(path: target, reason: "cannot write \(name): \(error.reason)")
    }
  }

  /// An error of a file in the folder, with the path that it would have had.
  public borrowing func named(_ error: StorageError) -> StorageError {
    let path =
      error.path.hasPrefix(path + "/") ? target + error.path.dropFirst(path.count) : error.path
    return switch error {
    case .missingInput: .missingInput(path: path, reason: error.reason)
    case .badData: .badData(path: path, reason: error.reason)
    case .cannotCreate: .cannotCreate(path: path, reason: error.reason)
    case .inputOutput: .inputOutput(path: path, reason: error.reason)
    }
  }

  /// Gives the folder its final name, and makes that durable.
  ///
  /// - Parameters:
  ///   - replaces: Whether a folder of that name is removed, whatever it holds; otherwise an empty one only.
  ///   - isForced: Whether all of the file system is forced to the disk before, in one call for thousands of files;
  ///     otherwise the files are there already.
  /// - Throws: `.cannotCreate` where something is there that is not replaced, `.inputOutput`.
  public consuming func publish(
    replacing replaces: Bool = true, forcing isForced: Bool = false
  ) throws(StorageError) {
    let (old, new) = (path, target)
    do throws(SystemFailure) {
      if isForced {
        let descriptor = try Descriptor(old, O_RDONLY | O_DIRECTORY)
        let number = descriptor.number
        // int syncfs(int fd)
        try systemCall { CLinux_syncfs(number) }
        try descriptor.close()
      }
      do throws(SystemFailure) {
        // int rename(const char *old, const char *new): takes the place of an empty folder only.
        try systemCall { Glibc.rename(old, new) }
      } catch {
        guard replaces, [ENOTEMPTY, EEXIST].contains(error.code) else { throw error }
        try Self.exchange(old, new)
      }
    } catch {
      if !replaces, [ENOTEMPTY, EEXIST, ENOTDIR].contains(error.code) {
        throw .cannotCreate(
          path: target, reason: "has got other files meanwhile; choose another name")
      }
      throw .inputOutput(path: target, reason: "cannot rename the finished folder: \(error.reason)")
    }
    try synchronizeFolder(of: target)
  }

  /// Gives a folder the name of another one, which has its name afterwards.
  private static func exchange(_ old: String, _ new: String) throws(SystemFailure) {
    do throws(SystemFailure) {
      // In one step, so that nobody finds half of either.
      try systemCall { CLinux_exchange(old, new) }
    } catch {
      // A file system that cannot, as NFS.
      guard [EINVAL, ENOSYS, EOPNOTSUPP].contains(error.code) else { throw error }
      let aside = TemporaryFile.name(for: new)
      try systemCall { Glibc.rename(new, aside) }
      do throws(SystemFailure) {
        try systemCall { Glibc.rename(old, new) }
      } catch {
        _ = Glibc.rename(aside, new)
        throw error
      }
      try systemCall { Glibc.rename(aside, old) }
    }
  }

  /// A path without slashes at its end.
  static func withoutSlash(_ path: String) -> String {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    return path
  }

  /// Removes a folder and what is in it, as far as that can be done.
  private static func remove(_ path: String) {
    for name in (try? folderNames(path)) ?? [] {
      // int unlink(const char *path): fails for folders.
      if unlink("\(path)/\(name)") != 0 { remove("\(path)/\(name)") }
    }
    // int rmdir(const char *path)
    _ = rmdir(path)
  }

  deinit { Self.remove(path) }
}
