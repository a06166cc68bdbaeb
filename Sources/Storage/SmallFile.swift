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
  let bytes: [UInt8]
  do throws(SystemFailure) {
    bytes = try Descriptor(path, O_RDONLY).read(0..<limit + 1)
  } catch {
    throw .inputOutput(path: path, reason: "cannot be read: \(error.reason)")
  }
  guard bytes.count <= limit else {
    throw .badData(
      path: path, reason: "is larger than \(limit >> 20) MiB, the most that \(role) may have")
  }
  return bytes
}
