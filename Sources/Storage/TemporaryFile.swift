// A file under construction beside its final place: published whole, or removed.

import Glibc
import Synchronization

/// A new empty file in the folder of the target, with a name that no other process uses.
///
/// Until `publish`, the target keeps its old content; a process that dies before leaves only a file
/// whose name ends in `.tmp`. Without `publish` the file is removed when it goes out of scope.
struct TemporaryFile: ~Copyable {
  /// Where the file will be.
  let target: String
  /// Where the file is until then.
  let path: String

  private static let count = Atomic<Int>(0)

  /// Creates the file, or says why that is impossible.
  init(for target: String) throws(StorageError) {
    if case .folder = FileKind(target) {
      throw .cannotCreate(path: target, reason: "is a folder; name a file")
    }
    while true {
      // Another process of the same number may have died here: take the next free number then.
      let candidate = Self.name(for: target)
      do throws(SystemFailure) {
        let descriptor = try Descriptor(candidate, O_WRONLY | O_CREAT | O_EXCL)
        try descriptor.close()
      } catch {
        if error.code == EEXIST { continue }
        throw .cannotCreate(path: target, reason: "cannot be created: \(error.reason)")
      }
      self.target = target
      path = candidate
      return
    }
  }

  /// A path beside the target that this process has not used yet.
  static func name(for target: String) -> String {
    "\(target).\(getpid())-\(count.add(1, ordering: .relaxed).newValue).tmp"
  }

  /// The target's name, if a name is that of a temporary file.
  static func target(of name: String) -> String? {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count >= 3, parts.last == "tmp" else { return nil }
    let numbers = parts[parts.count - 2].split(separator: "-")
    guard numbers.count == 2, numbers.allSatisfy({ Int($0) != nil }) else { return nil }
    return parts.dropLast(2).joined(separator: ".")
  }

  /// Removes what writers that died have left of some files of a folder.
  ///
  /// - Parameters:
  ///   - folder: The folder; none is fine.
  ///   - isOurs: Whether a finished file of this name would be one of these files.
  /// - Returns: The paths that were removed.
  @discardableResult
  static func removeLeft(
    in folder: String, of isOurs: (String) -> Bool
  ) throws(StorageError) -> [String] {
    guard case .folder = FileKind(folder) else { return [] }
    let left = try folderNames(folder).filter { target(of: $0).map(isOurs) ?? false }
      .map { "\(folder)/\($0)" }
    for path in left { try removeFile(path) }
    return left
  }

  /// Opens the file for a writer of its own, which forces it to the disk before `publish`.
  func open() throws(StorageError) -> Descriptor {
    do throws(SystemFailure) {
      return try Descriptor(path, O_WRONLY | O_TRUNC)
    } catch {
      throw failed("write the file", error)
    }
  }

  /// Writes bytes one part after the other and forces them to the disk.
  ///
  /// - Parameter durably: false for a file that may be lost or damaged when the power fails.
  func write(_ parts: [UnsafeRawBufferPointer], durably: Bool = true) throws(StorageError) {
    do throws(SystemFailure) {
      let descriptor = try Descriptor(path, O_WRONLY | O_TRUNC)
      var end = 0
      for part in parts {
        try descriptor.write(part, at: end)
        end += part.count
      }
      if durably { try descriptor.synchronize() }
      try descriptor.close()
    } catch {
      throw failed("write the file", error)
    }
  }

  /// Forces to the disk what another library wrote to the file.
  func synchronize() throws(StorageError) {
    do throws(SystemFailure) {
      let descriptor = try Descriptor(path, O_RDONLY)
      try descriptor.synchronize()
      try descriptor.close()
    } catch {
      throw failed("write the file", error)
    }
  }

  /// Gives the file its final name, and makes that durable.
  ///
  /// The content must be on the disk already: after `write` or `synchronize`.
  ///
  /// - Parameter durably: false for a file that may be lost when the power fails.
  consuming func publish(durably: Bool = true) throws(StorageError) {
    try rename(path, to: target, durably: durably)
  }

  /// Gives a file a name that nothing has yet; its old one may stay beside it.
  ///
  /// - Returns: false where something has the name.
  /// - Throws: `.inputOutput`.
  static func name(_ path: String, _ target: String) throws(StorageError) -> Bool {
    do throws(SystemFailure) {
      // int link(const char *old, const char *new): never replaces, unlike rename.
      try systemCall { link(path, target) }
    } catch {
      switch error.code {
      case EEXIST: return false
      case EPERM, ENOSYS, EOPNOTSUPP:
        // A file system without second names, as on a memory stick: look first, then rename.
        guard case .nothing = FileKind(target) else { return false }
        try Storage.rename(path, to: target, durably: true)
      default:
        throw .inputOutput(
          path: path, reason: "cannot be given the name \(target): \(error.reason)")
      }
    }
    return true
  }

  /// Gives the file its final name if nothing has that name yet, and makes that durable.
  ///
  /// - Returns: false where something has the name.
  consuming func publishIfAbsent() throws(StorageError) -> Bool {
    guard try Self.name(path, target) else { return false }
    try synchronizeFolder(of: target)
    return true
  }

  private func failed(_ action: String, _ failure: SystemFailure) -> StorageError {
    .inputOutput(path: target, reason: "cannot \(action): \(failure.reason)")
  }

  deinit {
    // int unlink(const char *path): finds nothing after a rename, which is as it should be.
    _ = unlink(path)
  }
}

/// Gives a file another name in one step, and makes that durable.
///
/// - Parameter durably: false where the old name may come back when the power fails.
func rename(_ path: String, to target: String, durably: Bool) throws(StorageError) {
  do throws(SystemFailure) {
    // int rename(const char *old, const char *new): replaces the old file in one step.
    try systemCall { Glibc.rename(path, target) }
  } catch {
    throw .inputOutput(path: target, reason: "cannot rename the finished file: \(error.reason)")
  }
  if durably { try synchronizeFolder(of: target) }
}

/// Makes the names in the folder of a file durable.
func synchronizeFolder(of path: String) throws(StorageError) {
  do throws(SystemFailure) {
    let folder = try Descriptor(parentFolder(of: path), O_RDONLY | O_DIRECTORY)
    do throws(SystemFailure) {
      try folder.synchronize()
    } catch {
      // EINVAL: the file system has no such notion for folders.
      if error.code != EINVAL { throw error }
    }
    try folder.close()
  } catch {
    throw .inputOutput(
      path: path, reason: "cannot synchronize the file's folder: \(error.reason)")
  }
}
