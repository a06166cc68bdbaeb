// What an export writes comes back as the same images, and nothing of others is lost.

import Foundation
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct DatasetExportTests {
  let folder = try! TemporaryFolder()
  private static let shape = ImageShape(height: 3, width: 4, channels: 3)

  private func dataset(
    _ format: PixelFormat, classNames: [String]? = nil, captions: Bool = false
  ) throws -> ImageDataset {
    let path = folder.file("data.h5")
    let writer = try ImageDatasetWriter(
      output: path, shape: Self.shape, format: format, name: "data", classNames: classNames,
      captionsPerImage: captions ? 2 : 0)
    let count = 6 * Self.shape.count
    let values = (0..<count).map { Float($0 * 7919 % 1000) / 500 - 1 }
    try writer.append(
      images: values.withUnsafeBufferPointer { format.encode($0) },
      labels: classNames.map { names in (0..<6).map { ($0 * 2 + 1) % names.count } },
      captions: captions ? (0..<6).map { ["image \($0)", "picture \($0)"] } : nil)
    _ = try writer.finish()
    return try ImageDataset(path: path)
  }

  private func imported(_ source: String) throws -> ImageDataset {
    let path = folder.file("again.h5")
    _ = try DatasetImport.run(source: .pictures(source), output: path)
    return try ImageDataset(path: path)
  }

  @Test(arguments: [2, 17, 256, 1000, 65_536], [DatasetExport.Kind.images, .zip])
  func picturesComeBack(_ levels: Int, as kind: DatasetExport.Kind) throws {
    let data = try dataset(
      .levels(levels), classNames: ["zebra", "a/b", "..", "zebra"], captions: true)
    let out = folder.file(kind == .zip ? "out.zip" : "out")
    try DatasetExport.write(data, as: kind, to: out, range: 0..<6)
    let again = try imported(out)
    #expect(try again.verify() == data.verify())
    #expect(again.labels == data.labels)
    #expect(again.classNames == data.classNames)
    #expect(again.captions == data.captions)
    #expect(again.levels == levels)
  }

  @Test func withoutClasses() throws {
    let data = try dataset(.levels(256))
    try DatasetExport.write(data, as: .images, to: folder.file("out"), range: 2..<5)
    let again = try imported(folder.file("out"))
    #expect(again.count == 3)
    #expect(again.labels == nil)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.file("out")).sorted()
        == ["dataset.json", "img00000002.png", "img00000003.png", "img00000004.png"])
  }

  @Test func continuousImagesAreRounded() throws {
    let data = try dataset(.range(-2...2))
    try DatasetExport.write(data, as: .images, to: folder.file("out"), range: 0..<6)
    #expect(try imported(folder.file("out")).levels == 65_536)
    try DatasetExport.write(data, as: .npz, to: folder.file("out.npz"), range: 0..<6)
    // In an array they are what they were.
    let source = try ImportSource.npy(images: folder.file("out.npz"), layout: .nhwc)
    var stored: [UInt8] = []
    try source.forEachBatch { images, _ in stored += images }
    let first = stored.withUnsafeBytes { $0.load(as: Float.self) }
    #expect(first == -2)
  }

  @Test func equalInputGivesEqualBytes() throws {
    let data = try dataset(.levels(300), classNames: ["a", "b"])
    for kind in [DatasetExport.Kind.zip, .npz] {
      for name in ["one", "two"] {
        try DatasetExport.write(data, as: kind, to: folder.file(name), range: 0..<6)
      }
      #expect(try folder.bytes("one") == folder.bytes("two"))
    }
  }

  @Test func labelsOfAnArray() throws {
    let data = try dataset(.levels(300), classNames: ["a", "b", "c"])
    try DatasetExport.write(data, as: .npz, to: folder.file("out.npz"), range: 1..<6)
    let source = try ImportSource.npy(
      images: folder.file("out.npz"), labelKey: "arr_1", layout: .nhwc, levels: 300)
    let path = folder.file("again.h5")
    _ = try DatasetImport.run(source: source, output: path)
    #expect(try ImageDataset(path: path).labels == Array(data.labels![1...]))
  }

  @Test func foldersOfOthersStay() throws {
    let data = try dataset(.levels(256))
    try folder.write([1], to: "diary.txt")
    expectRefusal("diary.txt: is no folder") {
      try DatasetExport.check(folder: folder.file("diary.txt"))
    }
    expectRefusal("holds other files") {
      try DatasetExport.write(data, as: .images, to: folder.path, range: 0..<6)
    }
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        == ["data.h5", "diary.txt"])
    // An empty one is taken.
    try FileManager.default.createDirectory(
      atPath: folder.file("empty"), withIntermediateDirectories: false)
    try DatasetExport.write(data, as: .images, to: folder.file("empty") + "/", range: 0..<6)
    #expect(try imported(folder.file("empty")).count == 6)
  }
}
