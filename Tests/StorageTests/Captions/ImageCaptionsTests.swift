// Captions in datasets: what is read back, and what is refused in one line.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

/// The file that `Fixtures/make_caption_fixture.py` recorded.
private let recorded = Bundle.module.path(
  forResource: "captions", ofType: "h5", inDirectory: "Fixtures")!

@Suite struct ImageCaptionsTests {
  private let folder = try! TemporaryFolder()
  private let shape = ImageShape(height: 2, width: 2, channels: 1)

  // MARK: What others write

  private static let words = [["one", "eine Eins"], ["zwei é", "two"], ["三", "two"]]

  /// Of the first two, h5py has declared the checksum that xxhash computes.
  @Test(arguments: ["variable", "several", "fixed", "packed"])
  func stringsOfEveryKindAreRead(_ group: String) throws {
    let dataset = try ImageDataset(path: recorded, group: group)
    let captions = try #require(dataset.captions)
    let expected = ["several", "packed"].contains(group) ? Self.words : Self.words.map { [$0[0]] }
    #expect((0..<3).map { captions.captions(of: $0) } == expected)
    #expect(captions == ImageCaptions(expected))
    #expect(captions.count == 3 && captions.perImage == expected[0].count)
    #expect((dataset.captionsHash == nil) == ["fixed", "packed"].contains(group))
    try dataset.verify()
    if expected[0].count == 2 {
      #expect(captions.unique == ["one", "eine Eins", "zwei é", "two", "三"])
      #expect((0..<3).map { captions.numbers(of: $0) } == [[0, 1], [2, 3], [4, 3]])
    }
  }

  @Test func aDatasetMayHaveNone() throws {
    #expect(try ImageDataset(path: recorded, group: "none").captions == nil)
  }

  /// They are written out where they are printed.
  @Test func controlCharactersAreKept() throws {
    let captions = try ImageDataset(path: recorded, group: "control").captions
    #expect(captions?.unique == ["a\u{1B}[31m", "b\u{202E}", "c\nd"])
  }

  @Test func theLongestIsRead() throws {
    let captions = try ImageDataset(path: recorded, group: "longest").captions
    #expect(captions?.longestBytes == ImageCaptions.longest)
  }

  @Test(arguments: [
    ("too-long", "/too-long/captions: the caption of image 1 has 4097 bytes; 4096 are possible"),
    ("not-utf8", "the caption of image 2 is not UTF-8"),
    ("blank", "caption 1 of image 1 is empty"),
    ("unwritten", "the caption of image 1 is empty"),
    ("two", "has the shape [2], but there are 3 images"),
    ("numbers", "holds int64; captions are strings"),
    ("three-axes", "has the shape [3, 1, 1]"),
    ("too-many", "has the shape [3, 65]; an image has 1 to 64 captions"),
    ("zero", "has the shape [3, 0]"),
    ("wide", "holds strings of 70000 bytes"),
    ("coarse", "is compressed in chunks of more than 16 MiB"),
  ])
  func badCaptionsAreRefused(_ group: String, _ part: String) {
    expectRefusal("captions.h5", part) { _ = try ImageDataset(path: recorded, group: group) }
  }

  @Test func otherCaptionsThanDeclaredAreFound() throws {
    let dataset = try ImageDataset(path: recorded, group: "changed")
    expectRefusal("its captions have the checksum", "damaged or was changed") {
      try dataset.verify()
    }
  }

  // MARK: What we write

  /// 3,000 images with captions, of which some are several portions of the reader away.
  private func write(
    _ name: String, perImage: Int, gzip: Int? = nil
  ) throws -> (path: String, captions: [[String]]) {
    let captions = (0..<3000).map { image in
      (0..<perImage).map { "é\($0) " + String(repeating: "x", count: image % 700) }
    }
    let writer = try ImageDatasetWriter(
      output: folder.file(name), shape: shape, name: "words", captionsPerImage: perImage,
      gzip: gzip)
    for first in stride(from: 0, to: 3000, by: 1000) {
      try writer.append(
        images: [UInt8](repeating: 7, count: 4000),
        captions: Array(captions[first..<first + 1000]))
    }
    #expect(try writer.finish().captions == ImageCaptions(captions))
    return (folder.file(name), captions)
  }

  @Test(arguments: [(1, nil), (3, nil), (3, 6)]) func isReadBack(
    _ perImage: Int, _ gzip: Int?
  ) throws {
    let (path, captions) = try write("a.h5", perImage: perImage, gzip: gzip)
    let dataset = try ImageDataset(path: path)
    let read = try #require(dataset.captions)
    #expect((0..<3000).map { read.captions(of: $0) } == captions)
    #expect(read.unique.count == 700 * perImage)
    #expect(dataset.captionsHash == read.hash)
    try dataset.verify()
    let root = try File.open(path).root()
    // Earlier programs read one caption as none, and refuse what they do not know.
    #expect(try root.integer("version") == (perImage == 1 ? 1 : 2))
    let stored = try root.dataset("captions")
    #expect(stored.shape == (perImage == 1 ? [3000] : [3000, perImage]))
    // Strings of a fixed length: a heap makes the library crash where it is damaged.
    #expect(stored.elementType == .string(bytes: 703))
    #expect((stored.chunk == nil) == (gzip == nil))
  }

  @Test func equalCaptionsGiveEqualBytes() throws {
    let (one, _) = try write("a.h5", perImage: 2)
    let (other, _) = try write("b.h5", perImage: 2)
    #expect(try readFile(one) == readFile(other))
  }

  @Test func whatIsNoCaptionLeavesNoFile() throws {
    let cases = [
      ("", "is empty"), (" \u{3000}\n", "is empty"), ("a\0b", "holds a zero byte"),
      (String(repeating: "é", count: 2049), "has 4098 bytes"),
    ]
    for (text, part) in cases {
      let writer = try ImageDatasetWriter(
        output: folder.file("bad.h5"), shape: shape, name: "words", captionsPerImage: 2)
      try writer.append(images: [0, 1, 2, 3], captions: [["good", "better"]])
      expectRefusal("bad.h5: caption 1 of image 1 \(part)") {
        try writer.append(images: [0, 1, 2, 3], captions: [["good", text]])
      }
      #expect(try folder.names().isEmpty)
    }
  }

  /// Swift takes them for equal strings; the file has the bytes that were given.
  @Test func spellingsStayApart() throws {
    let captions = ImageCaptions([["é"], ["e\u{301}"]])
    #expect(captions.numbers(of: 1) == [1])
    #expect(captions != ImageCaptions([["é"], ["é"]]))
    #expect(captions.hash != ImageCaptions([["é"], ["é"]]).hash)
  }
}
