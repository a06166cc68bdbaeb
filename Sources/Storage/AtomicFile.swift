// A new file appears complete, or the old one stays.

import Glibc

/// Files that are there whole or not at all.
///
/// The bytes go to a new temporary file in the same folder, then to the disk, then the file takes
/// its final name, then the folder goes to the disk. A crash, a full disk or a kill at any moment
/// leaves the old file or the new one, and at worst a file whose name ends in `.tmp`.
public enum AtomicFile {
  /// Refuses a path that cannot be written to, before hours of work for it; leaves nothing there.
  ///
  /// - Throws: `.cannotCreate`.
  public static func check(target path: String) throws(StorageError) {
    _ = try TemporaryFile(for: path)
  }

  /// Writes bytes to a path, replacing what was there in one step.
  ///
  /// - Throws: `.cannotCreate` where the folder does not exist or refuses; `.inputOutput` where
  ///   writing fails, for example on a full disk. The old file is kept then.
  public static func write(_ bytes: [UInt8], to path: String) throws(StorageError) {
    try bytes.withUnsafeBufferPointer { (buffer) throws(StorageError) in
      try write([UnsafeRawBufferPointer(buffer)], to: path)
    }
  }

  /// Writes a text as UTF-8 to a path, replacing what was there in one step.
  public static func write(_ text: String, to path: String) throws(StorageError) {
    try write(Array(text.utf8), to: path)
  }

  /// Writes parts, one behind the other, to a path, replacing what was there in one step.
  public static func write(
    _ parts: [UnsafeRawBufferPointer], to path: String
  ) throws(StorageError) {
    let file = try TemporaryFile(for: path)
    try file.write(parts)
    try file.publish()
  }

  /// The bytes of a file.
  ///
  /// - Returns: nil only where nothing has this name: what cannot be read is not taken for empty.
  /// - Throws: `.inputOutput`.
  public static func contents(of path: String) throws(StorageError) -> [UInt8]? {
    if case .special = FileKind(path) {
      throw .inputOutput(path: path, reason: "is a device, a pipe or a socket, not a file")
    }
    do throws(SystemFailure) {
      let file = try Descriptor(path, O_RDONLY)
      var bytes: [UInt8] = []
      while true {
        let part = try file.read(bytes.count..<bytes.count + (1 << 20))
        if part.isEmpty { return bytes }
        bytes += part
      }
    } catch {
      if error.code == ENOENT { return nil }
      throw .inputOutput(path: path, reason: "cannot be read: \(error.reason)")
    }
  }

  /// Removes what writers that died have left of some files of a folder.
  ///
  /// Only for the one process that writes to the folder, before it writes.
  ///
  /// - Parameters:
  ///   - folder: The folder; none is fine.
  ///   - isOurs: Whether a finished file of this name would be one of these files.
  /// - Returns: The paths that were removed.
  @discardableResult
  public static func removeLeft(
    in folder: String, of isOurs: (String) -> Bool
  ) throws(StorageError) -> [String] {
    try TemporaryFile.removeLeft(in: folder, of: isOurs)
  }

  /// Gives a file a name that nothing has yet.
  ///
  /// - Returns: false where something has the name; nothing has changed then.
  /// - Throws: `.inputOutput`.
  public static func rename(_ path: String, toFree target: String) throws(StorageError) -> Bool {
    guard try TemporaryFile.name(path, target) else { return false }
    // Where it has two names now.
    if case .file = FileKind(path) { try removeFile(path) }
    try synchronizeFolder(of: target)
    return true
  }

  /// Copies a file, or some ranges of its bytes, to a path, replacing what was there in one step.
  public static func copy(
    _ source: String, _ ranges: [Range<Int>] = [0..<Int.max], to path: String
  ) throws(StorageError) {
    let file = try TemporaryFile(for: path)
    do throws(SystemFailure) {
      let input = try Descriptor(source, O_RDONLY)
      let output = try Descriptor(file.path, O_WRONLY)
      var end = 0
      for range in ranges {
        var start = range.lowerBound
        while start < range.upperBound {
          let bytes = try input.read(start..<start + min(range.upperBound - start, 1 << 22))
          if bytes.isEmpty { break }
          try output.write(bytes, at: end)
          (start, end) = (start + bytes.count, end + bytes.count)
        }
      }
      try output.synchronize()
      try output.close()
    } catch {
      throw .inputOutput(path: path, reason: "cannot copy \(source): \(error.reason)")
    }
    try file.publish()
  }
}
