// Captions from files of their own, and from the columns of tables.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct CaptionFileTests {
  private let folder = try! TemporaryFolder()

  /// Reads captions of two images, which may have names.
  private func read(
    _ text: String, as name: String, count: Int = 2, names: [String]? = nil
  ) throws -> [[String]] {
    let path = try folder.write(Array(text.utf8), to: name)
    let captions = try CaptionFile.read(path, of: "pictures", count: count, names: names)
    return (0..<captions.count).map { captions.captions(of: $0) }
  }

  // MARK: Text

  @Test func aLineIsACaption() throws {
    #expect(try read("a cat\r\n两个七\r\n", as: "a.txt") == [["a cat"], ["两个七"]])
    #expect(try read("\u{FEFF}a, \"cat\"\n b ", as: "a.txt") == [["a, \"cat\""], [" b "]])
  }

  @Test(arguments: [
    ("a\nb\nc\n", "has the captions of 3 images, but there are 2 in pictures"),
    ("a\n\n", "line 2: the caption is empty"), ("", "holds no caption"),
    ("a\n\(String(repeating: "x", count: 4097))", "line 2: the caption has 4097 bytes"),
  ])
  func badLinesAreRefused(_ text: String, _ part: String) {
    expectRefusal("a.txt: \(part)") { _ = try read(text, as: "a.txt") }
  }

  @Test func otherBytesThanUTF8AreRefused() throws {
    for (name, part) in [
      ("a.txt", "line 2: the caption is not UTF-8"), ("a.jsonl", "line 2 is not UTF-8"),
    ] {
      let path = try folder.write(Array("\"a\"\n".utf8) + [0x22, 0xE9, 0x22, 10], to: name)
      expectRefusal("\(name): \(part)") {
        _ = try CaptionFile.read(path, of: "pictures", count: 2, names: nil)
      }
    }
  }

  // MARK: JSON

  @Test func stringsListsAndObjectsAreCaptions() throws {
    #expect(try read("\"a\"\n\n\"\\u00e9\"\n", as: "a.jsonl") == [["a"], ["é"]])
    #expect(try read("[\"a\",\"b\"]\n[\"c\",\"d\"]", as: "a.jsonl") == [["a", "b"], ["c", "d"]])
    #expect(
      try read("{\"caption\":\"a\"}\n{\"text\":\"b\",\"x\":[1]}", as: "a.jsonl") == [["a"], ["b"]])
    #expect(try read("{\"captions\":[\"a\",\"b\"]}", as: "a.jsonl", count: 1) == [["a", "b"]])
  }

  @Test func linesMayNameThePictures() throws {
    let names = ["1.png", "cats/2.png"]
    let text = """
      {"file": "cats/2.png", "caption": "two"}
      {"file": "1.png", "caption": "one"}
      """
    #expect(try read(text, as: "a.jsonl", names: names) == [["one"], ["two"]])
    let several = """
      {"file_name": "1.png", "text": "one"}
      {"image": "cats/2.png", "captions": ["two", "zwei"]}
      {"file_name": "1.png", "text": "eins"}
      """
    #expect(
      try read(several, as: "a.jsonl", names: names) == [["one", "eins"], ["two", "zwei"]])
  }

  @Test(arguments: [
    ("\"a\"\n{\"x\":1}", "line 2 is no JSON of a caption"), ("\"a\"\n7", "line 2 is no JSON"),
    ("\"a\"\n\"b", "line 2 is no JSON"), ("\"a\"\n[1]", "line 2 is no JSON"),
    ("\"a\"\n\" \"", "line 2: the caption is empty"),
    ("\"a\"\n\"b\\u0000\"", "line 2: the caption holds a zero byte"),
    ("[]\n[]", "line 1 has 0 captions"),
    ("[\"a\"]\n[\"b\",\"c\"]", "line 2: its image has 2 captions where the first has 1"),
    ("{\"file\":\"1.png\",\"text\":\"a\"}\n\"b\"", "line 2 names no file"),
    ("\"b\"\n{\"file\":\"1.png\",\"text\":\"a\"}", "line 2 names a file"),
    ("{\"file\":\"3.png\",\"text\":\"a\"}", "line 1: there is no picture 3.png in pictures"),
    ("{\"file\":\"1.png\",\"text\":\"a\"}", "has no caption of 2.png"),
    ("\"a\"", "has the captions of 1 images, but there are 2 in pictures"),
    ("\n", "holds no caption"),
  ])
  func badJSONIsRefused(_ text: String, _ part: String) {
    expectRefusal("a.jsonl: \(part)") {
      _ = try read(text, as: "a.jsonl", names: ["1.png", "2.png"])
    }
  }

  @Test func namesAreOfNoUseWhereImagesHaveNone() {
    expectRefusal("line 1 names a file, but the images of pictures have no names") {
      _ = try read("{\"file\":\"1.png\",\"text\":\"a\"}", as: "a.jsonl")
    }
  }

  @Test func aBombOfBracketsIsRefused() {
    let text = String(repeating: "[", count: 500_000)
    expectRefusal("line 1 is no JSON") { _ = try read(text, as: "a.jsonl") }
    expectRefusal("line 1 is longer than 1 MiB") {
      _ = try read(String(repeating: "x", count: 1 << 20 + 1), as: "a.jsonl")
    }
  }

  // MARK: HDF5

  @Test func aDatasetOfAFileIsRead() throws {
    let path = folder.file("words.h5")
    let file = try File.create(path)
    let root = try file.root()
    try root.write("captions", strings: ["a", "b"])
    try root.write("train/text", strings: ["c", "d"])
    try root.close()
    try file.close()
    func read(_ name: String) throws -> [String] {
      try CaptionFile.read(name, of: "pictures", count: 2, names: nil).unique
    }
    #expect(try read(path) == ["a", "b"])
    #expect(try read(path + ":/train/text") == ["c", "d"])
    #expect(CaptionFile.path(of: path + ":/train/text") == path)
    expectRefusal("words.h5", "holds no dataset named no") { _ = try read(path + ":no") }
    expectRefusal("no.h5") { _ = try read(folder.file("no.h5")) }
    try folder.write([1, 2, 3], to: "other.h5")
    expectRefusal("other.h5: is not an HDF5 file") { _ = try read(folder.file("other.h5")) }
  }

  @Test func otherNamesAreNone() {
    for name in ["a.csv", "a", "a.h5:", "h5"] {
      #expect(CaptionFile.fault(inName: name)?.contains(".jsonl") == true, "\(name)")
    }
    for name in ["a.txt", "a.jsonl", "a.h5", "a.hdf5", "a.hdf5:/x/y"] {
      #expect(CaptionFile.fault(inName: name) == nil, "\(name)")
    }
  }

  // MARK: Beside pictures

  @Test func picturesMayHaveAFileBesideThem() throws {
    let picture = Picture(
      shape: ImageShape(height: 2, width: 2, channels: 1), pixels: [0, 1, 2, 3])
    for name in ["a/2.png", "b/1.png"] { try write(picture.pngBytes(), folder.path, name) }
    let jsonl = Array(
      "{\"file\":\"b/1.png\",\"text\":\"x\"}\n{\"file\":\"a/2.png\",\"text\":\"y\"}".utf8)
    try folder.write(jsonl, to: "captions.jsonl")
    let source = try ImportSource.pictures(folder.path)
    #expect(source.captions?.unique == ["y", "x"])
    let output = NSTemporaryDirectory() + "\(UUID().uuidString).h5"
    defer { try? FileManager.default.removeItem(atPath: output) }
    #expect(
      try DatasetImport.run(source: source, output: output).file.captions == source.captions)
    #expect(try ImageDataset(path: output).captions == source.captions)
    // Another file is named.
    let other = try folder.write(Array("p\nq\n".utf8), to: "other.txt")
    #expect(
      try DatasetImport.run(source: source, output: output, captions: other).file.captions?.unique
        == ["p", "q"])
    try folder.write(Array("p\n".utf8), to: "captions.txt")
    expectRefusal("holds both captions.jsonl and captions.txt") {
      _ = try ImportSource.pictures(folder.path)
    }
    #expect(
      try ImportSource.pictures(folder.path, readsCaptions: false).captions == nil)
    try FileManager.default.removeItem(atPath: folder.file("captions.jsonl"))
    expectRefusal("captions.txt: has the captions of 1 images, but there are 2") {
      _ = try ImportSource.pictures(folder.path)
    }
  }

  // MARK: Tables

  /// The pixels, labels and captions of a table.
  private func table(
    _ text: String, _ column: CSVColumn, label: CSVLabelColumn = .last
  ) throws -> (images: [UInt8], labels: [Int]?, captions: [String]) {
    let source = try ImportSource.csv(
      file: folder.write(Array(text.utf8), to: "t.csv"), label: label, caption: column)
    let (images, labels) = try readAll(source)
    let captions = try #require(source.captions)
    return (images, labels, (0..<captions.count).map { captions.captions(of: $0)[0] })
  }

  @Test(arguments: [
    ("1,2,3,4,0,a cat\n5,6,7,8,1,二\r\n", CSVColumn.number(6)),
    ("1,2,3,4,\"a cat\",0\n5,6,7,8, 二 ,1\n", .number(5)),
    ("a cat,1,2,3,4,0\n\"二\" ,5,6,7,8,1", .number(1)),
    ("p,p,text,p,p,label\n1,2,a cat,3,4,0\n\n5,6,二,7,8,1\n", .name("text")),
    ("p,p,\"text\",p,p,label\n1,2,a cat,3,4,0\n\n5,6,二,7,8,1\n", .name("text")),
    ("p,p,text,p,p,label\n1,2,a cat,3,4,0\n5,6,二,7,8,1\n", .number(3)),
  ])
  func aColumnOfATableIsTheCaption(_ text: String, _ column: CSVColumn) throws {
    let (images, labels, captions) = try table(text, column)
    #expect(images == [1, 2, 3, 4, 5, 6, 7, 8])
    #expect(labels == [0, 1])
    #expect(captions == ["a cat", "二"])
  }

  @Test func quotationMarksHoldCommas() throws {
    let (_, _, captions) = try table(
      "1,2,3,4,\"a, \"\"b\"\", c\"\n1,2,3,4,d\"e\n", .number(5), label: .none)
    #expect(captions == ["a, \"b\", c", "d\"e"])
  }

  @Test(arguments: [
    ("1,2,3,4,0\n", CSVColumn.number(6), "line 1 has 5 fields; its caption would be field 6"),
    ("1,2,3,4,0\n", .number(8), "line 1 has 5 fields; its caption would be field 8"),
    ("1,2,3,4,0,a\n1,2,3,4,0,\n", .number(6), "line 2, field 6: the caption is empty"),
    ("1,2,3,4,0,\"a\n", .number(6), "line 1, field 6: a quotation mark is missing"),
    ("1,2,3,4,0,\"a\"b\n", .number(6), "line 1, field 6: a quotation mark is missing"),
    ("1,2,3,4,0,a,\n", .number(6), "line 1, field 7: there is no number"),
    ("1,a,2,x,4,0\n", .number(2), "line 1, field 4: \"x\" is not a whole number"),
    ("1,a,2,70000,4,0\n", .number(2), "line 1, field 4: 70000 is beyond"),
    ("1,2,3,4,0,a\n", .name("text"), "line 1 names no column text; of its 6 names"),
    ("text\nabc\n", .name("text"), "line 2 has no pixels"),
  ])
  func badTablesAreRefused(_ text: String, _ column: CSVColumn, _ part: String) {
    expectRefusal("t.csv: \(part)") { _ = try table(text, column) }
  }

  @Test func wordsAreColumns() {
    #expect(CSVColumn("7") == .number(7))
    #expect(CSVColumn("0") == .name("0"))
    #expect(CSVColumn("text") == .name("text"))
  }
}
