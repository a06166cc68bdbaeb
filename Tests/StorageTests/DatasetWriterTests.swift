// Writing datasets image by image: what is read back, equal bytes, and nothing left after errors.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct DatasetWriterTests {
  private let shape = ImageShape(height: 8, width: 8, channels: 1)
  private let images = (0..<(3000 * 64)).map { (index: Int) -> UInt8 in
    UInt8((index * 7 + index / 64) % 17)
  }
  private let labels = (0..<3000).map { $0 % 10 }

  /// Writes the images in portions of a size.
  private func write(
    _ path: String, portion: Int, gzip: Int? = nil
  ) throws -> ImageDatasetWriter.Summary {
    let writer = try ImageDatasetWriter(
      output: path, shape: shape, format: .levels(17), name: "made up", origin: "a formula",
      license: "none", classNames: (0..<10).map { "class \($0)" }, gzip: gzip)
    for first in stride(from: 0, to: 3000, by: portion) {
      let rows = first..<min(first + portion, 3000)
      try writer.append(
        images: Array(images[(rows.lowerBound * 64)..<(rows.upperBound * 64)]),
        labels: Array(labels[rows]))
    }
    return try writer.finish()
  }

  @Test(arguments: [nil, 6]) func isReadBack(_ gzip: Int?) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.h5")
    let summary = try write(path, portion: 1000, gzip: gzip)
    #expect(summary.count == 3000)
    #expect(summary.classCounts == [Int](repeating: 300, count: 10))
    #expect(try summary.bytes == folder.bytes("a.h5").count)
    #expect(try folder.names() == ["a.h5"])

    let dataset = try ImageDataset(path: path)
    #expect(dataset.name == "made up")
    #expect(dataset.origin == "a formula")
    #expect(dataset.license == "none")
    #expect(dataset.count == 3000 && dataset.shape == shape && dataset.levels == 17)
    #expect(dataset.labels == labels)
    #expect(dataset.classNames?.last == "class 9")
    #expect(dataset.contentHash == summary.contentHash)
    #expect(try dataset.verify() == summary.contentHash)
    #expect(dataset.storage == "chunks of 1024 images" + (gzip == nil ? "" : ", gzip"))

    for limit in [0, 1 << 30] {
      let reader = try ImageReader(dataset, range: 0..<3000, memoryLimit: limit)
      let indices = [2999, 0, 1, 1024, 1023, 17]
      var values = [Float](repeating: .nan, count: indices.count * 64)
      try values.withUnsafeMutableBufferPointer {
        try reader.read(indices, into: $0.baseAddress!)
      }
      let expected = indices.flatMap { (index: Int) -> [Float] in
        images[(index * 64)..<(index * 64 + 64)].map { Float(2 * Double($0) / 16 - 1) }
      }
      #expect(values == expected)
      #expect(values.min() == -1 && values.max() == 1)
    }
  }

  @Test(arguments: [nil, 6]) func portionsDoNotMatter(_ gzip: Int?) throws {
    let folder = try TemporaryFolder()
    let first = try write(folder.file("a.h5"), portion: 3000, gzip: gzip)
    let second = try write(folder.file("b.h5"), portion: 7, gzip: gzip)
    #expect(first.contentHash == second.contentHash)
    #expect(try folder.bytes("a.h5") == folder.bytes("b.h5"))
  }

  /// Continuous images in portions of a size.
  private func writeFloats(_ path: String, portion: Int) throws -> ImageDatasetWriter.Summary {
    let writer = try ImageDatasetWriter(
      output: path, shape: shape, format: .range(-2...3), name: "floats")
    let values = images.map { Float($0) / 16 - 2 }
    for first in stride(from: 0, to: 3000, by: portion) {
      let end = min(first + portion, 3000)
      try writer.append(
        values: Array(values[(first * 64)..<(end * 64)]), labels: Array(labels[first..<end]))
    }
    return try writer.finish(
      truth: KnownTruth(distribution: "made up", entropy: nil, negativeLogLikelihood: -3.5),
      parameters: [("mean", [0.25]), ("weights", [0.5, 0.5])])
  }

  @Test func floatsAreReadBack() throws {
    let folder = try TemporaryFolder()
    let summary = try writeFloats(folder.file("a.h5"), portion: 1000)
    let dataset = try ImageDataset(path: folder.file("a.h5"))
    #expect(dataset.format == .range(-2...3) && summary.format == dataset.format)
    #expect(dataset.storage == "chunks of 256 images")
    #expect(try dataset.verify() == summary.contentHash)
    #expect(dataset.contentHash == summary.contentHash && dataset.labels == labels)
    #expect(
      dataset.truth
        == KnownTruth(distribution: "made up", entropy: nil, negativeLogLikelihood: -3.5))
    let root = try File.open(folder.file("a.h5")).root()
    #expect(try root.double("distribution_mean") == 0.25)
    #expect(try root.doubles("distribution_weights") == [0.5, 0.5])
    let stored = try root.dataset("images").values(as: Float.self)
    #expect(stored == images.map { Float($0) / 16 - 2 })

    #expect(try writeFloats(folder.file("b.h5"), portion: 7).contentHash == summary.contentHash)
    #expect(try folder.bytes("a.h5") == folder.bytes("b.h5"))
  }

  @Test(arguments: [(Float.nan, "nan"), (3.5, "3.5"), (-Float.infinity, "-inf")])
  func floatsBeyondTheRangeAreRefused(_ value: Float, _ word: String) throws {
    let folder = try TemporaryFolder()
    let writer = try ImageDatasetWriter(
      output: folder.file("a.h5"), shape: shape, format: .range(-2...3), name: "x")
    try writer.append(values: [Float](repeating: 3, count: 128))
    var values = [Float](repeating: -2, count: 128)
    values[70] = value
    let error = #expect(throws: StorageError.self) { try writer.append(values: values) }
    #expect(error?.reason == "image 3 has the value \(word), outside its range -2.0 … 3.0")
    #expect(try folder.names().isEmpty)
  }

  @Test func damagedPixelsAreFound() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.h5")
    _ = try write(path, portion: 3000)
    var bytes = try folder.bytes("a.h5")
    let row = Array(images[6400..<6464])
    let position = try #require(
      (0..<(bytes.count - 64)).first { Array(bytes[$0..<($0 + 64)]) == row })
    bytes[position] ^= 1
    // Without its trailer, as another program would have written it.
    try folder.write(Array(bytes.dropLast(32)), to: "a.h5")
    let dataset = try ImageDataset(path: path)
    let error = #expect(throws: StorageError.self) { try dataset.verify() }
    #expect(error?.reason.contains("the file is damaged or was changed") == true)
  }

  @Test func nothingIsLeftAfterErrors() throws {
    let folder = try TemporaryFolder()
    try folder.write([1], to: "a.h5")
    let path = folder.file("a.h5")
    func writer() throws -> ImageDatasetWriter {
      try ImageDatasetWriter(
        output: path, shape: shape, format: .levels(17), name: "x", classNames: ["a", "b"])
    }
    do {
      let error = #expect(throws: StorageError.self) { try writer().finish() }
      #expect(error?.reason.contains("without images") == true)
      let first = try writer()
      try first.append(images: [UInt8](repeating: 1, count: 64))
      let above = #expect(throws: StorageError.self) {
        try first.append(
          images: [UInt8](repeating: 1, count: 64) + [UInt8](repeating: 17, count: 64))
      }
      #expect(above?.reason == "image 2 has the value 17, but its levels are 0 … 16")
      let label = #expect(throws: StorageError.self) {
        try writer().append(images: [UInt8](repeating: 1, count: 64), labels: [2])
      }
      #expect(label?.reason == "image 0 has the class 2; classes are 0 … 1")
      // Given up without an error.
      try writer().append(images: [UInt8](repeating: 1, count: 64))
    }
    #expect(try folder.names() == ["a.h5"])
    #expect(try folder.bytes("a.h5") == [1])
    #expect(throws: StorageError.self) {
      try ImageDatasetWriter(output: "/no/such/folder/a.h5", shape: shape, name: "x")
    }
  }

  @Test func aFullDiskLeavesNothing() throws {
    try withSmallDisk(megabytes: 1) { folder in
      let large = ImageShape(height: 64, width: 64, channels: 3)
      let image = [UInt8](repeating: 3, count: 100 * large.count)
      for portions in [1, 2] {
        let error = #expect(throws: StorageError.self) {
          let writer = try ImageDatasetWriter(output: folder + "/a.h5", shape: large, name: "x")
          for _ in 0..<portions { try writer.append(images: image) }
          _ = try writer.finish()
        }
        guard case .inputOutput = error else {
          Issue.record("\(error!)")
          return
        }
        #expect(error?.description.contains("No space left on device") == true, "\(error!)")
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [])
      // The library still works after the failure.
      let writer = try ImageDatasetWriter(output: folder + "/a.h5", shape: shape, name: "x")
      try writer.append(images: [UInt8](repeating: 3, count: 64))
      #expect(try writer.finish().count == 1)
    }
  }
}
