// Files of people's settings: read whole, but not whatever their size and kind are.

import Glibc

/// The bytes of a file that should be small.
///
/// - Parameters:
///   - path: The file.
///   - role: What the file should be: `a configuration file`.
///   - limit: The most bytes that it may have.
/// - Throws: `.missingInput` where there is no readable file, `.badData` for a larger one and for
///   folders, devices and pipes, `.inputOutput`.
public func readSmallFile(
  _ path: String, role: String, limit: Int
) throws(StorageError) -> [UInt8] {
  _ = try requireFile(path, role: role)
  var bytes: [UInt8] = []
  do throws(SystemFailure) {
    let file = try Descriptor(path, O_RDONLY)
    // Piece by piece: a small file takes no memory of the size of the limit.
    while bytes.count <= limit {
      let piece = try file.read(bytes.count..<min(bytes.count + (1 << 18), limit + 1))
      if piece.isEmpty { break }
      bytes += piece
    }
  } catch {
    throw .inputOutput(path: path, reason: "cannot be read: \(error.reason)")
  }
  guard bytes.count <= limit else {
    throw .badData(
      path: path, reason: "is larger than \(limit >> 20) MiB, the most that \(role) may have")
  }
  return bytes
}
