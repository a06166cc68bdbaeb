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

  /// Copies a file to a path, replacing what was there in one step.
  public static func copy(_ source: String, to path: String) throws(StorageError) {
    let file = try TemporaryFile(for: path)
    do throws(SystemFailure) {
      let input = try Descriptor(source, O_RDONLY)
      let output = try Descriptor(file.path, O_WRONLY)
      var end = 0
      while true {
        let bytes = try input.read(end..<end + (1 << 22))
        if bytes.isEmpty { break }
        try output.write(bytes, at: end)
        end += bytes.count
      }
      try output.synchronize()
      try output.close()
    } catch {
      throw .inputOutput(path: path, reason: "cannot copy \(source): \(error.reason)")
    }
    try file.publish()
  }
}
