// The 32 bytes behind the HDF5 part of a checkpoint, by which damage anywhere is found.

import Glibc
import HDF5

/// The end of a checkpoint file: a mark (8 bytes), the length of the HDF5 part (8 bytes,
/// little-endian), and XXH3-128 of the HDF5 part (16 bytes, most significant first).
///
/// HDF5 tools do not look behind the end that the HDF5 part declares. Neither does this program
/// show a byte to the HDF5 library before the trailer has vouched for it, except to tell what a
/// file without a trailer is instead. A checksum is no signature: a file that was changed may have one
/// that fits, so that a child process shows the file to its library first (`ChildCheck`).
enum CheckpointTrailer {
  /// `DDPMEND` and the version of the trailer.
  static let mark = Array("DDPMEND1".utf8)
  /// The size of the trailer in bytes.
  static let size = 32

  /// The trailer of a checksum of the HDF5 part.
  static func bytes(length: Int, checksum: [UInt8]) -> [UInt8] {
    mark + withUnsafeBytes(of: UInt64(length).littleEndian) { Array($0) } + checksum
  }

  /// The trailer of an HDF5 part.
  static func bytes(for image: UnsafeRawBufferPointer) -> [UInt8] {
    var hash = ContentHash()
    hash.update(image)
    return bytes(length: image.count, checksum: hash.digest())
  }

  /// Checks a whole file in memory.
  ///
  /// - Returns: The length of the HDF5 part.
  static func check(_ file: UnsafeRawBufferPointer, path: String) throws(StorageError) -> Int {
    let length = try partLength(fileSize: file.count, path: path)
    let image = UnsafeRawBufferPointer(rebasing: file[..<length])
    try compare(Array(file[length...]), bytes(for: image), path: path)
    return length
  }

  /// Checks a whole file on the disk in little memory.
  static func check(path: String) throws(StorageError) {
    let length = try partLength(fileSize: requireFile(path, role: "a checkpoint"), path: path)
    let descriptor = try openForReading(path)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 22, alignment: 16)
    defer { buffer.deallocate() }
    var hash = ContentHash()
    var rest = length
    while rest > 0 {
      let part = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(rest))
      try read(descriptor, into: part, path: path)
      hash.update(UnsafeRawBufferPointer(part))
      rest -= part.count
    }
    let end = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(size))
    try read(descriptor, into: end, path: path)
    try compare(Array(end), bytes(length: length, checksum: hash.digest()), path: path)
  }

  /// The checksum that a file says it has, without comparing it.
  static func checksum(path: String) throws(StorageError) -> [UInt8] {
    let length = try partLength(fileSize: requireFile(path, role: "a checkpoint"), path: path)
    let descriptor = try openForReading(path)
    let end: [UInt8]
    do throws(SystemFailure) {
      end = try descriptor.read(length..<length + size)
    } catch {
      throw .inputOutput(path: path, reason: "cannot be read: \(error.reason)")
    }
    guard end.count == size, end.prefix(mark.count) == mark[...] else {
      throw .badData(path: path, reason: reasonWithoutMark(path))
    }
    return Array(end.suffix(16))
  }

  /// Reads a whole file and checks it; only what the checksum covers, and a child process has read,
  /// is shown to HDF5.
  ///
  /// - Parameter subject: What of it will be read.
  static func load(path: String, _ subject: ChildCheck.Subject) throws(StorageError) -> FileImage {
    let size = try requireFile(path, role: "a checkpoint")
    _ = try partLength(fileSize: size, path: path)
    let descriptor = try openForReading(path)
    return try FileImage(capacity: size) { (buffer) throws(StorageError) -> Int in
      try read(descriptor, into: buffer, path: path)
      let length = try check(UnsafeRawBufferPointer(buffer), path: path)
      try ChildCheck.require(path, subject, checksum: Array(buffer[length...]))
      return length
    }
  }

  /// Maps the HDF5 part of a file without comparing it, for the child process that reads it first.
  static func map(path: String) throws(StorageError) -> FileImage {
    let length = try partLength(fileSize: requireFile(path, role: "a checkpoint"), path: path)
    let descriptor = try openForReading(path)
    guard let image = FileImage(mapping: descriptor.number, count: length) else {
      throw .inputOutput(path: path, reason: "cannot be read: \(systemReason(errno))")
    }
    return image
  }

  private static func partLength(fileSize: Int, path: String) throws(StorageError) -> Int {
    guard fileSize > 0 else { throw .badData(path: path, reason: "is empty, not a checkpoint") }
    guard fileSize > size else {
      throw .badData(path: path, reason: "is no checkpoint, or a truncated one: \(fileSize) bytes")
    }
    return fileSize - size
  }

  private static func compare(
    _ found: [UInt8], _ expected: [UInt8], path: String
  ) throws(StorageError) {
    guard found.prefix(mark.count) == mark[...] else {
      throw .badData(path: path, reason: reasonWithoutMark(path))
    }
    guard found == expected else {
      throw .badData(
        path: path,
        reason: "is damaged, or was changed by another program: its checksum does not fit")
    }
  }

  /// What a file is that does not end as a checkpoint does.
  private static func reasonWithoutMark(_ path: String) -> String {
    switch HDF5Content(path) {
    case .format(let format) where format != FileFormat.checkpoint.rawValue:
      "is a \(format) file, not a checkpoint"
    case .other: "is an HDF5 file, but no checkpoint of this program"
    case .format, .none:
      "is no checkpoint of this program, or a damaged or truncated one: "
        + "the mark at its end is missing"
    }
  }

  private static func openForReading(_ path: String) throws(StorageError) -> Descriptor {
    do throws(SystemFailure) {
      return try Descriptor(path, O_RDONLY)
    } catch {
      throw .missingInput(path: path, reason: "cannot be opened: \(error.reason)")
    }
  }

  private static func read(
    _ descriptor: borrowing Descriptor, into buffer: UnsafeMutableRawBufferPointer, path: String
  ) throws(StorageError) {
    let number = descriptor.number
    var rest = buffer[...]
    while !rest.isEmpty {
      let part = UnsafeMutableRawBufferPointer(rebasing: rest.prefix(1 << 30))
      let count: Int
      do throws(SystemFailure) {
        // ssize_t read(int fd, void *buf, size_t count): 0 at the end of the file.
        count = try systemCall { Glibc.read(number, part.baseAddress, part.count) }
      } catch {
        throw .inputOutput(path: path, reason: "cannot be read: \(error.reason)")
      }
      guard count > 0 else {
        throw .badData(path: path, reason: "was truncated while it was read")
      }
      rest = rest.dropFirst(count)
    }
  }
}
