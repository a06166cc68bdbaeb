// JPEG, TIFF, archives, arrays and resizing: what Pillow, tifffile and NumPy read in the same files.

import Foundation
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct PictureImportTests {
  /// What must be read of a fixture, from `make_picture_fixtures.py`.
  private struct Expected {
    let type: String
    let count: Int
    let shape: ImageShape
    let bytes: [UInt8]
  }

  private static let expected: [String: Expected] = {
    let text = try! String(contentsOfFile: fixturePath("imports/expected.txt"), encoding: .utf8)
    return Dictionary(
      uniqueKeysWithValues: text.split(separator: "\n").map { line in
        let words = line.split(separator: " ").map(String.init)
        let extents = words[2..<6].map { Int($0)! }
        let digits = Array(words[6].utf8)
        let bytes = stride(from: 0, to: digits.count, by: 2).map {
          UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)!
        }
        let shape = ImageShape(height: extents[1], width: extents[2], channels: extents[3])
        return (
          words[0], Expected(type: words[1], count: extents[0], shape: shape, bytes: bytes)
        )
      })
  }()

  private static func path(_ name: String) -> String { fixturePath("imports/" + name) }

  /// Whether the library is built in that a fixture needs.
  private static func isRead(_ name: String) -> Bool {
    if name.hasSuffix(".jpg") { return OptionalLibraries.readsJPEG }
    return !name.hasSuffix(".tif") || OptionalLibraries.readsTIFF
  }

  /// Compares all values, and of resized ones up to `most`.
  private func expect(_ source: ImportSource, _ name: String, most: Float = 0) throws {
    let expected = try #require(Self.expected[name])
    #expect(source.header.count == expected.count)
    #expect(source.header.shape == expected.shape)
    let (images, _) = try readAll(source)
    if most == 0 {
      #expect(images == expected.bytes)
      return
    }
    let (found, wanted) = (
      floats(images, source.header.format.element),
      floats(expected.bytes, source.header.format.element)
    )
    #expect(found.count == wanted.count)
    let largest = zip(found, wanted).map { abs($0 - $1) }.max() ?? 0
    #expect(largest <= most, "\(name): \(largest)")
  }

  private func floats(_ bytes: [UInt8], _ element: PixelFormat.Element) -> [Float] {
    bytes.withUnsafeBytes { bytes in
      switch element {
      case .uint8: bytes.map { Float($0) }
      case .uint16: bytes.bindMemory(to: UInt16.self).map { Float(UInt16(littleEndian: $0)) }
      case .float32: Array(bytes.bindMemory(to: Float.self))
      }
    }
  }

  // MARK: Kinds of files

  @Test(arguments: [
    ("colour.jpg", "uint8, 256 levels"), ("grey.jpg", "uint8, 256 levels"),
    ("lzw.tif", "uint8, 256 levels"), ("stack16.tif", "uint16, 65536 levels"),
    ("planes.tif", "uint8, 17 levels"), ("tiles.tif", "float32 in"),
  ]) func decoded(_ name: String, format: String) throws {
    try #require(Self.expected[name] != nil)
    guard Self.isRead(name) else { return }
    let source =
      name.hasSuffix(".tif")
      ? try ImportSource.pictures(Self.path(name)) : try .picture(Self.path(name))
    #expect("\(source.header.format)".hasPrefix(format))
    #expect(!source.header.hasLabels)
    try expect(source, name)
  }

  @Test func whatThisBuildDoesNotReadSaysWhatToInstall() {
    if !OptionalLibraries.readsJPEG {
      expectRefusal("colour.jpg: is a JPEG file, which this build", "install libturbojpeg0-dev") {
        _ = try ImportSource.picture(Self.path("colour.jpg"))
      }
    }
    if !OptionalLibraries.readsTIFF {
      expectRefusal("lzw.tif: is a TIFF file, which this build", "install libtiff-dev") {
        _ = try ImportSource.pictures(Self.path("lzw.tif"))
      }
    }
  }

  @Test(.enabled(if: OptionalLibraries.readsTIFF)) func levelsOfWholeNumbers() throws {
    let source = try ImportSource.pictures(Self.path("stack16.tif"), levels: 4096)
    #expect(source.header.format == .levels(4096))
    try expect(source, "stack16.tif")
    expectRefusal("stack16.tif (page 1): has the value", "levels are 0 … 15") {
      _ = try readAll(.pictures(Self.path("stack16.tif"), levels: 16))
    }
  }

  @Test func pngOf16BitsKeepsItsValues() throws {
    try withFolder { folder in
      try write(fixture("pictures/grey16.png"), folder, "a.png")
      let source = try ImportSource.pictures(folder)
      #expect(source.header.format == .levels(65_536))
      // In `pictures.txt` they are rounded to 8 bits.
      let rounded = floats(try readAll(source).images, .uint16).map { UInt8(($0 / 257).rounded()) }
      #expect(try Picture(png: fixturePath("pictures/grey16.png")).pixels == rounded)
      try write(fixture("pictures/grey8.png"), folder, "b.png")
      expectRefusal("b.png: has 8 bits a value where the first picture has 16 bits a value") {
        _ = try readAll(.pictures(folder))
      }
    }
  }

  @Test(.enabled(if: OptionalLibraries.readsJPEG)) func kindsAreToldByTheirBytes() throws {
    try withFolder { folder in
      try write(fixture("imports/colour.jpg"), folder, "a.png")
      try expect(.pictures(folder), "colour.jpg")
    }
    expectRefusal("printed.jpg: is in the colours of a printer") {
      _ = try ImportSource.picture(Self.path("printed.jpg"))
    }
    expectRefusal("cut.jpg: is a damaged JPEG file (") {
      _ = try ImportSource.picture(Self.path("cut.jpg"))
    }
  }

  @Test(.enabled(if: OptionalLibraries.readsTIFF)) func whatIsNoTIFFFileOfPictures() throws {
    try withFolder { folder in
      try write(fixture("imports/lzw.tif"), folder, "a.png")
      expectRefusal("a.png: is a TIFF file; let its name end in .tif") {
        _ = try ImportSource.pictures(folder)
      }
    }
    try withFolder { folder in
      try write(fixture("imports/stack16.tif"), folder, "a.tif")
      expectRefusal("a.tif: is a TIFF file with several pages") {
        _ = try ImportSource.pictures(folder)
      }
    }
    try withFolder { folder in
      let whole = try fixture("imports/tiles.tif")
      let path = try write(Array(whole[..<(whole.count / 2)]), folder, "a.tif")
      expectRefusal("a.tif: is a damaged TIFF file (") { _ = try readAll(.pictures(path)) }
    }
  }

  // MARK: Archives

  @Test func aFolderInATarArchive() throws {
    let source = try ImportSource.pictures(Self.path("photos.tar.gz"))
    try expect(source, "photos.tar.gz")
    #expect(source.header.classNames == ["ape", "bee"])
    #expect(try readAll(source).labels == [0, 0, 1])
    let captions = try #require(source.captions)
    #expect(
      (0..<3).map { captions.captions(of: $0) } == [
        ["this is ape/1.png"], ["this is ape/2.png"], ["this is bee/1.png"],
      ])
    #expect(source.header.suggestedName == "photos")
  }

  @Test func classesOfAnIndex() throws {
    let source = try ImportSource.pictures(Self.path("edm.zip"))
    try expect(source, "edm.zip")
    #expect(source.header.classNames == nil)
    #expect(try readAll(source).labels == [0, 3, 7])
    try withFolder { folder in
      let png = try fixture("pictures/grey8.png")
      for name in ["a/1.png", "2.png"] { try write(png, folder, name) }
      func index(_ text: String) throws -> ImportSource {
        try write(Array(text.utf8), folder, "dataset.json")
        return try .pictures(folder)
      }
      #expect(
        try readAll(index(#"{"labels": [["a/1.png", 4], ["2.png", 1]]}"#)).labels == [4, 1])
      #expect(try !index(#"{"labels": null}"#).header.hasLabels)
      expectRefusal("dataset.json: says no class of 2.png") {
        _ = try index(#"{"labels": [["a/1.png", 4]]}"#)
      }
      expectRefusal("dataset.json: names 3.png, which is not there") {
        _ = try index(#"{"labels": [["a/1.png", 4], ["2.png", 1], ["3.png", 1]]}"#)
      }
      for text in [#"{"labels": [["a/1.png", 4.5]]}"#, #"{"labels": [["a/1.png", -1]]}"#, "["] {
        expectRefusal("dataset.json: is not as {") { _ = try index(text) }
      }
    }
  }

  @Test func whatArchivesMayNotHold() throws {
    expectRefusal("link.tar: holds a.png, a link or a device") {
      _ = try ImportSource.pictures(Self.path("link.tar"))
    }
    // A name is a label: nothing is written.
    #expect(try ImportSource.pictures(Self.path("escaping.zip")).header.count == 1)
    try withFolder { folder in
      for name in ["photos.tar.gz", "edm.zip"] {
        let whole = try fixture("imports/" + name)
        // The trailer of gzip, and the table at the end of a zip file.
        let path = try write(Array(whole.dropLast(6)), folder, name)
        expectRefusal("\(name): ") { _ = try ImportSource.pictures(path) }
        var bytes = whole
        bytes[whole.count - (name.hasSuffix("gz") ? 6 : 12)] ^= 1
        try write(bytes, folder, name)
        expectRefusal("\(name): ") { _ = try ImportSource.pictures(path) }
      }
      let text = try write(Array("no archive".utf8), folder, "a.tar")
      expectRefusal("a.tar: is no archive that is read") { _ = try ImportSource.pictures(text) }
      let other = try write([1], folder, "a.7z")
      expectRefusal("a.7z: is not a folder, an archive (.zip") {
        _ = try ImportSource.pictures(other)
      }
    }
  }

  // MARK: Arrays

  @Test func arrays() throws {
    let first = try ImportSource.npy(images: Self.path("nchw.npy"), layout: .nchw)
    #expect(first.header.format == .levels(65_536))
    try expect(first, "nchw.npy")
    expectRefusal("nchw.npy: has the shape [2, 3, 4, 5], which leaves open where the channels are")
    {
      _ = try ImportSource.npy(images: Self.path("nchw.npy"))
    }
    let fortran = try ImportSource.npy(images: Self.path("fortran.npy"))
    #expect("\(fortran.header.format)".hasPrefix("float32 in"))
    try expect(fortran, "fortran.npy")
    let both = try ImportSource.npy(
      images: Self.path("both.npz"), key: "x", labelKey: "y", levels: 4096)
    try expect(both, "both.npz")
    #expect(try readAll(both).labels == [0, 1, 2])
    expectRefusal("both.npz: holds no array q, but x, y, z") {
      _ = try ImportSource.npy(images: Self.path("both.npz"), key: "q")
    }
    expectRefusal("both.npz: y: has the shape [3]; images are (N, H, W)") {
      _ = try ImportSource.npy(images: Self.path("both.npz"), key: "y")
    }
  }

  @Test func damagedArrays() throws {
    let whole = try fixture("imports/fortran.npy")
    func refuse(_ parts: String..., change: (inout [UInt8]) -> Void) throws {
      try withFolder { folder in
        var bytes = whole
        change(&bytes)
        let path = try write(bytes, folder, "x.npy")
        expectRefusal("x.npy: " + parts[0]) { _ = try readAll(.npy(images: path)) }
      }
    }
    try refuse("ends before the 60 values") { $0.removeLast() }
    try refuse("goes on after the 60 values") { $0.append(0) }
    try refuse("is not a .npy array") { $0[0] = 0 }
    try refuse("is of version 9") { $0[6] = 9 }
    try refuse("ends inside its header") { $0.removeLast($0.count - 40) }
    try refuse("has a header of 662437887 bytes") { ($0[8], $0[9], $0[6]) = (255, 255, 2) }
    try refuse("holds the value nan") { bytes in
      bytes.replaceSubrange(bytes.count - 8..<bytes.count, with: [0x7F, 0xF8, 0, 0, 0, 0, 0, 0])
    }
  }

  // MARK: Resizing

  @Test(
    .enabled(if: OptionalLibraries.readsTIFF),
    arguments: [
      ("shrunk8", "8", 1), ("grown8", "16", 1), ("shrunk16", "12x9", 1), ("shrunk32", "12x9", 1e-5),
    ] as [(String, String, Float)]) func resized(_ name: String, size: String, most: Float) throws
  {
    let size = try #require(PictureSize(size, crop: .center))
    let source = try ImportSource.pictures(Self.path(name + ".tif"), size: size)
    try expect(source, name + ".tif", most: most)
  }

  @Test func sizesOfImages() throws {
    #expect(PictureSize("64", crop: .none) == PictureSize(height: 64, width: 64, crop: .none))
    #expect(PictureSize("64x96", crop: .none) == PictureSize(height: 64, width: 96, crop: .none))
    for text in ["", "0", "64x", "x64", "64x64x3", "4097", "-1", "1.5"] {
      #expect(PictureSize(text, crop: .none) == nil, "\(text)")
    }
    try withFolder { folder in
      // One colour stays what it is, whatever the sizes.
      for (name, h, w) in [("a", 31, 90), ("b", 2, 1), ("c", 8, 8)] {
        let shape = ImageShape(height: h, width: w, channels: 1)
        try write(
          Picture(shape: shape, pixels: [UInt8](repeating: 201, count: h * w)).pngBytes(), folder,
          name + ".png")
      }
      for crop in PictureSize.Crop.allCases {
        let source = try ImportSource.pictures(
          folder, size: PictureSize(height: 8, width: 8, crop: crop))
        #expect(try readAll(source).images == [UInt8](repeating: 201, count: 3 * 64))
      }
    }
  }
}
