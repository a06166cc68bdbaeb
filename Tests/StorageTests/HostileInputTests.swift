// What is declared is bounded before memory is taken, and what was written is known again.

import Foundation
import Glibc
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct HostileInputTests {
  let folder = try! TemporaryFolder()

  /// A dataset of `count` images of 4 × 4 pixels.
  private func dataset(_ count: Int = 30, classNames: [String] = ["a", "b"]) throws -> String {
    let path = folder.file("data.h5")
    let writer = try ImageDatasetWriter(
      output: path, shape: ImageShape(height: 4, width: 4, channels: 1), name: "näme",
      origin: "here", classNames: classNames)
    try writer.append(
      images: (0..<count * 16).map { UInt8($0 % 251) }, labels: (0..<count).map { $0 % 2 })
    _ = try writer.finish()
    return path
  }

  @Test func datasetsEndInATrailerThatOthersPassOver() throws {
    let path = try dataset()
    let bytes = try folder.bytes("data.h5")
    #expect(bytes[(bytes.count - 32)...].starts(with: Array("DDPMSET1".utf8)))
    // The HDF5 library sees the file as it is without.
    let bare = try folder.write(Array(bytes.dropLast(32)), to: "bare.h5")
    #expect(try ImageDataset(path: bare).verify() == ImageDataset(path: path).verify())
    #expect(try File.open(path).size() == bytes.count)
  }

  @Test func everyBitOfADatasetIsCompared() throws {
    let path = try dataset()
    let whole = try folder.bytes("data.h5")
    // Behind the mark and before it; without the mark, the file is one of another program.
    for place in stride(from: 0, to: whole.count - 32, by: 97) + [
      whole.count - 20, whole.count - 1,
    ] {
      var bytes = whole
      bytes[place] ^= 1
      try folder.write(bytes, to: "data.h5")
      let error = #expect(throws: StorageError.self) { try ImageDataset(path: path) }
      let reason = try #require(error?.reason)
      #expect(
        reason.contains("its checksum does not fit") || reason.contains("is not an HDF5 file"),
        "byte \(place): \(reason)")
    }
  }

  @Test func noStringOfOursHasVariableLength() throws {
    let path = try dataset()
    let attributes = ["format", "name", "origin", "content_hash"]
    let file = try File.open(path)
    let root = try file.root()
    for name in attributes { #expect(try root.attribute(name) != nil) }
    // Strings of variable length live in heaps, which begin with these letters.
    let bytes = try folder.bytes("data.h5")
    let heap = Array("GCOL".utf8)
    #expect(!(0..<bytes.count - 4).contains { bytes[$0..<$0 + 4].elementsEqual(heap) })
    #expect(try root.attribute("name") == .string("näme"))
    let dataset = try ImageDataset(path: path)
    #expect(dataset.classNames == ["a", "b"] && dataset.origin == "here")
  }

  @Test func namesTooLongForAnAttributeAreADataset() throws {
    let names = (0..<1000).map {
      "class number \($0) of many, " + String(repeating: "é", count: 50)
    }
    #expect(try ImageDataset(path: dataset(classNames: names)).classNames == names)
    #expect(throws: HDF5Error.self) {
      try File.createInMemory(label: "a").root().setAttribute("names", .strings(names))
    }
  }

  /// Writes images of 64 × 64 pixels in chunks of a number of them.
  private func chunked(_ chunk: [Int], gzip: Int?) throws -> String {
    let path = folder.file("chunks.h5")
    let file = try File.create(path)
    let root = try file.root()
    let pixels = [UInt8](repeating: 7, count: chunk[0] * 64 * 64)
    try root.write(
      "images", pixels, shape: [chunk[0], 64, 64, 1],
      layout: .chunked(chunk, gzip: gzip))
    try root.close()
    try file.close()
    return path
  }

  @Test func chunksThatMustBeUnpackedWholeAreBounded() throws {
    // 17,000 images are 66 MiB.
    let large = try chunked([17_000, 64, 64, 1], gzip: 1)
    expectRefusal("in chunks of more than 64 MiB", "write it in smaller ones") {
      _ = try ImageDataset(path: large)
    }
    #expect(try ImageDataset(path: chunked([17_000, 64, 64, 1], gzip: nil)).count == 17_000)
    // An image that touches chunks of 16 MiB in 64 places needs 1 GiB.
    let wide = try chunked([1 << 18, 8, 8, 1].map { min($0, 4096) }, gzip: 1)
    #expect(try ImageDataset(path: wide).count == 4096)
  }

  @Test func picturesDoNotPromiseMoreThanTheyHold() throws {
    func picture(_ width: UInt32, _ height: UInt32) throws -> String {
      var bytes = Picture(
        shape: ImageShape(height: 4, width: 4, channels: 1),
        pixels: [UInt8](repeating: 9, count: 16)
      ).pngBytes()
      for (place, value) in [(16, width), (20, height)] {
        for byte in 0..<4 { bytes[place + byte] = UInt8(value >> (24 - 8 * byte) & 255) }
      }
      return try folder.write(bytes, to: "a.png")
    }
    for (width, height, part) in [
      (4000, 4000, "bytes can hold"), (5000, 4000, "the most that is read"),
      (.max, .max, "the most that is read"),
    ] as [(UInt32, UInt32, String)] {
      expectRefusal("× \(width) pixels", part) { _ = try Picture(png: picture(width, height)) }
    }
  }

  @Test func linesAreReadInPartsOfAnySize() throws {
    // Lines around the sizes of the parts in which the file is read.
    for fields in [1 << 14, 1 << 15, 40_000, 1 << 17] {
      let line = (0..<fields).map { "\($0 % 17)" }.joined(separator: ",")
      let path = try folder.write(Array("\(line)\n\(line)\r\n\n\(line)".utf8), to: "a.csv")
      let source = try ImportSource.csv(file: path, height: 1, label: .none)
      #expect(source.header.count == 3 && source.header.format == .levels(17))
      let (images, _) = try readAll(source)
      #expect(images == (0..<3 * fields).map { UInt8($0 % fields % 17) })
    }
  }

  @Test func whatIsNoFileIsRefused() throws {
    let fifo = folder.file("fifo")
    #expect(mkfifo(fifo, 0o600) == 0)
    let link = folder.file("link")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/dev/zero")
    for path in [fifo, link, "/dev/zero"] {
      expectRefusal("is a device, a pipe or a socket") { _ = try ImportSource.csv(file: path) }
      expectRefusal("is a device, a pipe or a socket") {
        _ = try ImportSource.idx(images: path, labels: nil)
      }
      expectRefusal("is a device, a pipe or a socket") { _ = try Picture(png: path) }
      expectRefusal("neither a file nor a folder") {
        _ = try readSmallFile(path, role: "a configuration file", limit: 1 << 20)
      }
    }
    let long = try folder.write([UInt8](repeating: 32, count: (1 << 20) + 1), to: "long.yaml")
    expectRefusal("is larger than 1 MiB") {
      _ = try readSmallFile(long, role: "a configuration file", limit: 1 << 20)
    }
  }
}
