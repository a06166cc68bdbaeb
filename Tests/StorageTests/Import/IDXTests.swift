// IDX files: what Python wrote is read, gzip'd or not, and every damage is named.

import Storage
import Tensors
import Testing

@Suite struct IDXTests {
  static let pixels = (0..<4).flatMap { i in (0..<6).map { UInt8(10 * i + $0) } }

  @Test(arguments: ["", ".gz"])
  func readsWhatPythonWrote(ending: String) throws {
    let source = try ImportSource.idx(
      images: fixturePath("images-idx3-ubyte\(ending)"),
      labels: fixturePath("labels-idx1-ubyte\(ending)"))
    #expect(source.header.shape == ImageShape(height: 2, width: 3, channels: 1))
    #expect(source.header.count == 4)
    #expect(source.header.format == .levels(256))
    #expect(source.header.hasLabels)
    #expect(source.header.suggestedName == "images-idx3-ubyte")
    let (images, labels) = try readAll(source)
    #expect(images == Self.pixels)
    #expect(labels == [0, 1, 2, 3])
  }

  @Test func labelsAreOptional() throws {
    let source = try ImportSource.idx(images: fixturePath("images-idx3-ubyte"), labels: nil)
    #expect(!source.header.hasLabels)
    #expect(try readAll(source).labels == nil)
  }

  @Test func manyBatchesJoin() throws {
    try withFolder { folder in
      let n = 9000
      let bytes: [UInt8] = (0..<n * 4).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
      let header: [UInt8] = [
        0, 0, 8, 3, 0, 0, UInt8(n >> 8), UInt8(n & 255), 0, 0, 0, 2, 0, 0, 0, 2,
      ]
      let source = try ImportSource.idx(images: write(header + bytes, folder, "many"), labels: nil)
      var batches = 0
      var images: [UInt8] = []
      try source.forEachBatch { batch, _ in
        batches += 1
        images += batch
      }
      #expect(batches == 3)
      #expect(images == bytes)
    }
  }

  @Test func missingFile() {
    expectRefusal("/nowhere/x: cannot be opened: No such file") {
      _ = try ImportSource.idx(images: "/nowhere/x", labels: nil)
    }
  }

  /// Reads damaged images to their end.
  private func read(_ bytes: [UInt8], _ name: String = "images") throws {
    try withFolder { folder in
      _ = try readAll(.idx(images: write(bytes, folder, name), labels: nil))
    }
  }

  @Test func refusesDamagedHeaders() throws {
    let good = try fixture("images-idx3-ubyte")
    expectRefusal("is not an IDX file") { try read(Array("hello".utf8)) }
    expectRefusal("is not an IDX file") { try read([]) }
    expectRefusal("IDX type 13", "unsigned bytes") { try read([0, 0, 13] + good[3...]) }
    expectRefusal("has 1 dimensions", "swapped") { try read(fixture("labels-idx1-ubyte")) }
    expectRefusal("ends inside its header") { try read(Array(good[..<9])) }
    expectRefusal("holds no images") { try read(good[..<4] + [0, 0, 0, 0] + good[8...]) }
    expectRefusal("3 × 0") {
      try read(good[..<8] + [0, 0, 0, 3, 0, 0, 0, 0])
    }
    expectRefusal("4294967295 × 4294967295") {
      try read(good[..<8] + [UInt8](repeating: 255, count: 8))
    }
  }

  @Test func refusesWrongLengths() throws {
    let good = try fixture("images-idx3-ubyte")
    expectRefusal("ends after 3 of the 4 items") { try read(good.dropLast()) }
    expectRefusal("goes on after the 4 items") { try read(good + [0]) }
    // A header that announces 4 thousand million images must not reserve room for them.
    expectRefusal("ends after 4 of the 4294967295 items") {
      try read(good[..<4] + [255, 255, 255, 255] + good[8...])
    }
  }

  @Test func refusesDamagedGzip() throws {
    let good = try fixture("images-idx3-ubyte.gz")
    expectRefusal("gzip file that ends too early") { try read(good.dropLast(9)) }
    expectRefusal("gzip file that ends too early") { try read(good.dropLast(4)) }
    var flipped = good
    flipped[flipped.count - 6] ^= 1  // in the checksum
    expectRefusal("damaged gzip file", "incorrect data check") { try read(flipped) }
  }

  @Test func refusesLabelsOfOtherImages() throws {
    try withFolder { folder in
      let labels = try write([0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 2], folder, "labels")
      expectRefusal("labels: holds 3 labels", "4 images") {
        _ = try ImportSource.idx(images: fixturePath("images-idx3-ubyte"), labels: labels)
      }
      let short = try write([0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 2], folder, "short")
      expectRefusal("short: ends after 3 of the 4 items") {
        _ = try readAll(.idx(images: fixturePath("images-idx3-ubyte"), labels: short))
      }
      let long = try write([0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 2, 3, 4], folder, "long")
      expectRefusal("long: goes on after the 4 items") {
        _ = try readAll(.idx(images: fixturePath("images-idx3-ubyte"), labels: long))
      }
    }
  }
}
