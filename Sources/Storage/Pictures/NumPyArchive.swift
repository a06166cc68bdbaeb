// Samples for evaluators in Python.

import Tensors

/// An `.npz` file with one array `arr_0` of images: what NumPy reads and FID evaluators expect.
///
/// It is a ZIP archive, of any size, with a stored entry `arr_0.npy`: the header of NumPy's format
/// version 1.0 (`numpy.lib.format`), then the values. Labels are another one, `arr_1.npy`.
public enum NumPyArchive {
  /// Writes images (count × height × width × channels) into a file that appears complete or not at
  /// all; equal images give equal bytes.
  ///
  /// - Parameters:
  ///   - images: Values in the bytes of the format. Grey levels are written as unsigned bytes on
  ///     the scale 0 … 255, which evaluators expect, and continuous values as they are, 32-bit floats.
  /// - Throws: `StorageError` where the file cannot be written.
  public static func write(
    images: [UInt8], count: Int, shape: ImageShape, format: PixelFormat, to path: String
  ) throws(StorageError) {
    let size = shape.count * format.bytes
    precondition(images.count == count * size, "The images are as many as the shape says.")
    try write(count: count, shape: shape, format: format, to: path) { range in
      Array(images[range.lowerBound * size..<range.upperBound * size])
    }
  }

  /// Writes images as `write(images:)` does, of which only some are in memory at a time.
  ///
  /// - Parameters:
  ///   - labels: The class of each image; nil where there are none.
  ///   - images: Gives the values of some images, about 4 MiB; asked in order, once each.
  /// - Throws: `StorageError` where the file cannot be written, and what `images` throws.
  public static func write(
    count: Int, shape: ImageShape, format: PixelFormat, labels: [Int]? = nil, to path: String,
    reading images: (Range<Int>) throws(StorageError) -> [UInt8]
  ) throws(StorageError) {
    let header = arrayHeader(
      type: format.element == .uint8 ? "|u1" : format.element == .uint16 ? "<u2" : "<f4",
      extents: [count, shape.height, shape.width, shape.channels])
    let size = shape.count * format.bytes
    let file = try TemporaryFile(for: path)
    let archive = try ZIPWriter(try file.open(), target: path)
    try archive.begin(entry: "arr_0.npy", size: header.count + count * size)
    try archive.write(header)
    let together = max(1, (4 << 20) / max(1, size))
    for first in stride(from: 0, to: count, by: together) {
      let range = first..<min(first + together, count)
      let values = try images(range)
      precondition(values.count == range.count * size, "The images are as many as asked for.")
      try archive.write(format.bytes == 1 ? format.greys(of: values) : values)
    }
    if let labels {
      precondition(labels.count == count, "Each image has one label.")
      let header = arrayHeader(type: "<i8", extents: [count])
      try archive.begin(entry: "arr_1.npy", size: header.count + 8 * count)
      try archive.write(header)
      try archive.write(
        labels.map { Int64($0).littleEndian }.withUnsafeBytes { Array($0) })
    }
    try archive.finish()
    try file.publish()
  }

  /// The bytes before an array: magic, version 1.0, length, Python dictionary.
  private static func arrayHeader(type: String, extents: [Int]) -> [UInt8] {
    let shape = extents.map(String.init).joined(separator: ", ") + (extents.count == 1 ? "," : "")
    var text = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(shape)), }"
    // 10 bytes come before the text, 1 newline ends it; the sum is a multiple of 64.
    text += String(repeating: " ", count: 63 - (10 + text.utf8.count) % 64) + "\n"
    var bytes = [0x93] + Array("NUMPY".utf8) + [1, 0]
    withUnsafeBytes(of: UInt16(text.utf8.count).littleEndian) { bytes.append(contentsOf: $0) }
    return bytes + Array(text.utf8)
  }
}
