// Datasets as h5py writes them: what is read, and what is refused in one line.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

/// The file that `Fixtures/make_dataset_fixture.py` recorded.
private let recorded = Bundle.module.path(
  forResource: "datasets", ofType: "h5", inDirectory: "Fixtures")!

@Suite struct DatasetTests {
  /// All images of a dataset, read by one reader.
  private func images(
    _ dataset: ImageDataset, memoryLimit: Int = 1 << 30
  ) throws -> [Float] {
    let reader = try ImageReader(dataset, range: 0..<dataset.count, memoryLimit: memoryLimit)
    var values = [Float](repeating: .nan, count: dataset.count * dataset.shape.count)
    try values.withUnsafeMutableBufferPointer {
      try reader.read(Array(0..<dataset.count), into: $0.baseAddress!)
    }
    return values
  }

  @Test func whatIsKnownBeforeReading() throws {
    let dataset = try ImageDataset(path: recorded, group: "train")
    #expect(dataset.name == "h5py's")
    #expect(dataset.count == 6)
    #expect(dataset.shape == ImageShape(height: 5, width: 4, channels: 3))
    #expect(dataset.levels == 256)
    #expect(dataset.labels == [0, 1, 2, 0, 1, 2])
    #expect(dataset.classNames == ["a", "b", "c"])
    #expect(dataset.contentHash == nil)
    #expect(dataset.truth == nil)
    #expect(dataset.storage == "contiguous")
  }

  @Test func theChecksumIsThatOfPython() throws {
    // xxhash.xxh3_128 of the pixels and struct.pack("<5q", 6, 5, 4, 3, 256).
    let expected = "ef0753566f23af7fe2f4a59d49562955"
    #expect(try ImageDataset(path: recorded, group: "train").verify() == expected)
    // The same images with the channels first.
    #expect(try ImageDataset(path: recorded, group: "first").verify() == expected)
    let floats = try ImageDataset(path: recorded, group: "floats").verify()
    #expect(try ImageDataset(path: recorded, group: "floats_first").verify() == floats)
    // With struct.pack("<5q2d", 6, 5, 4, 3, 0, 0, 1).
    #expect(floats == "0ababb7f1c05be84a536793ae4ea9a93")
  }

  @Test func bytesBecomeFloatsOfTheRange() throws {
    let file = try File.open(recorded)
    let bytes = try file.root().dataset("train/images").values(as: UInt8.self)
    let expected = bytes.map { Float(2 * Double($0) / 255 - 1) }
    for group in ["train", "first"] {
      let dataset = try ImageDataset(path: recorded, group: group)
      #expect(try images(dataset) == expected)
      #expect(try images(dataset, memoryLimit: 0) == expected)
    }
  }

  @Test func floatsBecomeFloatsOfTheRange() throws {
    let file = try File.open(recorded)
    let values = try file.root().dataset("floats/images").values(as: Float.self)
    let expected = values.map { Float(2 * Double($0) - 1) }
    for group in ["floats", "floats_first"] {
      let dataset = try ImageDataset(path: recorded, group: group)
      #expect(dataset.levels == nil)
      #expect(try images(dataset) == expected)
      #expect(try images(dataset, memoryLimit: 0) == expected)
    }
  }

  @Test func readersReadAnyOrder() throws {
    let dataset = try ImageDataset(path: recorded, group: "train")
    let all = try images(dataset)
    let n = dataset.shape.count
    for limit in [0, 1 << 20] {
      let reader = try ImageReader(dataset, range: 2..<6, memoryLimit: limit)
      #expect(reader.isPreloaded == (limit > 0))
      let indices = [5, 2, 3, 4, 2, 2]
      var values = [Float](repeating: .nan, count: indices.count * n)
      try values.withUnsafeMutableBufferPointer {
        try reader.read(indices, into: $0.baseAddress!)
      }
      #expect(values == indices.flatMap { all[($0 * n)..<(($0 + 1) * n)] })
    }
  }

