// What is written is read back, equal content gives equal bytes, and errors of the disk are seen.

import Foundation
import HDF5
import TestSupport
import Testing

@Suite struct WritingTests {
  /// A file with everything that this module writes.
  private func fill(_ file: borrowing File) throws(HDF5Error) {
    let root = try file.root()
    try root.setAttribute("text", "Zahl √2")
    try root.setAttribute("empty", "")
    try root.setAttribute("texts", .strings(["a", "", "größer"]))
    try root.setAttribute("none", .strings([]))
    try root.setAttribute("integer", -5)
    try root.setAttribute("large", .unsigned(.max))
    try root.setAttribute("double", .double(0.1))
    try root.setAttribute("integers", .integers([1, -2]))
    try root.setAttribute("doubles", .doubles([0.5, .infinity]))
    try root.write("a/b/floats", (0..<60).map { Float($0) }, shape: [5, 4, 3])
    try root.write("bytes", [UInt8]([0, 255, 7]))
    try root.write("int32", [Int32.min, .max])
    try root.write("int64", [Int64.min, .max])
    try root.write("uint64", [UInt64.max])
    try root.write("doubles", [Double.pi])
    try root.write("scalar", [Int64(3)], shape: [])
    try root.write("nothing", [Float](), shape: [0, 3])
    try root.write("text", String(repeating: "größer\n", count: 20_000))
    try root.write("texts", strings: ["one", "", "drei"])
    try root.write(
      "packed", (0..<1000).map { Int32($0) }, shape: [100, 10],
      layout: .chunked([30, 10], gzip: 6, shuffle: true))
    var growing = try root.createDataset(
      "growing", of: UInt8.self, shape: [0, 2], layout: .chunked([4, 2], growing: true))
    try growing.setAttribute("levels", 17)
    for first in [UInt8(0), 6, 12] {
      try (first..<(first + 6)).map { $0 }.withUnsafeBufferPointer {
        (rows) throws(HDF5Error) in try growing.append(rows: rows)
      }
    }
    try growing.close()
    try root.close()
  }

  private func check(_ file: borrowing File) throws {
    let root = try file.root()
    #expect(try root.string("text") == "Zahl √2")
    #expect(try root.string("empty") == "")
    #expect(try root.strings("texts") == ["a", "", "größer"])
    #expect(try root.strings("none") == [])
    #expect(try root.integer("integer") == -5)
    #expect(try root.unsigned("large") == .max)
    #expect(try root.double("double") == 0.1)
    #expect(try root.integers("integers") == [1, -2])
    #expect(try root.doubles("doubles") == [0.5, .infinity])
    #expect(try root.dataset("a/b/floats").values() == (0..<60).map { Float($0) })
    #expect(try root.dataset("a/b/floats").shape == [5, 4, 3])
    #expect(try root.dataset("bytes").values() == [UInt8]([0, 255, 7]))
    #expect(try root.dataset("int32").values() == [Int32.min, .max])
    #expect(try root.dataset("int64").values() == [Int64.min, .max])
    #expect(try root.dataset("uint64").values() == [UInt64.max])
    #expect(try root.dataset("doubles").values() == [Double.pi])
    #expect(try root.dataset("scalar").values() == [Int64(3)])
    #expect(try root.dataset("nothing").shape == [0, 3])
    #expect(try root.dataset("text").string() == String(repeating: "größer\n", count: 20_000))
    #expect(try root.dataset("texts").strings() == ["one", "", "drei"])
    #expect(try root.dataset("packed").values() == (0..<1000).map { Int32($0) })
    #expect(try root.dataset("packed").filters == ["shuffle", "gzip"])
    #expect(try root.dataset("growing").values() == (0..<18).map { UInt8($0) })
    #expect(try root.dataset("growing").integer("levels") == 17)
  }

  private func encoded(increment: Int) throws -> [UInt8] {
    let file = try File.createInMemory(label: "memory", increment: increment)
    try fill(file)
    return try file.finish().withBytes { Array($0) }
  }

  @Test func onDisk() throws {
    let folder = try TemporaryFolder()
    let file = try File.create(folder.file("a.h5"))
    try fill(file)
    try file.close()
    try check(File.open(folder.file("a.h5")))
  }

  @Test func inMemory() throws {
    try check(File.open(image: FileImage(encoded(increment: 1 << 20)), label: "memory"))
  }

