// Files of generated images are read by any HDF5 reader.

import HDF5
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct SampleFileTests {
  @Test func isReadBack() throws {
    let folder = try TemporaryFolder()
    let images = (0..<24).map { UInt8($0 % 17) }
    for name in ["a.h5", "b.h5"] {
      try SampleFile.write(
        images, shape: ImageShape(height: 2, width: 3, channels: 2), levels: 17,
        origin: ["seed": 7, "sampler": "ancestral"], to: folder.file(name))
    }
    #expect(try folder.bytes("a.h5") == folder.bytes("b.h5"))
    let file = try File.open(folder.file("a.h5"))
    let root = try file.root()
    #expect(try root.string("format") == "ddpm-samples")
    #expect(try root.integer("version") == 1)
    #expect(try root.integer("seed") == 7)
    #expect(try root.string("sampler") == "ancestral")
    let samples = try root.dataset("samples")
    #expect(samples.shape == [2, 2, 3, 2])
    #expect(try samples.integer("levels") == 17)
    #expect(try samples.values(as: UInt8.self) == images)
  }
}