  @Test(arguments: [
    ("lzf", "/lzf/images: uses the filter number 32000"),
    ("unwritten", "/unwritten/images: declares the shape [1099511627776, 8, 8, 1], but was never"),
    ("sparse", "/sparse/images: has 1 of the 8 chunks of its shape"),
    ("external", "/external/images: keeps its elements in another file"),
    ("linked", "/linked/images: is a soft or external link"),
    ("elsewhere", "/elsewhere/images: is a soft or external link"),
    ("doubles", "/doubles/images: holds float64; images are uint8, uint16 or float32"),
    ("int16", "/int16/images: holds int16; images are uint8, uint16 or float32"),
    ("flags", "/flags/images: holds bool; images are uint8, uint16 or float32"),
    ("missing", "/missing: there is no such group"),
  ])
  func refusedOnOpening(_ group: String, _ expected: String) {
    let error = #expect(throws: StorageError.self) {
      try ImageDataset(path: recorded, group: group)
    }
    #expect(error?.description.hasPrefix("\(recorded): \(expected)") == true, "\(error!)")
  }

  @Test(arguments: [
    ("nan", "/nan/images: image 4 has the value nan, outside its range 0.0 … 1.0"),
    ("infinite", "/infinite/images: image 1 has the value inf, outside its range 0.0 … 1.0"),
    ("outside", "/outside/images: image 5 has the value 1.5, outside its range 0.0 … 1.0"),
  ])
  func refusedOnReading(_ group: String, _ expected: String) throws {
    let dataset = try ImageDataset(path: recorded, group: group)
    let error = StorageError.badData(path: recorded, reason: expected)
    #expect(throws: error) { try ImageReader(dataset, range: 0..<6) }
    #expect(throws: error) { try dataset.verify() }
    #expect(throws: error) { try images(dataset, memoryLimit: 0) }
    // Images before the bad one are fine.
    _ = try ImageReader(dataset, range: 0..<1)
  }

  @Test func splitsAreNamed() {
    let error = #expect(throws: StorageError.self) { try ImageDataset(path: recorded) }
    #expect(error?.reason.hasPrefix("holds no dataset named images, but the groups") == true)
    #expect(error?.reason.contains("train") == true)
  }

  /// Writes a file with these images and returns the error that opening or reading it gives.
  private func refusal<Element: HDF5Element>(
    _ values: [Element], _ shape: [Int], levels: Int? = nil, layout: String? = nil,
    range: [Double]? = nil, labels: [Int64]? = nil, classNames: [String]? = nil,
    format: String? = nil, version: Int? = nil
  ) throws -> String {
    let folder = try TemporaryFolder()
    let path = folder.file("a.h5")
    let file = try File.create(path)
    let root = try file.root()
    if let format { try root.setAttribute("format", .string(format)) }
    if let version { try root.setAttribute("version", .integer(version)) }
    let images = try root.createDataset("images", of: Element.self, shape: shape)
    try values.withUnsafeBufferPointer { try images.write($0) }
    if let levels { try images.setAttribute("levels", .integer(levels)) }
    if let layout { try images.setAttribute("layout", .string(layout)) }
    if let range { try images.setAttribute("value_range", .doubles(range)) }
    try images.close()
    if let labels {
      let dataset = try root.createDataset("labels", of: Int64.self, shape: [labels.count])
      try labels.withUnsafeBufferPointer { try dataset.write($0) }
      if let classNames { try dataset.setAttribute("class_names", .strings(classNames)) }
      try dataset.close()
    }
    try root.close()
    try file.close()
    do {
      let dataset = try ImageDataset(path: path)
      _ = try ImageReader(dataset, range: 0..<dataset.count)
      return ""
    } catch {
      let text = "\(error)"
      #expect(text.hasPrefix("\(path): "))
      return String(text.dropFirst(path.count + 2))
    }
  }

  @Test func wrongContent() throws {
    let four = [UInt8](0..<8)
    #expect(try refusal(four, [2, 2, 2, 1]) == "")
    #expect(
      try refusal(four, [2, 4])
        == "/images: has the shape [2, 4]; images have four extents (N, H, W, C): "
        + "add an axis for one channel")
    #expect(try refusal([UInt8](), [0, 2, 2, 1]) == "/images: is empty: it holds 0 images")
    #expect(
      try refusal([UInt8](), [2, 0, 2, 1])
        == "/images: has the shape [2, 0, 2, 1], with an extent of 0")
    #expect(
      try refusal(four, [2, 2, 2, 1], levels: 7)
        == "/images: image 1 has the value 7, but its levels are 0 … 6")
    #expect(try refusal(four, [2, 2, 2, 1], levels: 8) == "")
    #expect(
      try refusal(four, [2, 2, 2, 1], levels: 257)
        == "/images: has 257 levels; 2 … 256 are possible")
    #expect(
      try refusal(four, [2, 2, 2, 1], range: [0, 1])
        == "/images: has a value_range, which is for float32; uint8 has levels")
    #expect(
      try refusal([Float](repeating: 0, count: 8), [2, 2, 2, 1])
        == "/images: holds float32 without the attribute value_range: two numbers, black and white")
    #expect(
      try refusal([Float](repeating: 0, count: 8), [2, 2, 2, 1], range: [1, 1])
        == "/images: has the value_range [1.0, 1.0]; two rising numbers are needed")
    #expect(
      try refusal(four, [2, 2, 2, 1], labels: [0, 1, 2])
        == "/labels: has the shape [3], but there are 2 images")
    for label in [-1, 1 << 31, .max] {
      #expect(
        try refusal(four, [2, 2, 2, 1], labels: [0, Int64(label)])
          == "/labels: gives image 1 the class \(label); classes are 0 … 2147483647")
    }
    #expect(
      try refusal(four, [2, 2, 2, 1], labels: [0, 2], classNames: ["a", "b"])
        == "/labels: gives image 1 the class 2; classes are 0 … 1 (class_names)")
    #expect(
      try refusal(four, [2, 2, 2, 1], format: "ddpm-checkpoint", version: 1)
        == "is a ddpm-checkpoint file, not a ddpm-dataset")
    #expect(
      try refusal(four, [2, 2, 2, 1], format: "ddpm-dataset", version: 3)
        == "has the version 3 of ddpm-dataset; this program reads 1 to 2")
  }

  /// Attributes on a known distribution, in files of others, and the refusal, if there is one.
  @Test(arguments: [
    ("distribution", AttributeValue.integer(3), "the attribute distribution must be a string"),
    ("entropy_nats", .string("3"), "the attribute entropy_nats must be a number"),
    ("entropy_nats", .double(.nan), "the attribute entropy_nats is nan; nats are finite"),
    ("true_nll_nats", .double(.infinity), "the attribute true_nll_nats is inf; nats are finite"),
    ("true_nll_nats", .doubles([1, 2]), "the attribute true_nll_nats must be a number"),
    ("true_nll_nats", .doubles([-2.5]), ""), ("entropy_nats", .integer(4), ""),
    ("distribution", .string("gaussian"), ""),
  ])
  func aTruthIsReadOrRefused(
    _ name: String, _ value: AttributeValue, _ refusal: String
  ) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.h5")
    let file = try File.create(path)
    let root = try file.root()
    try root.write("images", [UInt8](repeating: 1, count: 64), shape: [1, 8, 8, 1])
    try root.setAttribute(name, value)
    try root.close()
    try file.close()
    if !refusal.isEmpty {
      let error = #expect(throws: StorageError.self) { try ImageDataset(path: path) }
      #expect(error?.reason == refusal)
    } else {
      let truth = try #require(try ImageDataset(path: path).truth)
      #expect(truth.distribution == (name == "distribution" ? "gaussian" : nil))
      #expect(truth.entropy == (name == "entropy_nats" ? 4 : nil))
      #expect(truth.negativeLogLikelihood == (name == "true_nll_nats" ? -2.5 : nil))
    }
  }

  @Test(arguments: [
    ([6, 5, 4, 3], true), ([6, 8, 8, 1], true), ([6, 4, 4, 3], true), ([6, 1, 1, 1], true),
    ([6, 3, 5, 5], false), ([6, 1, 28, 28], false), ([6, 3, 8, 3], false), ([6, 1, 8, 1], false),
    ([6, 8, 8, 5], false), ([6, 3, 3, 3], false),
  ])
  func ambiguousShapes(_ shape: [Int], _ isClear: Bool) throws {
    let values = [UInt8](repeating: 1, count: shape.reduce(1, *))
    let message = try refusal(values, shape)
    #expect(message.contains("is ambiguous: which extent counts the channels?") != isClear)
    #expect(try refusal(values, shape, layout: "NHWC") == "")
    #expect(try refusal(values, shape, layout: "NCHW") == "")
    #expect(
      try refusal(values, shape, layout: "HWCN")
        == "/images: its attribute layout is HWCN, neither NHWC nor NCHW")
  }

  @Test func theRootMayBeNamed() throws {
    for group in ["/", "//", ""] {
      let error = #expect(throws: StorageError.self) {
        try ImageDataset(path: recorded, group: group)
      }
      #expect(error?.reason.hasPrefix("holds no dataset named images, but the groups") == true)
    }
    #expect(throws: StorageError.self) { try ImageDataset(path: recorded, group: ".") }
  }

  /// Groups whose names lead nowhere, in the message that lists the splits.
  @Test(arguments: ["\0\0\0", "///", ".\0\0", "/./"]) func namesThatAreNone(
    _ name: String
  ) throws {
    let folder = try TemporaryFolder()
    let file = try File.create(folder.file("a.h5"))
    let root = try file.root()
    try root.createGroup("qqq").close()
    try root.close()
    try file.close()
    let bytes = try folder.bytes("a.h5").replacing(
      Array("qqq\0".utf8), with: Array(name.utf8) + [0])
    try folder.write(bytes, to: "a.h5")
    let error = #expect(throws: StorageError.self) { try ImageDataset(path: folder.file("a.h5")) }
    #expect(error?.reason == "holds no dataset named images")
  }

  @Test func aFileThatIsReplacedMeanwhileIsRefused() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.h5")
    func write(_ shape: [Int]) throws {
      let file = try File.create(path)
      try file.root().write(
        "images", [UInt8](repeating: 1, count: shape.reduce(1, *)), shape: shape)
      try file.close()
    }
    try write([6, 5, 4, 3])
    let dataset = try ImageDataset(path: path)
    for shape in [[], [6], [6, 60], [6, 4, 5, 3], [5, 5, 4, 3]] {
      try write(shape)
      let error = #expect(throws: StorageError.self) { try ImageReader(dataset, range: 0..<6) }
      #expect(error?.reason == "/images: has changed while the program ran", "\(shape)")
    }
  }

  @Test func filesThatAreNoDatasets() throws {
    let folder = try TemporaryFolder()
    func reason(_ path: String) -> StorageError? {
      #expect(throws: StorageError.self) { try ImageDataset(path: path) }
    }
    let missing = folder.file("missing.h5")
    #expect(
      reason(missing)
        == .missingInput(
          path: missing, reason: "cannot find a dataset there: No such file or directory"))
    #expect(
      reason(folder.path) == .badData(path: folder.path, reason: "is a folder, not a dataset"))
    let empty = try folder.write([], to: "empty.h5")
    #expect(reason(empty) == .badData(path: empty, reason: "is empty"))
    for (index, bytes) in [[1], Array("\u{89}HDF".utf8), Array(repeating: 65, count: 5000)]
      .enumerated()
    {
      let path = try folder.write(bytes, to: "\(index).h5")
      #expect(reason(path)?.reason.hasPrefix("is not an HDF5 file") == true)
    }
    #expect(reason("/dev/null")?.reason.hasPrefix("is neither a file nor a folder") == true)
  }

  @Test func truncatedFiles() throws {
    let folder = try TemporaryFolder()
    let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: recorded)))
    for length in stride(from: 8, to: bytes.count, by: 997) {
      let path = try folder.write(Array(bytes.prefix(length)), to: "a.h5")
      let error = #expect(throws: StorageError.self) {
        try ImageDataset(path: path, group: "train")
      }
      guard case .badData = error else {
        Issue.record("\(length): \(error!)")
        return
      }
      if length > 96 { #expect(error?.reason.hasPrefix("is truncated: ") == true, "\(error!)") }
    }
  }
}
