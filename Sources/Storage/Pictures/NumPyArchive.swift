// Samples for evaluators in Python.

import CZlib
import Tensors

/// An `.npz` file with one array `arr_0` of images: what NumPy reads and FID evaluators expect.
///
/// It is a ZIP archive with one stored entry `arr_0.npy`: the header of NumPy's format version
/// 1.0, then the values. Sources: "APPNOTE.TXT – .ZIP File Format Specification" 4.3 (PKWARE);
/// `numpy.lib.format`.
public enum NumPyArchive {
  /// Writes images (count × height × width × channels) into a file that appears complete or not at
  /// all; equal images give equal bytes.
  ///
  /// - Parameters:
  ///   - images: Values in the bytes of the format. Grey levels are written as unsigned bytes on
  ///     the scale 0 … 255, which evaluators expect, and continuous values as they are, 32-bit floats.
  /// - Throws: `StorageError` where the file cannot be written, and where the images need 4 GiB
  ///   or more, which a ZIP entry of this kind cannot hold.
  public static func write(
    images: [UInt8], count: Int, shape: ImageShape, format: PixelFormat, to path: String
  ) throws(StorageError) {
    precondition(
      images.count == count * shape.count * format.bytes,
      "The images are as many as the shape says.")
    var images = images
    if case .levels(let levels) = format, levels < 256 {
      let top = levels - 1
      images = images.map { UInt8((Int($0) * 255 + top / 2) / top) }
    }
    let header = arrayHeader(
      type: format.bytes == 1 ? "|u1" : "<f4",
      extents: [count, shape.height, shape.width, shape.channels])
    let size = header.count + images.count
    // The directory's position, some hundred bytes behind the array, is a 32-bit number as well.
    guard size < 0xFFFF_0000 else {
      throw .cannotCreate(
        path: path,
        reason: "\(size) bytes of images do not fit into an .npz file of less than 4 GiB; "
          + "write fewer images, or an HDF5 file")
    }
    // uLong crc32_z(uLong crc, const Bytef *buf, z_size_t len);
    let checksum = UInt32(crc32_z(crc32_z(0, header, header.count), images, images.count))
    let entry = ZIPEntry(name: "arr_0.npy", size: UInt32(size), checksum: checksum)
    let directory = entry.directory(at: UInt32(entry.localHeader.count + size))
    let front = entry.localHeader + header
    try front.withUnsafeBufferPointer { front throws(StorageError) in
      try images.withUnsafeBufferPointer { images throws(StorageError) in
        try directory.withUnsafeBufferPointer { directory throws(StorageError) in
          let parts = [front, images, directory].map { UnsafeRawBufferPointer($0) }
          try AtomicFile.write(parts, to: path)
        }
      }
    }
  }

  /// The bytes before an array: magic, version 1.0, length, Python dictionary.
  private static func arrayHeader(type: String, extents: [Int]) -> [UInt8] {
    let shape = extents.map(String.init).joined(separator: ", ")
    var text = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(shape)), }"
    // 10 bytes come before the text, 1 newline ends it; the sum is a multiple of 64.
    text += String(repeating: " ", count: 63 - (10 + text.utf8.count) % 64) + "\n"
    var bytes = [0x93] + Array("NUMPY".utf8) + [1, 0]
    bytes.append(littleEndian: UInt16(text.utf8.count))
    return bytes + Array(text.utf8)
  }
}

/// The headers of a ZIP archive with one stored (not compressed) entry.
private struct ZIPEntry {
  let name: String
  let size: UInt32
  let checksum: UInt32

  /// What stands before the entry's bytes.
  var localHeader: [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: UInt32(0x0403_4B50))
    appendDescription(to: &bytes)
    return bytes + Array(name.utf8)
  }

  /// What ends the archive: the central directory, which begins at byte `start`.
  func directory(at start: UInt32) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: UInt32(0x0201_4B50))
    bytes.append(littleEndian: UInt16(0x0314))  // made by: Unix, version 2.0
    appendDescription(to: &bytes)
    for _ in 0..<3 { bytes.append(littleEndian: UInt16(0)) }  // comment, disk, attributes
    bytes.append(littleEndian: UInt32(0o600 << 16))  // external attributes: owner reads, writes
    bytes.append(littleEndian: UInt32(0))  // position of the local header
    bytes += Array(name.utf8)
    let length = UInt32(bytes.count)

    bytes.append(littleEndian: UInt32(0x0605_4B50))
    for value: UInt16 in [0, 0, 1, 1] { bytes.append(littleEndian: value) }  // disks, entries
    bytes.append(littleEndian: length)
    bytes.append(littleEndian: start)
    bytes.append(littleEndian: UInt16(0))  // comment
    return bytes
  }

  /// The fields that both headers share, from the version needed to the extra field's length.
  private func appendDescription(to bytes: inout [UInt8]) {
    bytes.append(littleEndian: UInt16(20))  // needs version 2.0
    bytes.append(littleEndian: UInt16(0))  // flags
    bytes.append(littleEndian: UInt16(0))  // method: stored
    bytes.append(littleEndian: UInt16(0))  // time
    bytes.append(littleEndian: UInt16(0x21))  // date: 1980-01-01, so that equal is equal
    bytes.append(littleEndian: checksum)
    bytes.append(littleEndian: size)  // packed
    bytes.append(littleEndian: size)
    bytes.append(littleEndian: UInt16(name.utf8.count))
    bytes.append(littleEndian: UInt16(0))  // extra field
  }
}

extension [UInt8] {
  fileprivate mutating func append<Value: FixedWidthInteger>(littleEndian value: Value) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }
}
