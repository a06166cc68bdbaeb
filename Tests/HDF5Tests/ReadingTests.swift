// Files that h5py wrote: what is understood, and what is refused before it can do harm.

import Foundation
import HDF5
import Testing

/// The file that `Fixtures/make_h5py_fixture.py` recorded.
let recorded = Bundle.module.path(forResource: "h5py", ofType: "h5", inDirectory: "Fixtures")!

/// The values of the recorded float datasets.
let recordedFloats = (0..<60).map { Float($0) / 8 }

@Suite struct ReadingTests {
  @Test func attributesOfEveryKind() throws {
    let root = try File.open(recorded).root()
    #expect(try root.string("text") == "Zahl √2")
    #expect(try root.string("fixed") == "abc")
    #expect(try root.strings("texts") == ["zero", "eins", "два"])
    #expect(try root.integer("integer") == 17)
    #expect(try root.integer("small") == 200)
    #expect(try root.unsigned("large") == .max)
    #expect(try root.integers("integers") == [-1, 2, 3])
    #expect(try root.double("double") == 0.1)
    #expect(try root.doubles("doubles") == [0.5, -2])
    #expect(try root.double("integer") == 17)
    #expect(try root.attribute("no such") == nil)
    let names = try root.attributeNames()
    #expect(names.count == 12 && names.first == "double" && names.contains("texts"))
  }

  @Test func attributesOfTheWrongKindAreRefused() throws {
    let root = try File.open(recorded).root()
    #expect(error { () throws(HDF5Error) in _ = try root.integer("text") }.contains("an integer"))
    #expect(error { () throws(HDF5Error) in _ = try root.string("large") }.contains("a string"))
    for name in ["flag", "nothing", "matrix"] {
      let message = error { () throws(HDF5Error) in _ = try root.attribute(name) }
      #expect(message.hasPrefix("\(recorded):/@\(name): "))
    }
  }

  @Test(arguments: ["group/floats", "group/big_endian", "group/filtered"])
  func floats(_ name: String) throws {
    let dataset = try File.open(recorded).root().dataset(name)
    #expect(dataset.shape == [5, 4, 3])
    #expect(dataset.elementType == .float(bytes: 4))
    #expect(try dataset.values(as: Float.self) == recordedFloats)
    var rows = [Float](repeating: 0, count: 24)
    try rows.withUnsafeMutableBufferPointer { try dataset.read(rows: 2..<4, into: $0) }
    #expect(rows == Array(recordedFloats[24..<48]))
  }

  @Test func otherElements() throws {
    let group = try File.open(recorded).root().group("group")
    #expect(try group.dataset("doubles").values(as: Double.self) == [.pi, -.infinity])
    #expect(try group.dataset("int16").values(as: Int32.self) == [-3, -2, -1, 0, 1, 2, 3])
    #expect(try group.dataset("scalar").values(as: Int64.self) == [7])
    #expect(try group.dataset("empty").values(as: UInt8.self) == [])
    #expect(try group.dataset("texts").strings() == ["a", "", "größer"])
    #expect(try group.dataset("fixed").strings() == ["ab", "", "abcd"])
    #expect(try group.dataset("filtered").filters == ["shuffle", "gzip", "fletcher32"])
    #expect(try group.dataset("filtered").chunk == [2, 4, 2])
    #expect(try group.dataset("half").elementType == .float(bytes: 2))
    #expect(try group.dataset("half").values(as: Float.self) == recordedFloats)
    #expect(try group.dataset("flags").elementType == .truth)
    #expect(try group.dataset("flags").values(as: Int64.self) == [1, 0])
  }

  @Test func elementsAreNotConvertedAcrossKinds() throws {
    let group = try File.open(recorded).root().group("group")
    for name in ["floats", "half", "texts"] {
      let message = error { () throws(HDF5Error) in
        _ = try group.dataset(name).values(as: Int32.self)
      }
      #expect(message.contains("not Int32"), "\(name)")
    }
    let message = error { () throws(HDF5Error) in
      _ = try group.dataset("int16").values(as: Float.self)
    }
    #expect(message == "\(recorded):/group/int16: holds int16, not Float")
  }

  @Test(arguments: [
    ("lzf", "filter number 32000"), ("unwritten", "was never written"),
    ("overflow", "impossible shape"), ("sparse", "has 1 of the 8 chunks"),
    ("bomb", "but stores"), ("external", "another file (external storage)"),
    ("virtual", "virtual storage"), ("soft", "is not followed"),
    ("other_file", "is not followed"), ("soft_group/floats", "is not followed"),
    ("type", "is not followed"), ("missing", "no such dataset"),
    ("lzf/below", "no such dataset"),
  ])
  func hostileDatasets(_ name: String, _ expected: String) throws {
    let root = try File.open(recorded).root()
    let message = error { () throws(HDF5Error) in _ = try root.dataset("hostile/\(name)") }
    #expect(message.hasPrefix("\(recorded):/hostile/\(name): ") && message.contains(expected))
    #expect(!message.contains("\n"))
  }

