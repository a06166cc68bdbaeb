// `.npz` files: byte for byte what NumPy and Python's zipfile write.

import Storage
import Tensors
import TestSupport
import Testing

@Suite struct NumPyArchiveTests {
  @Test func theBytesAreThoseThatPythonWrites() throws {
    try withFolder { folder in
      let path = folder + "/arange.npz"
      try NumPyArchive.write(
        images: (0..<180).map { UInt8($0) }, count: 3,
        shape: ImageShape(height: 4, width: 5, channels: 3), format: .levels(256), to: path)
      #expect(try readFile(path) == fixture("arange.npz"))
    }
  }

  /// Grey levels fill the range of a byte, and continuous values are floats.
  @Test(arguments: [PixelFormat.levels(17), .range(0...2)])
  func theHeaderSaysTheType(format: PixelFormat) throws {
    let folder = try TemporaryFolder()
    let values: [Float] = [-1, 0, 0.5, 1]
    try NumPyArchive.write(
      images: values.withUnsafeBufferPointer { format.encode($0) }, count: 1,
      shape: ImageShape(height: 2, width: 2, channels: 1), format: format,
      to: folder.file("a.npz"))
    let bytes = try folder.bytes("a.npz")
    let isFloat = format.bytes == 4
    let header = String(decoding: bytes.prefix(160), as: UTF8.self)
    #expect(header.contains(isFloat ? "'descr': '<f4'" : "'descr': '|u1'"), "\(header)")
    // The local header of the archive with its name, and NumPy's header.
    let start = 30 + "arr_0.npy".utf8.count + 128
    let data = Array(bytes[start..<start + 4 * format.bytes])
    let expected: [Float] = [0, 1, 1.5, 2]
    #expect(data == (isFloat ? expected.withUnsafeBytes { Array($0) } : [0, 128, 191, 255]))
  }

  @Test func aFolderThatIsNotThere() {
    expectRefusal("/nowhere/a.npz") {
      try NumPyArchive.write(
        images: [0], count: 1, shape: ImageShape(height: 1, width: 1, channels: 1),
        format: .levels(256), to: "/nowhere/a.npz")
    }
  }
}
