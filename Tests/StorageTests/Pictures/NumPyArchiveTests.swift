// `.npz` files: byte for byte what NumPy and Python's zipfile write.

import Storage
import Tensors
import Testing

@Suite struct NumPyArchiveTests {
  @Test func theBytesAreThoseThatPythonWrites() throws {
    try withFolder { folder in
      let path = folder + "/arange.npz"
      try NumPyArchive.write(
        images: (0..<180).map { UInt8($0) }, count: 3,
        shape: ImageShape(height: 4, width: 5, channels: 3), to: path)
      #expect(try readFile(path) == fixture("arange.npz"))
    }
  }

  @Test func aFolderThatIsNotThere() {
    expectRefusal("/nowhere/a.npz") {
      try NumPyArchive.write(
        images: [0], count: 1, shape: ImageShape(height: 1, width: 1, channels: 1),
        to: "/nowhere/a.npz")
    }
  }
}