  @Test func walkingAGroup() throws {
    let root = try File.open(recorded).root()
    #expect(try root.names() == ["group", "hostile"])
    #expect(try root.group("hostile").names().count == 11)
    #expect(try root.kind(of: "group") == .group)
    #expect(try root.kind(of: "group/floats") == .dataset)
    #expect(try root.kind(of: "group/none") == nil)
    #expect(try root.kind(of: "none/floats") == nil)
    #expect(try root.kind(of: "group/floats/below") == nil)
    #expect(try root.kind(of: "hostile/soft") == .other)
    #expect(
      error { () throws(HDF5Error) in _ = try root.group("group/floats") }.contains("not a group"))
    #expect(
      error { () throws(HDF5Error) in _ = try root.dataset("group") }.contains("not a dataset"))
  }

  @Test(arguments: ["", "/", "///", ".", "./", "/./."]) func aPathWithoutANameLeadsNowhere(
    _ path: String
  ) throws {
    let root = try File.open(recorded).root()
    #expect(try root.kind(of: path) == nil)
    #expect(
      error { () throws(HDF5Error) in _ = try root.group(path) }.contains("no such group"))
    #expect(
      error { () throws(HDF5Error) in _ = try root.dataset(path) }.contains("no such dataset"))
    #expect(try root.kind(of: "./group/./floats") == .dataset)
    // A slash at the beginning does not lead out of a group.
    let group = try root.group("/group")
    #expect(try group.dataset("/floats").place.object == "/group/floats")
    #expect(
      error { () throws(HDF5Error) in _ = try group.dataset("/group/floats") }
        .contains("no such dataset"))
  }

  /// Extents near the largest Int, of a dataset that may grow without limit.
  @Test func extentsThatOverflowAreRefused() throws {
    let file = try File.createInMemory(label: "written")
    let root = try file.root()
    var rows = try root.createDataset(
      "rows", of: UInt8.self, shape: [0], layout: .chunked([3], growing: true))
    try [UInt8](0..<5).withUnsafeBufferPointer { try rows.append(rows: $0) }
    try rows.close()
    try root.close()
    let bytes = try file.finish().withBytes { Array($0) }
    // The extent and its limit, as eight bytes each.
    let extent: [UInt8] = [5] + [UInt8](repeating: 0, count: 7) + [UInt8](repeating: 255, count: 8)
    try #require(bytes.ranges(of: extent).count == 1)
    for top in [UInt8(0x7F), 0x3F] {
      let large = [UInt8](repeating: 255, count: 7) + [top] + extent.suffix(8)
      let image = FileImage(bytes.replacing(extent, with: large))
      let message = error { () throws(HDF5Error) in
        _ = try File.open(image: image, label: "changed").root().dataset("rows")
      }
      #expect(message.hasPrefix("changed:/rows: has 2 of the "), "\(message)")
    }
  }

  @Test func theReasonIsTheLibrarysInnermost() throws {
    let message = error { () throws(HDF5Error) in _ = try File.open("/no/such/file.h5") }
    #expect(message.contains("No such file or directory"))
    #expect(!message.contains("\n"))
    #expect(!File.isHDF5("/no/such/file.h5") && File.isHDF5(recorded))
  }

  @Test func bytesInMemory() throws {
    let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: recorded)))
    let image = FileImage(bytes)
    // Two openings of the same bytes at once, and datasets that outlive their file.
    let first = try File.open(image: image, label: "bytes").root().dataset("group/floats")
    let second = try File.open(image: image, label: "bytes").root().dataset("group/floats")
    #expect(try first.values(as: Float.self) == recordedFloats)
    #expect(try second.values(as: Float.self) == recordedFloats)
    #expect(
      error { () throws(HDF5Error) in
        _ = try File.open(image: FileImage([]), label: "nothing")
      } == "nothing: is empty")
    #expect(
      error { () throws(HDF5Error) in
        _ = try File.open(image: FileImage([1, 2, 3]), label: "three")
      }.contains("three: cannot open the file"))
  }

  @Test func truncatedFilesDoNotOpen() throws {
    let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: recorded)))
    for length in [1, 8, 95, 96, 200, 2048, bytes.count / 2, bytes.count - 1] {
      let message = error { () throws(HDF5Error) in
        _ = try File.open(image: FileImage(bytes.prefix(length)), label: "cut")
      }
      #expect(message.hasPrefix("cut: cannot open the file"), "\(length)")
    }
  }
}

/// The description of the error that the body throws; an empty string where it throws none.
func error(_ body: () throws(HDF5Error) -> Void) -> String {
  do throws(HDF5Error) {
    try body()
    return ""
  } catch {
    return error.description
  }
}
