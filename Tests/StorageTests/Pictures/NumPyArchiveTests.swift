// `.npz` files: the array is byte for byte what NumPy and Python's zipfile write.

import Foundation
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct NumPyArchiveTests {
  private let shape = ImageShape(height: 4, width: 5, channels: 3)
  private let images = (0..<180).map { UInt8($0) }

  /// The one entry of a ZIP archive of less than 4 GiB, which must be stored: its name, its bytes
  /// and its checksum, as the central directory says.
  private func entry(of archive: [UInt8]) -> (name: String, bytes: [UInt8], checksum: Int) {
    func number(_ place: Int, _ count: Int) -> Int {
      archive[place..<place + count].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
    let directory = number(archive.count - 6, 4)
    #expect(number(archive.count - 12, 2) == 1, "There is one entry.")
    #expect(number(directory + 10, 2) == 0, "It is stored.")
    let (size, header) = (number(directory + 24, 4), number(directory + 42, 4))
    let name = archive[directory + 46..<directory + 46 + number(directory + 28, 2)]
    let start = header + 30 + number(header + 26, 2) + number(header + 28, 2)
    return (
      String(decoding: name, as: UTF8.self), Array(archive[start..<start + size]),
      number(directory + 16, 4)
    )
  }

  @Test func theArrayIsThatWhichPythonWrites() throws {
    let folder = try TemporaryFolder()
    let python = entry(of: try fixture("arange.npz"))
    for name in ["a.npz", "b.npz"] {
      try NumPyArchive.write(
        images: images, count: 3, shape: shape, format: .levels(256), to: folder.file(name))
      let own = entry(of: try folder.bytes(name))
      #expect(own.name == "arr_0.npy" && own.name == python.name)
      #expect(own.bytes == python.bytes)
      #expect(own.checksum == python.checksum)
    }
    #expect(try folder.bytes("a.npz") == folder.bytes("b.npz"))
    #expect(try folder.names() == ["a.npz", "b.npz"])
  }

  /// Images that are read part by part give the same file.
  @Test func imagesComeInParts() throws {
    let folder = try TemporaryFolder()
    let shape = ImageShape(height: 1024, width: 1024, channels: 1)
    let image = (0..<shape.count).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
    var ranges: [Range<Int>] = []
    try NumPyArchive.write(
      count: 9, shape: shape, format: .levels(256), to: folder.file("a.npz")
    ) { range in
      ranges.append(range)
      return Array(repeatElement(image, count: range.count).joined())
    }
    #expect(ranges == [0..<4, 4..<8, 8..<9])
    try NumPyArchive.write(
      images: Array(repeatElement(image, count: 9).joined()), count: 9, shape: shape,
      format: .levels(256), to: folder.file("b.npz"))
    #expect(try folder.bytes("a.npz") == folder.bytes("b.npz"))
  }

  @Test func whatCannotBeReadIsNotWritten() throws {
    let folder = try TemporaryFolder()
    try folder.write([1], to: "a.npz")
    let fault = StorageError.inputOutput(path: "a", reason: "is gone")
    let error = #expect(throws: StorageError.self) {
      try NumPyArchive.write(
        count: 3, shape: shape, format: .levels(256), to: folder.file("a.npz")
      ) { (_) throws(StorageError) in throw fault }
    }
    #expect(error == fault)
    #expect(try folder.names() == ["a.npz"] && folder.bytes("a.npz") == [1])
  }

  @Test func aFullDisk() throws {
    try withSmallDisk(megabytes: 1) { disk in
      let image = [UInt8](repeating: 7, count: 3 << 20)
      let error = #expect(throws: StorageError.self) {
        try NumPyArchive.write(
          images: image, count: 3, shape: ImageShape(height: 1024, width: 1024, channels: 1),
          format: .levels(256), to: disk + "/a.npz")
      }
      #expect(
        error
          == .inputOutput(
            path: disk + "/a.npz", reason: "cannot write the file: No space left on device"))
      let names = try FileManager.default.contentsOfDirectory(atPath: disk)
      #expect(names.isEmpty)
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
    let bytes = entry(of: try folder.bytes("a.npz")).bytes
    let isFloat = format.bytes == 4
    let header = String(decoding: bytes.prefix(128), as: UTF8.self)
    #expect(header.contains(isFloat ? "'descr': '<f4'" : "'descr': '|u1'"), "\(header)")
    let data = Array(bytes[128...])
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