  @Test func equalContentGivesEqualBytes() throws {
    let folder = try TemporaryFolder()
    let first = try encoded(increment: 1 << 20)
    // Other steps of growth, other memory, and the driver that writes to a disk.
    #expect(try encoded(increment: 999) == first)
    let file = try File.create(folder.file("a.h5"))
    try fill(file)
    try file.close()
    #expect(try folder.bytes("a.h5") == first)
  }

  /// The bytes of a reserved dataset may be written by anyone.
  @Test func reservedDatasets() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.h5")
    var offsets: [Int?] = []
    let file = try File.create(path)
    let root = try file.root()
    for name in ["a", "b"] {
      let dataset = try root.createDataset(
        name, of: UInt8.self, shape: [1000, 3], layout: .reserved)
      try dataset.setAttribute("name", .string(name))
      offsets.append(dataset.offset)
      try dataset.close()
    }
    let late = try root.createDataset("late", of: UInt8.self, shape: [7])
    #expect(late.offset == nil)
    try late.close()
    try root.close()
    try file.close()

    var bytes = try folder.bytes("a.h5")
    let (a, b) = (try #require(offsets[0]), try #require(offsets[1]))
    #expect(abs(a - b) >= 3000 && max(a, b) + 3000 <= bytes.count)
    for place in 0..<3000 {
      bytes[a + place] = UInt8(place % 251)
      bytes[b + place] = UInt8(place % 241)
    }
    try folder.write(bytes, to: "a.h5")
    let filled = try File.open(path).root()
    #expect(try filled.dataset("a").values() == (0..<3000).map { UInt8($0 % 251) })
    #expect(try filled.dataset("b").values() == (0..<3000).map { UInt8($0 % 241) })
    #expect(try filled.dataset("b").offset == b)
    #expect(try filled.dataset("b").string("name") == "b")
  }

  /// The structure of a file in memory, and elements that somebody else puts into it.
  @Test func structures() throws {
    let file = try File.createStructure(label: "structure")
    try fill(file)
    let root = try file.root()
    var places: [Range<Int>] = []
    // From less than a block of small elements to more than memory would be given for in vain.
    let counts = [3, 100, 5000, 1, 50_000_000, 7]
    for (i, count) in counts.enumerated() {
      let dataset = try root.createDataset(
        "reserved/\(i)", of: Float.self, shape: [count], layout: .reserved)
      let offset = dataset.offset
      let start = try #require(offset)
      places.append(start..<start + 4 * count)
      try dataset.close()
    }
    try root.close()
    let structure = try file.finishStructure()
    #expect(zip(places, places.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound })
    #expect(structure.count >= places.last!.upperBound)
    #expect(structure.bytes(places[4]).allSatisfy { $0 == 0 })

    var bytes = structure.bytes(0..<structure.count)
    for place in [0, 1, 2, 3, 5].map({ places[$0] }) {
      for index in place { bytes[index] = index % 4 == place.lowerBound % 4 ? 1 : 0 }
    }
    let whole = FileImage(bytes)
    try check(File.open(image: whole, label: "structure"))
    let filled = try File.open(image: whole, label: "structure").root()
    for i in [0, 1, 2, 3, 5] {
      let values: [Float] = try filled.dataset("reserved/\(i)").values()
      #expect(values == Array(repeating: Float(bitPattern: 1), count: counts[i]))
    }
  }

  @Test func datasetsWithoutTheirGroupAreRefusedOnWriting() throws {
    let file = try File.createInMemory(label: "memory")
    let root = try file.root()
    try root.write("a", [Float(1)])
    #expect(error { () throws(HDF5Error) in try root.write("a", [Float(2)]) }.contains("exists"))
    #expect(error { () throws(HDF5Error) in try root.write("a/b", [Float(2)]) } != "")
    #expect(
      error { () throws(HDF5Error) in
        try root.setAttribute("x", 1)
        try root.setAttribute("x", 2)
      }.hasPrefix("memory:/@x: cannot create the attribute"))
  }

  @Test func creatingWhereNothingCanBe() throws {
    let message = error { () throws(HDF5Error) in _ = try File.create("/no/such/folder/a.h5") }
    #expect(message.contains("No such file or directory"))
  }

  @Test func aReaderOnAnotherThread() async throws {
    // Error stacks, and whether they are printed, belong to a thread of the library.
    let messages = await withTaskGroup(of: String.self) { group in
      for index in 0..<8 {
        group.addTask {
          error { () throws(HDF5Error) in _ = try File.open("/no/such/\(index).h5") }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(messages.allSatisfy { $0.contains("No such file") })
  }
}
