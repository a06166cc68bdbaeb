// A folder under construction beside its final place: published whole, or removed.

import CLinux
import Glibc

/// A new empty folder beside the target, with a name that no other process uses.
///
/// Without `publish` it is removed, with all that was written into it, when it goes out of scope.
struct TemporaryFolder: ~Copyable {
  /// Where the folder will be.
  let target: String
  /// Where it is until then.
  let path: String
  /// What was made in it, in order.
  private var files: [String] = []
  private var folders: [String] = []

  /// Makes the folder.
  ///
  /// - Throws: `.cannotCreate`.
  init(for target: String) throws(StorageError) {
    while true {
      let candidate = TemporaryFile.name(for: target)
      do throws(SystemFailure) {
        // int mkdir(const char *path, mode_t mode);
        try systemCall { mkdir(candidate, 0o777) }
      } catch {
        if error.code == EEXIST { continue }
        throw .cannotCreate(path: target, reason: "cannot be created: \(error.reason)")
      }
      self.target = target
      path = candidate
      return
    }
  }

  /// Makes a folder in it.
  mutating func makeFolder(_ name: String) throws(StorageError) {
    do throws(SystemFailure) {
      try systemCall { mkdir("\(path)/\(name)", 0o777) }
    } catch {
      throw .inputOutput(path: target, reason: "cannot make \(name) in it: \(error.reason)")
    }
    folders.append(name)
  }

  /// Writes a file in it, which survives the process; the power may fail only after `publish`.
  mutating func write(_ bytes: [UInt8], to name: String) throws(StorageError) {
    do throws(SystemFailure) {
      let file = try Descriptor("\(path)/\(name)", O_WRONLY | O_CREAT | O_EXCL)
      files.append(name)
      try file.write(bytes, at: 0)
      try file.close()
    } catch {
      throw .inputOutput(path: target, reason: "cannot write \(name): \(error.reason)")
    }
  }

  /// Forces everything to the disk and gives the folder its name.
  ///
  /// - Throws: `.cannotCreate` where something is there that is no empty folder, `.inputOutput`.
  consuming func publish() throws(StorageError) {
    do throws(SystemFailure) {
      let descriptor = try Descriptor(path, O_RDONLY | O_DIRECTORY)
      let number = descriptor.number
      // int syncfs(int fd): the whole file system, in one call for all files.
      try systemCall { CLinux_syncfs(number) }
      try descriptor.close()
      // int rename(const char *old, const char *new): replaces an empty folder, and no other.
      try systemCall { Glibc.rename(path, target) }
    } catch {
      switch error.code {
      case ENOTEMPTY, EEXIST, ENOTDIR:
        throw .cannotCreate(
          path: target, reason: "has got other files meanwhile; choose another name")
      default: throw .inputOutput(path: target, reason: "cannot be written: \(error.reason)")
      }
    }
    try synchronizeFolder(of: target)
  }

  deinit {
    // int unlink(const char *path); int rmdir(const char *path): find nothing after a rename.
    for name in files { _ = unlink("\(path)/\(name)") }
    for name in folders { _ = rmdir("\(path)/\(name)") }
    _ = rmdir(path)
  }
}
