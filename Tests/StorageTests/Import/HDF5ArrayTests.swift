// Arrays of other programs become images: any type, any order of axes, several files, pieces.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct HDF5ArrayTests {
  private let folder = try! TemporaryFolder()

  /// Writes an array.
  private func write<Value: HDF5Element>(
    _ values: [Value], _ shape: [Int], as name: String = "x", to file: String = "a.h5",
    _ attributes: [String: AttributeValue] = [:]
  ) throws {
    // A source that is still there has its file open: a new one has the name then.
    try? FileManager.default.removeItem(atPath: folder.file(file))
    let file = try File.create(folder.file(file))
    let root = try file.root()
    try root.write(name, values, shape: shape)
    let dataset = try root.dataset(name)
    for (key, value) in attributes { try dataset.setAttribute(key, value) }
    try dataset.close()
    try root.close()
    try file.close()
  }

  private func source(
    _ files: [String] = ["a.h5"], _ change: (inout ArrayOptions) -> Void = { _ in }
  ) throws -> ImportSource {
    var options = ArrayOptions()
    change(&options)
    return try .hdf5(files: files.map { folder.file($0) }, options)
  }

  private func floats(_ source: ImportSource) throws -> [Float] {
    try readAll(source).images.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }

  /// What stays a level, and what becomes continuous.
  @Test func formatsFollowFromTheNumbers() throws {
    let cases: [([Int32], PixelFormat)] = [
      ([0, 1, 2, 3], .levels(4)), ([0, 1, 2, 200], .levels(256)), ([0, 1, 2, 256], .levels(512)),
      ([0, 0, 0, 4095], .levels(4096)), ([0, 0, 0, 65535], .levels(65536)),
      ([0, 0, 0, 65536], .range(0...65536)), ([-1, 0, 1, 2], .range(-1...2)),
    ]
    for (values, format) in cases {
      try write(values, [1, 2, 2])
      let source = try source()
      #expect(source.header.format == format, "\(values)")
      if case .range = format {
        #expect(try floats(source) == values.map { Float($0) })
      } else if format.element == .uint8 {
        #expect(try readAll(source).images == values.map { UInt8($0) })
      } else {
        let read = try readAll(source).images.withUnsafeBytes {
          Array($0.bindMemory(to: UInt16.self))
        }
        #expect(read == values.map { UInt16($0) })
      }
    }
    // Bytes have 256 levels, whatever the largest is.
    try write([1, 2, 3, 4] as [UInt8], [1, 2, 2])
    #expect(try source().header.format == .levels(256))
    #expect(try source { $0.levels = 17 }.header.format == .levels(17))
    expectRefusal("holds 4, beyond the largest of 4 levels") { _ = try source { $0.levels = 4 } }
  }

  /// Four extents, either order, and an image without an extent that counts it.
  @Test func axesAreFound() throws {
    let values = (0..<2 * 3 * 5 * 6).map { Double($0) }
    try write(values, [2, 3, 5, 6])
    let found = try source()
    #expect(found.header.shape == ImageShape(height: 5, width: 6, channels: 3))
    let read = try floats(found)
    // Channel 1 of the pixel in row 2, column 4 of image 1.
    #expect(read[((1 * 5 + 2) * 6 + 4) * 3 + 1] == Float(((1 * 3 + 1) * 5 + 2) * 6 + 4))
    #expect(try source { $0.layout = .nhwc }.header.shape.channels == 6)
    try write(values, [10, 18])
    #expect(try source { $0.dataset = "/x" }.header.count == 1)
    try write(values, [2, 90])
    #expect(
      try source { $0.dataset = "x" }.header.shape
        == ImageShape(height: 2, width: 90, channels: 1))
    try write(values, [2, 9, 10], ["layout": "NHWC"])
    #expect(try source().header.shape == ImageShape(height: 9, width: 10, channels: 1))
    try write(values, [2, 5, 3, 6])
    expectRefusal("say which with --layout nhwc or --layout nchw") { _ = try source() }
    try write(values, [180])
    expectRefusal("has the shape [180]") { _ = try source { $0.dataset = "x" } }
  }

  /// The range clips, and says how much; percentiles are NumPy's.
  @Test func rangesClip() throws {
    let values = (0..<1000).map { Double(($0 * 617) % 1000) / 4 }
    try write(values, [10, 10, 10])
    #expect(try source().header.format == .range(0...249.75))
    let clipped = try source { $0.range = .fixed(-5...100) }
    #expect(clipped.header.format == .range(-5...100))
    #expect(try floats(clipped) == values.map { Float(min($0, 100)) })
    #expect(clipped.notes().first?.contains("599 of 1000 are beyond the range") == true)
    let percentiles = try source { $0.range = .percentiles(10...90) }
    guard case .range(let ends) = percentiles.header.format else {
      Issue.record("\(percentiles.header.format)")
      return
    }
    // numpy.percentile(numpy.arange(1000) / 4, [10, 90])
    #expect(abs(ends.lowerBound - 24.975) < 1e-5 && abs(ends.upperBound - 224.775) < 1e-4)
    try write([UInt16](repeating: 7, count: 8), [2, 2, 2])
    #expect(try source { $0.range = .fixed(0...1000) }.header.format == .levels(1001))
    #expect(try source { $0.range = .fixed(1...1000) }.header.format == .range(1...1000))
    expectRefusal("holds one number only, 7.0") {
      _ = try source { $0.range = .percentiles(5...95) }
    }
    #expect(
      ValueRange("0,4095") == .fixed(0...4095)
        && ValueRange("percentile:1,99.5") == .percentiles(1...99.5))
    #expect(ValueRange("per-channel") == .perChannel(0...100))
    for word in [
      "", "1", "2,1", "1,1", "a,b", "percentile", "percentile:1,101", "per-channel:", "0,1e39",
      "nan,1",
    ] {
      #expect(ValueRange(word) == nil, "\(word)")
    }
  }

  @Test func channelsHaveTheirOwnRanges() throws {
    // Channel 0 is 0 … 7, channel 1 is −70 … 0.
    let values = (0..<8).flatMap { [Double($0), Double($0) * -10] }
    try write(values, [2, 2, 2, 2], ["layout": "NHWC"])
    let source = try source { $0.range = .perChannel(0...100) }
    #expect(source.header.format == .range(-1...1))
    let read = try floats(source)
    for k in 0..<8 {
      #expect(abs(read[2 * k] - (2 * Float(k) / 7 - 1)) < 1e-6)
      #expect(abs(read[2 * k + 1] + read[2 * k]) < 1e-6)
    }
  }

  /// Images of several files follow each other; attributes and classes come along.
  @Test func filesFollowEachOther() throws {
    try write((0..<8).map { UInt16($0) }, [2, 2, 2], to: "a.h5", ["units": "counts", "levels": 9])
    try write((8..<12).map { UInt16($0) }, [1, 2, 2], to: "b.h5")
    for (name, labels) in [("a.h5", [1, 0]), ("b.h5", [2])] {
      let labelled = try File.create(folder.file("l-" + name))
      let root = try labelled.root()
      try root.write(
        "x", labels.map { UInt16($0 * 1000) }.flatMap { [$0, $0, $0, $0] },
        shape: [labels.count, 2, 2])
      try root.write("kind", labels.map { Int64($0) })
      try root.close()
      try labelled.close()
    }
    let both = try source(["a.h5", "b.h5"])
    #expect(try readAll(both).images == (0..<12).map { UInt8($0) })
    #expect(both.header.count == 3 && both.header.format == .levels(12))
    let output = folder.file("set.h5")
    _ = try DatasetImport.run(source: both, output: output)
    let kept = try File.open(output).root().group("source")
    #expect(try kept.string("units") == "counts" && kept.string("dataset") == "/x")
    #expect(try kept.attributeNames() == ["dataset", "files", "units"])
    #expect(try ImageDataset(path: output).count == 3)

    let classes = try source(["l-a.h5", "l-b.h5"]) { ($0.dataset, $0.labels) = ("x", "kind") }
    #expect(try readAll(classes).labels == [1, 0, 2])
    let two = try File.create(folder.file("two.h5"))
    let root = try two.root()
    for name in ["a/y", "x"] {
      try root.write(name, [UInt8](repeating: 1, count: 8), shape: [2, 2, 2])
    }
    try root.close()
    try two.close()
    expectRefusal("holds several datasets that may be images", "--dataset /a/y, /x") {
      _ = try source(["two.h5"])
    }
    expectRefusal("where those of") {
      try write([UInt16](repeating: 1, count: 9), [1, 3, 3], to: "c.h5")
      _ = try source(["b.h5", "c.h5"])
    }
  }

  /// Numbers that a 32-bit float cannot hold or tell apart, and whole ones beyond those of Int.
  @Test func numbersBeyondFloatsAreRefused() throws {
    let cases: [[Double]] = [
      [1e8, 1e8 + 1, 1e8, 1e8], [-3.4e38, 3.4e38, 0, 0], [0, 1e300, 0, 0],
    ]
    for values in cases {
      try write(values, [1, 2, 2])
      expectRefusal("which 32-bit floats cannot tell apart or hold") { _ = try source() }
    }
    // Farther apart than any two numbers may be: neither percentiles nor channels trap.
    try write([-1.7e308, 1.7e308, 0, 1e308], [1, 2, 2])
    expectRefusal("which 32-bit floats cannot") {
      _ = try source { $0.range = .percentiles(1...99) }
    }
    let spread = try floats(try source { $0.range = .perChannel(0...100) })
    #expect(spread[0] == -1 && spread[1] == 1 && abs(spread[2]) < 1e-6)
    try write([0, 1 << 63, .max, 1] as [UInt64], [1, 2, 2])
    #expect(try floats(try source()) == [0, 0x1p63, 0x1p64, 1])
  }

  @Test func whatIsNoBrightnessIsRefused() throws {
    try write([0, 1, .nan, 2], [1, 2, 2])
    expectRefusal("image 0 holds nan, which is no brightness") { _ = try source() }
    try write([0, 1, -.infinity, 2] as [Float], [1, 2, 2])
    expectRefusal("image 0 holds -inf") { _ = try source() }
    expectRefusal("holds no dataset nothing; those with the extents of images are /x") {
      _ = try source { $0.dataset = "nothing" }
    }
  }
}
