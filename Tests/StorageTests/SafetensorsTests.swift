// Files of weights: what is in them, and what is refused.

import Foundation
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct SafetensorsTests {
  let folder = try! TemporaryFolder()

  /// A file of a header and bytes behind it.
  private func file(_ header: String, _ bytes: [UInt8] = [], length: UInt64? = nil) throws -> String
  {
    let text = Array(header.utf8)
    let count = length ?? UInt64(text.count)
    return try folder.write(
      (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + text + bytes,
      to: "a.safetensors")
  }

  @Test func scalarsOfEachType() throws {
    let path = try file(
      #"""
      {"__metadata__":{"format":"pt"},
       "a":{"dtype":"F32","shape":[2,1],"data_offsets":[4,12]},
       "h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},
       "b":{"dtype":"BF16","shape":[1,2],"data_offsets":[12,16]},
       "none":{"dtype":"F32","shape":[0,3],"data_offsets":[16,16]},
       "one":{"dtype":"F32","shape":[],"data_offsets":[16,20]},
       "i":{"dtype":"I64","shape":[1],"data_offsets":[20,28]},
       "new":{"dtype":"F4","shape":[16],"data_offsets":[28,29]}}
      """#,
      // 1.5 and -2⁻²⁴; 1, -2.5; 3 and 2⁻¹³³, which BF16 holds as a subnormal number; 0.5.
      [0x00, 0x3e, 0x01, 0x80, 0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0, 0x40, 0x40, 0x01, 0x00]
        + [0, 0, 0, 0x3f] + [7, 0, 0, 0, 0, 0, 0, 0] + [9])
    let file = try Safetensors(path: path)
    #expect(
      file.shapes == [
        "a": [2, 1], "h": [2], "b": [1, 2], "none": [0, 3], "one": [], "i": [1], "new": [16],
      ])
    #expect(try file.values("a") == [1, -2.5])
    #expect(try file.values("h") == [1.5, -0x1p-24])
    #expect(try file.values("b") == [3, 0x1p-133])
    #expect(try file.values("none") == [])
    #expect(try file.values("one") == [0.5])
    expectRefusal("holds the tensor i as I64; only F32") { _ = try file.values("i") }
    expectRefusal("holds the tensor new as F4") { _ = try file.values("new") }
    expectRefusal("holds no tensor x") { _ = try file.values("x") }
  }

  @Test func whatIsNotFiniteIsRefused() throws {
    for (type, bytes) in [
      ("F32", [0, 0, 0x80, 0x7f]), ("F16", [0x00, 0x7c]), ("BF16", [0xc0, 0xff]),
    ] as [(String, [UInt8])] {
      let path = try file(
        #"{"a":{"dtype":"\#(type)","shape":[1],"data_offsets":[0,\#(bytes.count)]}}"#, bytes)
      expectRefusal("NaN or infinities in the tensor a") {
        _ = try Safetensors(path: path).values("a")
      }
    }
  }

  /// One tensor with some record.
  private func one(_ record: String, bytes: Int = 8) throws -> String {
    try file("{\"a\":\(record)}", [UInt8](repeating: 0, count: bytes))
  }

  @Test func hostileHeadersAreRefused() throws {
    for (header, part) in [
      ("", "is not a safetensors file"), ("{ ", "is not the JSON"), ("[]", "does not begin with {"),
      ("{\"a\":1}", "is not the JSON"), ("{\"__metadata__\":{\"a\":1}}", "is not the JSON"),
      (#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,8]}}"#, "is not the JSON"),
      (#"{"a":{"dtype":"F32","shape":[1]}}"#, "is not the JSON"),
      (String(repeating: "[", count: 100_000), "does not begin with {"),
      ("{\"a\":" + String(repeating: "[", count: 100_000), "is not the JSON"),
    ] {
      let path = try file(header, [0, 0, 0, 0, 0, 0, 0, 0])
      expectRefusal(part) { _ = try Safetensors(path: path) }
    }
    for (record, part) in [
      (#"{"dtype":"F32","shape":[2],"data_offsets":[0,4]}"#, "which its extents do not fill"),
      (#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#, "its tensors end at byte 4"),
      (#"{"dtype":"F32","shape":[2],"data_offsets":[0,12]}"#, "which its extents do not fill"),
      (#"{"dtype":"F32","shape":[4],"data_offsets":[0,16]}"#, "its tensors end at byte 16"),
      (#"{"dtype":"F32","shape":[1],"data_offsets":[4,8]}"#, "begins at byte 4"),
      (#"{"dtype":"F32","shape":[2],"data_offsets":[8,0]}"#, "ends before it begins"),
      (#"{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}"#, "ends before it begins"),
      (#"{"dtype":"F32","shape":[2],"data_offsets":[0,4,8]}"#, "ends before it begins"),
      (#"{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}"#, "extents that nothing can have"),
      (
        #"{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}"#,
        "extents that nothing can have"
      ),
      (
        #"{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,8]}"#,
        "which its extents do not fill"
      ),
      (#"{"dtype":"F32","shape":[2],"data_offsets":[0,9223372036854775807]}"#, "too far"),
    ] {
      let path = try one(record)
      expectRefusal(part) { _ = try Safetensors(path: path) }
    }
  }

  @Test func tensorsThatOverlapAreRefused() throws {
    let path = try file(
      #"""
      {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
       "b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}
      """#, [UInt8](repeating: 0, count: 12))
    expectRefusal("tensor b begins at byte 4, where those before it end at 8") {
      _ = try Safetensors(path: path)
    }
  }

  @Test func lengthsThatCannotBeAreRefused() throws {
    for length in [0, 1, 100, 1 << 20, UInt64.max, 1 << 63] as [UInt64] {
      let path = try file("{}", [], length: length)
      expectRefusal("is not a safetensors file") { _ = try Safetensors(path: path) }
    }
    let long = try folder.write(
      [1, 0, 0, 1, 0, 0, 0, 0] + [UInt8](repeating: 32, count: (16 << 20) + 10), to: "long")
    expectRefusal("header of more than 16 MiB") { _ = try Safetensors(path: long) }
    for bytes in [[], [0], [2, 0, 0, 0, 0, 0, 0]] as [[UInt8]] {
      let path = try folder.write(bytes, to: "short")
      expectRefusal("is not a safetensors file") { _ = try Safetensors(path: path) }
    }
    expectRefusal("cannot find a safetensors file") {
      _ = try Safetensors(path: folder.file("none"))
    }
    expectRefusal("is neither a file nor a folder") { _ = try Safetensors(path: "/dev/zero") }
    // Nothing at all is a file too.
    #expect(try Safetensors(path: file("{}")).shapes.isEmpty)
  }

  // MARK: Writing

  private func write(_ tensors: [Safetensors.Tensor], to name: String) throws -> [UInt8] {
    try Safetensors.write(tensors, metadata: ["format": "pt"], to: folder.file(name)) { tensor in
      (0..<tensor.shape.reduce(1, *)).map { Float($0) + Float(tensor.name.utf8.count) / 8 }
    }
    return try folder.bytes(name)
  }

  /// The bytes are in the order of the names, and do not depend on that of the call.
  @Test func whatIsWrittenIsReadAgain() throws {
    let tensors = [
      Safetensors.Tensor(name: "b", shape: [2, 3]), .init(name: "a.10", shape: []),
      .init(name: "a.9", shape: [1]), .init(name: "é", shape: [0, 4]),
    ]
    let bytes = try write(tensors, to: "a")
    #expect(try write(tensors.reversed(), to: "b") == bytes)
    let length = bytes[0..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    #expect(length % 8 == 0 && bytes[8] == UInt8(ascii: "{"))
    #expect(bytes.count == 8 + length + 4 * 8)
    let file = try Safetensors(path: folder.file("a"))
    #expect(file.metadata == ["format": "pt"])
    #expect(file.shapes == ["b": [2, 3], "a.10": [], "a.9": [1], "é": [0, 4]])
    #expect(try file.values("b") == [0.125, 1.125, 2.125, 3.125, 4.125, 5.125])
    #expect(try file.values("a.10") == [0.5])
    // a.10 comes first: 0.5, little-endian.
    #expect(Array(bytes[(8 + length)..<(12 + length)]) == [0, 0, 0, 0x3f])
    #expect(try folder.names() == ["a", "b"])
  }

  @Test func nothingAtAllIsWrittenToo() throws {
    _ = try write([], to: "a")
    #expect(try Safetensors(path: folder.file("a")).shapes.isEmpty)
    expectRefusal("cannot be created") { _ = try write([], to: "none/a") }
  }

  /// A file that loses its end while it is open.
  @Test func endsThatGoAwayAreNoticed() throws {
    let path = try one(#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#)
    let file = try Safetensors(path: path)
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try handle.truncate(atOffset: 20)
    try handle.close()
    expectRefusal("has become shorter") { _ = try file.values("a") }
  }

  /// Whatever is changed in a file: it is read, or refused in one line.
  @Test func mutationsAreReadOrRefused() throws {
    let path = try file(
      #"""
      {"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},
      "b":{"dtype":"BF16","shape":[1,2],"data_offsets":[8,12]}}
      """#, [UInt8](repeating: 1, count: 12))
    let whole = try folder.bytes("a.safetensors")
    let random = RandomStream(seed: 1, purpose: .noise)
    var refused = 0
    for trial in 0..<300 {
      var bytes = whole
      for change in 0...random.integer(below: 3, block: 8 * trial) {
        let place = random.integer(below: bytes.count, block: 8 * trial + 2 * change + 1)
        let value = random.integer(below: 260, block: 8 * trial + 2 * change + 2)
        switch value {
        case 256: bytes.removeSubrange(place...)
        case 257: bytes.insert(UInt8(ascii: "9"), at: place)
        case 258: bytes.remove(at: place)
        case 259: bytes.insert(contentsOf: bytes[place...], at: place)
        default: bytes[place] = UInt8(value)
        }
        if bytes.isEmpty { break }
      }
      try folder.write(bytes, to: "a.safetensors")
      if let refusal = refusal(path) {
        #expect(!refusal.contains("\n"))
        refused += 1
      }
    }
    #expect(refused > 150 && refused < 300)
  }

  /// Why a file, or one of its tensors, cannot be read.
  private func refusal(_ path: String) -> String? {
    do throws(StorageError) {
      let file = try Safetensors(path: path)
      for name in file.shapes.keys { _ = try file.values(name) }
      return nil
    } catch { return error.description }
  }
}
