// A file of samples that was interrupted anywhere ends as if it had not been, and nothing else is
// ever taken for one.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct UnfinishedSamplesTests {
  private static let count = 10
  private static let shape = ImageShape(height: 4, width: 3, channels: 2)
  private let folder = try! TemporaryFolder()

  private static func layout(
    images: Int = count, seed: Int = 7, extras: [SampleLayout.Extra] = Self.extras
  ) -> SampleLayout {
    SampleLayout(
      images: images, shape: shape, format: .levels(17),
      attributes: ["seed": .integer(seed), "sampler": "ddim", "checkpoint": "a.h5"],
      extras: extras)
  }

  private static let extras = [
    SampleLayout.Extra("x_t", extents: [2, 4, 3, 2], attributes: ["t": .integers([9, 0])]),
    SampleLayout.Extra("score", extents: []),
  ]

  private static func samples(_ images: Range<Int>) -> [UInt8] {
    images.flatMap { image in (0..<24).map { UInt8((image * 31 + $0) % 17) } }
  }

  private static func values(_ images: Range<Int>) -> [[Float]] {
    [
      images.flatMap { image in (0..<48).map { Float(image) + Float($0) / 64 } },
      images.map { Float($0 * $0) },
    ]
  }

  /// Appends images one by one.
  private func append(_ images: Range<Int>, to file: UnfinishedSamples) throws {
    for image in images {
      try file.append(
        Self.samples(image..<image + 1), extras: Self.values(image..<image + 1))
    }
  }

  /// The bytes of a file that was written at one go.
  private func uninterrupted() throws -> [UInt8] {
    let file = try UnfinishedSamples(for: folder.file("whole.h5"), Self.layout(), resuming: false)
    try file.append(Self.samples(0..<Self.count), extras: Self.values(0..<Self.count))
    try file.publish()
    return try folder.bytes("whole.h5")
  }

  /// The bytes of an unfinished file as a process that was killed leaves it.
  private func interrupted(after done: Int) throws -> [UInt8] {
    let file = try UnfinishedSamples(for: folder.file("cut.h5"), Self.layout(), resuming: false)
    defer { try? file.discard() }
    try append(0..<done, to: file)
    try file.flush()
    return try folder.bytes("cut.h5.unfinished")
  }

  @Test func whatIsPublishedIsWhatWasAppended() throws {
    _ = try uninterrupted()
    #expect(try folder.names() == ["whole.h5"])
    let root = try File.open(folder.file("whole.h5")).root()
    #expect(try root.string("format") == "ddpm-samples")
    #expect(try root.integer("version") == 1)
    #expect(try root.integer("seed") == 7)
    #expect(try root.names() == ["samples", "score", "x_t"])
    let samples = try root.dataset("samples")
    #expect(samples.shape == [10, 4, 3, 2])
    #expect(try samples.integer("levels") == 17)
    #expect(try samples.string("layout") == "NHWC")
    #expect(try samples.values(as: UInt8.self) == Self.samples(0..<10))
    let extras = Self.values(0..<10)
    #expect(try root.dataset("x_t").shape == [10, 2, 4, 3, 2])
    #expect(try root.dataset("x_t").integers("t") == [9, 0])
    #expect(try root.dataset("x_t").values(as: Float.self) == extras[0])
    #expect(try root.dataset("score").shape == [10])
    #expect(try root.dataset("score").values(as: Float.self) == extras[1])
  }

  @Test func imagesInMemoryGiveTheSameFile() throws {
    let layout = Self.layout(extras: [])
    let file = try UnfinishedSamples(for: folder.file("a.h5"), layout, resuming: false)
    try file.append(Self.samples(0..<10))
    try file.publish()
    try SampleFile.write(
      Self.samples(0..<10), shape: Self.shape, format: .levels(17), origin: layout.attributes,
      to: folder.file("b.h5"))
    #expect(try folder.bytes("a.h5") == folder.bytes("b.h5"))
  }

  @Test(arguments: 1...count) func anInterruptionLeavesNoTrace(done: Int) throws {
    let whole = try uninterrupted()
    try folder.write(interrupted(after: done), to: "s.h5.unfinished")
    let file = try UnfinishedSamples(for: folder.file("s.h5"), Self.layout(), resuming: true)
    #expect(file.done == done)
    #expect(try file.samples(0..<done) == Self.samples(0..<done))
    try append(done..<Self.count, to: file)
    #expect(try folder.names() == ["s.h5.unfinished", "whole.h5"])
    try file.publish()
    #expect(try file.samples(4..<6) == Self.samples(4..<6))
    // Not locked any more.
    _ = try File.open(folder.file("s.h5"))
    #expect(try folder.names() == ["s.h5", "whole.h5"])
    #expect(try folder.bytes("s.h5") == whole)
  }

  /// What is not on the disk yet is not counted, and is written again.
  @Test func onlyWhatIsOnTheDiskIsCounted() throws {
    let whole = try uninterrupted()
    let file = try UnfinishedSamples(for: folder.file("a.h5"), Self.layout(), resuming: false)
    try append(0..<3, to: file)
    try file.flush()
    try append(3..<5, to: file)
    #expect(file.done == 5)
    try folder.write(folder.bytes("a.h5.unfinished"), to: "b.h5.unfinished")
    let copy = try UnfinishedSamples(for: folder.file("b.h5"), Self.layout(), resuming: true)
    // 5 where more than two seconds went by.
    #expect(copy.done == 3 || copy.done == 5)
    try append(copy.done..<10, to: copy)
    try copy.publish()
    #expect(try folder.bytes("b.h5") == whole)
  }

  /// `publish` was interrupted before it had cut the trailer off.
  @Test func aFileThatHasItsNameOnlyLosesItsTrailer() throws {
    let whole = try uninterrupted()
    try folder.write(interrupted(after: 10), to: "s.h5")
    #expect(try File.open(folder.file("s.h5")).root().integer("seed") == 7)
    try OutputKind.samples.check(target: folder.file("s.h5"))
    let file = try UnfinishedSamples(for: folder.file("s.h5"), Self.layout(), resuming: true)
    #expect(file.done == 10)
    try file.publish()
    #expect(try folder.bytes("s.h5") == whole)
    #expect(try folder.names().contains("s.h5.unfinished") == false)
  }

  /// A job that has ended is not begun again, and nobody else's file is taken for its own.
  @Test func aJobThatHasEndedIsNotBegunAgain() throws {
    let whole = try uninterrupted()
    let path = folder.file("whole.h5")
    do {
      let file = try UnfinishedSamples(for: path, Self.layout(), resuming: true)
      #expect(file.done == 10)
      #expect(try file.samples(3..<5) == Self.samples(3..<5))
      #expect(try file.extra(1, 2..<4) == [4, 9])
      try file.publish()
    }
    #expect(try folder.bytes("whole.h5") == whole)
    expectRefusal("whole.h5: holds other samples") {
      _ = try UnfinishedSamples(for: path, Self.layout(seed: 8), resuming: true)
    }
    #expect(try folder.bytes("whole.h5") == whole)
    #expect(try folder.names() == ["whole.h5"])
    // Without the word it is replaced, as other outputs are.
    let other = try UnfinishedSamples(for: path, Self.layout(seed: 8), resuming: false)
    #expect(other.done == 0)
  }

  @Test func anEndWithoutPublishingKeepsWhatIsDone() throws {
    let path = folder.file("s.h5")
    do {
      _ = try UnfinishedSamples(for: path, Self.layout(), resuming: true)
    }
    #expect(try folder.names() == [])
    do {
      let file = try UnfinishedSamples(for: path, Self.layout(), resuming: true)
      try append(0..<4, to: file)
    }
    #expect(try folder.names() == ["s.h5.unfinished"])
    let file = try UnfinishedSamples(for: path, Self.layout(), resuming: true)
    #expect(file.done == 4)
    try file.discard()
    #expect(try folder.names() == [])
  }

  @Test func withoutImagesItIsBegunAnew() throws {
    let whole = try uninterrupted()
    for (resuming, old) in [(true, Self.layout(seed: 8)), (false, Self.layout(images: 3))] {
      let begun = try UnfinishedSamples(for: folder.file("a.h5"), old, resuming: false)
      try folder.write(folder.bytes("a.h5.unfinished"), to: "s.h5.unfinished")
      try begun.discard()
      let file = try UnfinishedSamples(for: folder.file("s.h5"), Self.layout(), resuming: resuming)
      #expect(file.done == 0)
      try append(0..<10, to: file)
      try file.publish()
      #expect(try folder.bytes("s.h5") == whole)
    }
    try folder.write([], to: "empty.h5.unfinished")
    _ = try UnfinishedSamples(for: folder.file("empty.h5"), Self.layout(), resuming: false)
    #expect(try folder.names() == ["s.h5", "whole.h5"])
  }

  @Test func whatOthersHaveBegunIsNotTouched() throws {
    let begun = try interrupted(after: 4)
    let path = try folder.write(begun, to: "s.h5.unfinished")
    let error = #expect(throws: StorageError.self) {
      _ = try UnfinishedSamples(for: folder.file("s.h5"), Self.layout(), resuming: false)
    }
    #expect(
      error
        == .cannotCreate(
          path: path,
          reason: "holds 4 of 10 images of an interrupted job: go on with --resume, or remove it"))
    let renamed = [Self.extras[0], SampleLayout.Extra("sCore", extents: [])]
    for other in [
      Self.layout(images: 11), Self.layout(images: 9), Self.layout(seed: 8),
      Self.layout(extras: []), Self.layout(extras: renamed), Self.layout(extras: [Self.extras[0]]),
    ] {
      let error = #expect(throws: StorageError.self) {
        _ = try UnfinishedSamples(for: folder.file("s.h5"), other, resuming: true)
      }
      #expect(
        error
          == .badData(
            path: path,
            reason: "was begun with another checkpoint, other images or other options; repeat "
              + "these, or remove it"))
    }
    #expect(try folder.bytes("s.h5.unfinished") == begun)
    #expect(try folder.names() == ["s.h5.unfinished"])
  }

  @Test func onlyOneProcessGoesOn() throws {
    let first = try UnfinishedSamples(for: folder.file("s.h5"), Self.layout(), resuming: false)
    try append(0..<2, to: first)
    for resuming in [false, true] {
      expectRefusal("s.h5.unfinished: is in use by another process; wait until it ends") {
        _ = try UnfinishedSamples(for: folder.file("s.h5"), Self.layout(), resuming: resuming)
      }
    }
    try append(2..<10, to: first)
    try first.publish()
    #expect(try folder.names() == ["s.h5"])
  }

  @Test func damagedAndForeignFilesAreRefused() throws {
    let good = try interrupted(after: 4)
    let foreign = try File.create(folder.file("foreign"))
    try foreign.root().write("samples", [Float(1)])
    try foreign.close()
    var beyond = good
    beyond[good.count - 16] = 11
    var endless = good
    for place in good.count - 16..<good.count - 8 { endless[place] = 255 }
    var flipped = good
    flipped[100] ^= 1
    for (name, bytes, words) in [
      ("a text", Array("not mine".utf8), "is no unfinished file of samples, or a truncated one"),
      ("an HDF5 file", try folder.bytes("foreign"), "is no unfinished file of samples"),
      ("half of one", Array(good.prefix(good.count / 2)), "or a truncated one"),
      ("all but a byte", Array(good.dropLast()), "or a truncated one"),
      ("all but a number", Array(good.dropLast(8)), "or a truncated one"),
      ("all but the trailer", Array(good.dropLast(24)), "or a truncated one"),
      ("a byte more", good + [0], "is no unfinished file of samples"),
      ("more images than there are", beyond, "is damaged: it says that it holds 11 of 10 images"),
      ("images without number", endless, "is damaged: it says that it holds 92233720"),
      ("another header", flipped, "was begun with another"),
      ("another length", Array(good.prefix(100) + good.suffix(24)), "was begun with another"),
    ] as [(String, [UInt8], String)] {
      try folder.write(bytes, to: "s.h5.unfinished")
      expectRefusal("s.h5.unfinished: ", words) {
        _ = try UnfinishedSamples(for: folder.file("s.h5"), Self.layout(), resuming: true)
      }
      expectRefusal("remove it") {
        _ = try UnfinishedSamples(for: folder.file("s.h5"), Self.layout(), resuming: false)
      }
      #expect(try folder.bytes("s.h5.unfinished") == bytes, "\(name)")
    }
    #expect(try folder.names() == ["foreign", "s.h5.unfinished"])
  }

  @Test func whatIsNoFileIsRefused() throws {
    try FileManager.default.createDirectory(
      atPath: folder.file("f.h5.unfinished"), withIntermediateDirectories: false)
    try folder.write(interrupted(after: 4), to: "elsewhere")
    try FileManager.default.createSymbolicLink(
      atPath: folder.file("l.h5.unfinished"), withDestinationPath: "elsewhere")
    for resuming in [false, true] {
      for (name, words) in [("f", "is no file"), ("l", "symbolic links")] {
        expectRefusal("\(name).h5.unfinished: ", words) {
          _ = try UnfinishedSamples(
            for: folder.file("\(name).h5"), Self.layout(), resuming: resuming)
        }
      }
      expectRefusal("/no/such/s.h5.unfinished: cannot be created: No such file") {
        _ = try UnfinishedSamples(for: "/no/such/s.h5", Self.layout(), resuming: resuming)
      }
    }
  }

  /// Twelve gigabytes of images take room one by one.
  @Test func theFileGrowsWithItsImages() throws {
    let shape = ImageShape(height: 64, width: 64, channels: 3)
    let layout = SampleLayout(images: 1 << 20, shape: shape, format: .levels(256))
    let file = try UnfinishedSamples(for: folder.file("s.h5"), layout, resuming: false)
    try file.append([UInt8](repeating: 9, count: 2 * shape.count))
    var status = stat()
    #expect(stat(folder.file("s.h5.unfinished"), &status) == 0)
    #expect(status.st_size > 12 << 30)
    #expect(status.st_blocks * 512 < 1 << 20)
    try file.discard()
  }

  @Test func aFullDiskKeepsWhatIsDone() throws {
    let shape = ImageShape(height: 128, width: 256, channels: 1)
    let layout = SampleLayout(images: 40, shape: shape, format: .levels(256))
    func image(_ number: Int) -> [UInt8] { [UInt8](repeating: UInt8(number), count: shape.count) }
    try withSmallDisk(megabytes: 1) { disk in
      var done = 0
      do {
        let file = try UnfinishedSamples(for: disk + "/s.h5", layout, resuming: false)
        let error = #expect(throws: StorageError.self) {
          for number in 0..<40 { try file.append(image(number)) }
        }
        #expect(
          error
            == .inputOutput(
              path: disk + "/s.h5.unfinished",
              reason: "cannot write the images: No space left on device"))
        done = file.done
      }
      #expect(done > 20)
      try folder.write(readFile(disk + "/s.h5.unfinished"), to: "s.h5.unfinished")
      let file = try UnfinishedSamples(for: folder.file("s.h5"), layout, resuming: true)
      #expect(file.done == done)
      for number in done..<40 { try file.append(image(number)) }
      try file.publish()
      let samples = try File.open(folder.file("s.h5")).root().dataset("samples")
      #expect(try samples.values(as: UInt8.self) == (0..<40).flatMap(image))
    }
  }
}
