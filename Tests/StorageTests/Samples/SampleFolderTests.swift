// Folders of samples: what is there whole is kept, everything else is drawn again, and no foreign
// folder is written to.

import Foundation
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct SampleFolderTests {
  private let folder = try! TemporaryFolder()
  private let shape = ImageShape(height: 2, width: 3, channels: 1)
  private let manifest = "{\"seed\": 7}\n"

  private func open(
    _ name: String = "out/", manifest: String? = nil, format: PixelFormat = .levels(256)
  ) throws -> PictureFolder {
    try PictureFolder(
      folder.file(name), manifest: manifest ?? self.manifest, shape: shape, format: format)
  }

  /// The image of a number.
  private func pixels(_ image: Int) -> [UInt8] { (0..<6).map { UInt8((image + $0) % 256) } }

  private func names(_ name: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.file(name)).sorted()
  }

  @Test func eachImageIsAFile() throws {
    let pictures = try open()
    #expect(pictures.path == folder.file("out"))
    #expect(try pictures.missing(of: 998..<1002) == [998, 999, 1000, 1001])
    for image in [999, 1000, 1_234_567_890] { try pictures.write(pixels(image), image: image) }
    try pictures.finish(999..<1001)
    // What somebody has removed is not said to be there.
    expectRefusal("out: has lost 00000/img00000998.png meanwhile") {
      try pictures.finish(998..<1001)
    }
    #expect(try names("out") == ["00000", "00001", "1234567", "samples.json"])
    #expect(try names("out/00000") == ["img00000999.png"])
    #expect(try names("out/00001") == ["img00001000.png"])
    #expect(try names("out/1234567") == ["img1234567890.png"])
    #expect(try folder.bytes("out/samples.json") == Array(manifest.utf8))
    #expect(try Picture(png: pictures.file(of: 999)).pixels == pixels(999))
    #expect(try pictures.missing(of: 998..<1002) == [998, 1001])
  }

  @Test func valuesBecomeGreys() throws {
    let levels = try open("a", format: .levels(17))
    try levels.write([0, 1, 8, 15, 16, 2], image: 0)
    #expect(try Picture(png: levels.file(of: 0)).pixels == [0, 16, 128, 239, 255, 32])
    let range = PixelFormat.range(-3...5)
    let continuous = try open("b", format: range)
    let values: [Float] = [-1, 1, 0, 0.5, -7, 7]
    try continuous.write(values.withUnsafeBufferPointer { range.encode($0) }, image: 0)
    #expect(try Picture(png: continuous.file(of: 0)).pixels == [0, 255, 128, 191, 0, 255])
  }

  @Test func whatIsNotWholeIsMissing() throws {
    let pictures = try open()
    for image in 0..<8 { try pictures.write(pixels(image), image: image) }
    let good = try readFile(pictures.file(of: 0))
    try folder.write([], to: "out/00000/img00000001.png")
    try folder.write(good.dropLast(20), to: "out/00000/img00000002.png")
    var zeros = good
    for place in 40..<60 { zeros[place] = 0 }
    try folder.write(zeros, to: "out/00000/img00000003.png")
    let turned = ImageShape(height: 3, width: 2, channels: 1)
    try Picture(shape: turned, pixels: pixels(4)).writePNG(to: pictures.file(of: 4))
    let coloured = ImageShape(height: 2, width: 3, channels: 3)
    try Picture(shape: coloured, pixels: Array(repeating: 1, count: 18))
      .writePNG(to: pictures.file(of: 5))
    try FileManager.default.removeItem(atPath: pictures.file(of: 6))
    #expect(try pictures.missing(of: 0..<8) == [1, 2, 3, 4, 5, 6])
    #expect(try pictures.missing(of: 3..<3) == [])
    for image in 1..<7 { try pictures.write(pixels(image), image: image) }
    #expect(try pictures.missing(of: 0..<8) == [])
    #expect(
      try readFile(pictures.file(of: 2)) == Picture(shape: shape, pixels: pixels(2)).pngBytes())
  }

  @Test func jobsShareAFolder() throws {
    let (first, second) = (try open(), try open())
    for image in 0..<20 {
      try (image % 2 == 0 ? first : second).write(pixels(image), image: image)
    }
    #expect(try first.missing(of: 0..<21) == [20])
    #expect(try names("out") == ["00000", "samples.json"])
  }

  @Test func foreignFoldersAreRefused() throws {
    func check(_ name: String, channels: Int = 1) throws {
      try PictureFolder.check(
        folder.file(name), manifest: manifest,
        shape: ImageShape(height: 2, width: 3, channels: channels))
    }
    // Nothing is made by a check.
    try check("new/")
    #expect(try folder.names() == [])
    expectRefusal("new: cannot hold pictures of 2 channels", "write a .h5 file") {
      try check("new", channels: 2)
    }
    expectRefusal("no/such: cannot be created: No such file") { try check("no/such") }

    try FileManager.default.createDirectory(
      atPath: folder.file("empty"), withIntermediateDirectories: false)
    // What a process that was killed at its beginning has left.
    try folder.write([1], to: "empty/samples.json.17-1.tmp")
    try check("empty")
    try folder.write([1], to: "file")
    expectRefusal("file: is no folder") { try check("file/") }
    try FileManager.default.createDirectory(
      atPath: folder.file("photos"), withIntermediateDirectories: false)
    try folder.write([1], to: "photos/cat.png")
    expectRefusal("photos: holds other files, and no samples.json") { try check("photos") }
    expectRefusal("photos: holds other files, and no samples.json") { _ = try open("photos") }
    #expect(try names("photos") == ["cat.png"])

    _ = try open()
    try check("out")
    for other in ["{\"seed\": 8}\n", manifest + " ", "{\"seed\": 7}", ""] {
      expectRefusal("out: holds the pictures of another job") {
        _ = try open(manifest: other)
      }
    }
    #expect(try folder.bytes("out/samples.json") == Array(manifest.utf8))
  }

  @Test func onlyOldTemporaryFilesOfPicturesAreRemoved() throws {
    let pictures = try open()
    try pictures.write(pixels(0), image: 0)
    let old = [
      "img00000001.png.17-3.tmp", "img00000001.tmp", "cat.png.17-3.tmp", "imgx.png.1-1.tmp",
    ]
    for name in old + ["img00000002.png.17-3.tmp"] {
      try folder.write([1], to: "out/00000/\(name)")
    }
    for name in old {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -4000)],
        ofItemAtPath: folder.file("out/00000/\(name)"))
    }
    #expect(try pictures.missing(of: 1000..<1001) == [1000])
    #expect(try names("out/00000").count == 6)
    #expect(try pictures.missing(of: 0..<1) == [])
    #expect(
      try names("out/00000") == [
        "cat.png.17-3.tmp", "img00000000.png", "img00000001.tmp", "img00000002.png.17-3.tmp",
        "imgx.png.1-1.tmp",
      ])
  }

  @Test func namesOfFolders() {
    #expect(PictureFolder.fits("a/") && PictureFolder.fits(folder.path))
    #expect(!PictureFolder.fits("a.png") && !PictureFolder.fits(folder.file("a")))
  }

  @Test func aFullDisk() throws {
    try withSmallDisk(megabytes: 1) { disk in
      let shape = ImageShape(height: 300, width: 300, channels: 1)
      let pictures = try PictureFolder(
        disk + "/out", manifest: manifest, shape: shape, format: .levels(256))
      let noise = (0..<shape.count).map {
        UInt8(truncatingIfNeeded: ($0 &* $0 &* 2_654_435_761) >> 13)
      }
      let error = #expect(throws: StorageError.self) {
        for image in 0..<20 { try pictures.write(noise, image: image) }
      }
      #expect(error?.reason == "cannot write the file: No space left on device")
      let missing = try pictures.missing(of: 0..<20)
      try #require(missing.count < 15)
      #expect(missing == Array(missing[0]..<20))
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: disk + "/out/00000").count
          == missing[0])
    }
  }
}
