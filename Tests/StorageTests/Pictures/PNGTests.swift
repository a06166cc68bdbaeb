// PNG files: every kind is read as PIL reads it, what is written is read back, damage is named.

import Foundation
import Storage
import Tensors
import Testing

@Suite struct PNGTests {
  /// The lines of `pictures.txt`: what PIL and NumPy found in each picture.
  static let recorded: [(name: String, picture: Picture)] = {
    let text = try! String(decoding: fixture("pictures.txt"), as: UTF8.self)
    return text.split(separator: "\n").map { line in
      let fields = line.split(separator: " ")
      let shape = ImageShape(
        height: Int(fields[1])!, width: Int(fields[2])!, channels: Int(fields[3])!)
      let digits = Array(fields[4])
      let pixels = stride(from: 0, to: digits.count, by: 2).map {
        UInt8(String(digits[$0...$0 + 1]), radix: 16)!
      }
      return (String(fields[0]), Picture(shape: shape, pixels: pixels))
    }
  }()

  @Test(arguments: [
    "grey8", "rgb8", "grey1", "palette", "grey16", "rgb16", "interlaced", "rgba-opaque",
    "la-opaque",
  ])
  func readsWhatOthersRead(kind: String) throws {
    let expected = try #require(Self.recorded.first { $0.name == "\(kind).png" }).picture
    #expect(try Picture(png: fixturePath("pictures/\(kind).png")) == expected)
  }

  @Test func greyIsWhatOthersComputeFromColor() throws {
    let expected = try #require(Self.recorded.first { $0.name == "rgb8.png-as-grey" }).picture
    let color = try Picture(png: fixturePath("pictures/rgb8.png"))
    #expect(color.converted(toChannels: 1) == expected)
    #expect(expected.converted(toChannels: 3).converted(toChannels: 1) == expected)
  }

  @Test(arguments: [1, 3])
  func whatIsWrittenIsReadBack(channels: Int) throws {
    try withFolder { folder in
      let shape = ImageShape(height: 37, width: 61, channels: channels)
      var state: UInt32 = 1  // Noise, so that the file is longer than its pixels.
      let picture = Picture(
        shape: shape,
        pixels: (0..<shape.count).map { _ in
          state = state &* 1_664_525 &+ 1_013_904_223
          return UInt8(state >> 24)
        })
      let path = folder + "/p.png"
      try picture.writePNG(to: path)
      try picture.writePNG(to: path)  // It may be there already.
      #expect(try Picture(png: path) == picture)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["p.png"])
    }
  }

  @Test func aFolderThatIsNotThere() throws {
    let picture = Picture(shape: ImageShape(height: 1, width: 1, channels: 1), pixels: [9])
    expectRefusal("/nowhere/p.png", "No such file") { try picture.writePNG(to: "/nowhere/p.png") }
  }

  @Test func aPictureBeyondTheLimitsOfPNG() throws {
    try withFolder { folder in
      for (height, width) in [(1_000_001, 1), (1, 1_000_001)] {
        let shape = ImageShape(height: height, width: width, channels: 1)
        let picture = Picture(shape: shape, pixels: [UInt8](repeating: 0, count: shape.count))
        expectRefusal("would be a picture of \(height) × \(width) pixels") {
          try picture.writePNG(to: folder + "/p.png")
        }
      }
    }
  }

  @Test func refusals() throws {
    expectRefusal("rgba-transparent.png: is transparent at row 3, column 2") {
      _ = try Picture(png: fixturePath("pictures/rgba-transparent.png"))
    }
    expectRefusal("/nowhere.png: cannot be opened: No such file") {
      _ = try Picture(png: "/nowhere.png")
    }
    let good = try fixture("pictures/rgb8.png")
    func read(_ bytes: [UInt8]) throws {
      try withFolder { folder in _ = try Picture(png: write(bytes, folder, "p.png")) }
    }
    expectRefusal("p.png: is not a PNG file") { try read([]) }
    expectRefusal("p.png: is not a PNG file") { try read(Array("GIF89a".utf8)) }
    for length in [8, 20, 33, 60, good.count - 20] {
      expectRefusal("p.png: is a damaged PNG file") { try read(Array(good[..<length])) }
    }
    for place in [18, 50, good.count - 20] {  // in IHDR, in IDAT, at the end of IDAT
      var flipped = good
      flipped[place] ^= 0x10
      expectRefusal("p.png: is a damaged PNG file") { try read(flipped) }
    }
  }
}
