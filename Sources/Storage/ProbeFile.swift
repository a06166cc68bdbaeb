// A file that only shows whether a folder can be written to, and how fast.

import Glibc

/// A small file in a folder, forced to the disk, which goes when its owner does.
package struct ProbeFile: ~Copyable {
  /// Where it is.
  package var path: String { file.path }
  /// How long it took to write and to force to the disk, in seconds.
  package let seconds: Double

  private let file: TemporaryFile

  /// Writes the file.
  ///
  /// - Parameters:
  ///   - folder: An existing folder.
  ///   - bytes: What it begins with.
  ///   - filling: How many bytes follow, to show the speed of the disk.
  /// - Throws: `.cannotCreate`, `.inputOutput`.
  package init(
    in folder: String, _ bytes: [UInt8], filling: Int = 0
  ) throws(StorageError) {
    let began = ContinuousClock.now
    // A name of the lock's temporary files: what a killed process leaves is removed with those.
    let file = try TemporaryFile(for: "\(folder)/\(RunLock.name)")
    // The same piece again and again, so that no memory of the file's size is taken.
    let piece = [UInt8](repeating: 0x5A, count: min(filling, 1 << 20))
    try bytes.withUnsafeBufferPointer { (bytes) throws(StorageError) in
      try piece.withUnsafeBufferPointer { (piece) throws(StorageError) in
        var parts = [UnsafeRawBufferPointer(bytes)]
        for start in stride(from: 0, to: filling, by: max(piece.count, 1)) {
          let count = min(piece.count, filling - start)
          parts.append(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: piece[..<count])))
        }
        try file.write(parts)
      }
    }
    seconds = (ContinuousClock.now - began) / .seconds(1)
    self.file = file
  }
}

/// The folder of a path where it is there, else the nearest above it that is.
package func nearestFolder(_ path: String) -> String {
  var path = path
  while path.count > 1, path.hasSuffix("/") { path.removeLast() }
  while case .nothing(let failure) = FileKind(path), failure.code == ENOENT, path != "." {
    path = parentFolder(of: path)
  }
  return path
}

/// What a file system has left.
package struct FreeSpace: Codable, Equatable, Sendable {
  /// The bytes that users may still write.
  package let bytes: Int
  /// The files that they may still make; nil where the file system does not count them.
  package let files: Int?

  /// Some space.
  package init(bytes: Int, files: Int?) { (self.bytes, self.files) = (bytes, files) }

  /// That of the file system of a folder; nil where the system does not tell.
  package init?(of folder: String) {
    var status = statvfs()
    // int statvfs(const char *path, struct statvfs *buf)
    guard statvfs(folder, &status) == 0 else { return nil }
    let (bytes, overflow) = Int(clamping: status.f_bavail)
      .multipliedReportingOverflow(by: Int(clamping: status.f_frsize))
    self.bytes = overflow ? .max : bytes
    files = status.f_files == 0 ? nil : Int(clamping: status.f_favail)
  }
}
