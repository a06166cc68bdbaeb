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
        images, shape: ImageShape(height: 2, width: 3, channels: 2), format: .levels(17),
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

  /// Grey images have a view without their last axis, whose elements are not there twice.
  @Test func greyImagesHaveAView() throws {
    let folder = try TemporaryFolder()
    try SampleFile.write(
      (0..<24).map { UInt8($0) }, shape: ImageShape(height: 2, width: 3, channels: 1),
      format: .levels(256), origin: [:], to: folder.file("a.h5"))
    let root = try File.open(folder.file("a.h5")).root()
    #expect(try root.string("default") == "view")
    let view = try root.group("view")
    #expect(try view.string("signal") == "images")
    // Our reader follows no such references, whatever they lead to: see test_files.py for the elements.
    let error = #expect(throws: HDF5Error.self) { _ = try view.dataset("images") }
    #expect("\(error!)".contains("virtual storage"))
  }

  /// Continuous samples keep their range and their values.
  @Test func continuousValuesStayContinuous() throws {
    let folder = try TemporaryFolder()
    let format = PixelFormat.range(-3...5)
    let network: [Float] = [-1, 1, 0, 0.25, -7, 7, 0.1, -0.9]
    let bytes = network.withUnsafeBufferPointer { format.encode($0) }
    try SampleFile.write(
      bytes, shape: ImageShape(height: 2, width: 2, channels: 1), format: format, origin: [:],
      to: folder.file("a.h5"))
    let samples = try File.open(folder.file("a.h5")).root().dataset("samples")
    #expect(samples.shape == [2, 2, 2, 1])
    #expect(try samples.doubles("value_range") == [-3, 5])
    let values = try samples.values(as: Float.self)
    for (value, x) in zip(values, network) {
      #expect(abs(value - (1 + 4 * min(1, max(-1, x)))) < 1e-6)
    }
    // What is written as a dataset is read as what was drawn.
    let grid = ImageGrid(shape: ImageShape(height: 2, width: 2, channels: 1), count: 2)
    #expect(grid.picture(of: bytes, format) == grid.picture(of: network))
  }
}
