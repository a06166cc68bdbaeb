// The trailer of datasets that this program has written, by which damage anywhere is found.

import Glibc
import HDF5

/// The 32 bytes behind the HDF5 part of a dataset: those of a checkpoint (`CheckpointTrailer`) with
/// another mark. Other tools pass over them.
///
/// A dataset need not have one: other programs write datasets too. One that has is as it was written
/// or refused.
enum DatasetTrailer {
  /// `DDPMSET` and the version of the trailer.
  static let mark = Array("DDPMSET1".utf8)

  /// Files up to this size are compared whenever they are opened: that takes as long as reading them.
  static let alwaysCompared = 1 << 26

  /// Compares a file with its trailer, where it has one.
  ///
  /// - Parameter limit: The largest file that is compared.
  /// - Throws: `.badData` where the checksum does not fit, `.missingInput`, `.inputOutput`.
  static func check(
    _ path: String, comparingUpTo limit: Int = alwaysCompared
  ) throws(StorageError) {
    let length = try requireFile(path, role: "a dataset") - CheckpointTrailer.size
    guard length > 0 else { return }
    let found: [UInt8]
    let expected: [UInt8]
    do throws(SystemFailure) {
      let file = try Descriptor(path, O_RDONLY)
      found = try file.read(length..<length + CheckpointTrailer.size)
      guard found.starts(with: mark), length <= limit else { return }
      expected = try trailer(of: file, length)
    } catch {
      throw .inputOutput(path: path, reason: "cannot be read: \(error.reason)")
    }
    guard found == expected else {
      throw .badData(
        path: path,
        reason: "is damaged, or was changed by another program: its checksum does not fit; make it "
          + "again")
    }
  }

  /// Adds the trailer to a file that is complete otherwise.
  ///
  /// - Parameter target: The name that the file will have, for messages.
  static func append(to path: String, for target: String) throws(StorageError) {
    do throws(SystemFailure) {
      let file = try Descriptor(path, O_RDWR)
      let length = Int(try file.status().st_size)
      try file.write(try trailer(of: file, length), at: length)
      try file.close()
    } catch {
      throw .inputOutput(path: target, reason: "cannot write the file: \(error.reason)")
    }
  }

  /// The trailer that belongs to the first bytes of a file, read in little memory.
  private static func trailer(
    of file: borrowing Descriptor, _ length: Int
  ) throws(SystemFailure) -> [UInt8] {
    var hash = ContentHash()
    for start in stride(from: 0, to: length, by: 1 << 20) {
      let bytes = try file.read(start..<min(start + 1 << 20, length))
      bytes.withUnsafeBytes { hash.update($0) }
    }
    return mark
      + CheckpointTrailer.bytes(length: length, checksum: hash.digest()).dropFirst(mark.count)
  }
}
