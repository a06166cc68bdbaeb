// Checkpoints: what is written is read, whole or in parts, and damage anywhere is found.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

/// A small checkpoint with everything in it.
func sampleCheckpoint(
  step: Int = 12, provenance: [String: String] = ["host": "node1"]
) -> Checkpoint {
  var layout = ParameterLayout()
  layout.append("time/1/W", shape: [3, 5])
  layout.append("down_0/block_0/conv1/W", shape: [3, 3, 1, 4])
  layout.append("conv_out/b", shape: [7])
  layout.append("a_last/b", shape: [2])
  func values(_ scale: Float) -> [Float] { (0..<layout.count).map { scale * Float($0) - 1 } }
  return Checkpoint(
    layout: layout, model: values(0.5), ema: values(0.25), firstMoment: values(-3),
    secondMoment: values(1e-9),
    progress: .init(
      step: step, imagesSeen: 128 * step, epochs: [1, 0, 1, 2], seed: .max, shards: 4, loss: 0.0625),
    configuration: "name: digits\nnote: größer\n",
    facts: ModelFacts(
      name: "diffusion", texts: ["prediction": "epsilon", "variance": "fixed-large"],
      tables: ["betas": [1e-4, 0.01, 0.02], "gammas": [0.5, 0.25, 0.125]]),
    state: ["history": [3, 1, 4], "bins": [0.5]], provenance: provenance)
}

@Suite struct CheckpointTests {
  @Test func isReadBack() throws {
    let folder = try TemporaryFolder()
    let checkpoint = sampleCheckpoint()
    try checkpoint.write(to: folder.file("a.h5"))
    #expect(try folder.names() == ["a.h5"])
    #expect(try Checkpoint.read(path: folder.file("a.h5")) == checkpoint)
    try Checkpoint.verify(path: folder.file("a.h5"))
  }

  @Test func partsAreLoadedAlone() throws {
    let checkpoint = sampleCheckpoint()
    let bytes = try checkpoint.encoded()
    let ema = try Checkpoint.decode(bytes, sections: .ema)
    #expect(ema.ema == checkpoint.ema)
    #expect(ema.model.isEmpty && ema.firstMoment.isEmpty && ema.secondMoment.isEmpty)
    #expect(ema.layout == checkpoint.layout && ema.progress == checkpoint.progress)
    let nothing = try Checkpoint.decode(bytes, sections: [])
    #expect(nothing.ema.isEmpty && nothing.configuration == checkpoint.configuration)
  }

  /// Power averages are groups of their own, and change nothing of the rest.
  @Test func powerAveragesAreReadBack() throws {
    var checkpoint = sampleCheckpoint()
    checkpoint.averages = [0.05: checkpoint.model.map { $0 / 3 }, 0.1: checkpoint.ema.map { -$0 }]
    let bytes = try checkpoint.encoded()
    #expect(try Checkpoint.decode(bytes) == checkpoint)
    let alone = try Checkpoint.decode(bytes, sections: .averages)
    #expect(alone.averages == checkpoint.averages && alone.model.isEmpty && alone.ema.isEmpty)
    #expect(try Checkpoint.decode(bytes, sections: .ema).averages == [:])
    checkpoint.averages[0.1]![3] = .nan
    let error = #expect(throws: StorageError.self) { try checkpoint.encoded() }
    #expect(error?.reason == "is not written: the tensor /averages/0.1/time/1/W is not finite")
  }

  @Test func missingPartsAreMissed() throws {
    var checkpoint = sampleCheckpoint()
    checkpoint.firstMoment = []
    checkpoint.secondMoment = []
    checkpoint.facts = nil
    checkpoint.state = [:]
    let bytes = try checkpoint.encoded()
    #expect(try Checkpoint.decode(bytes, sections: [.model, .ema]) == checkpoint)
    let error = #expect(throws: StorageError.self) { try Checkpoint.decode(bytes) }
    #expect(error?.reason == "/optimizer/first: there is no such group")
  }

  /// A curve that was kept and goes on is the curve that was never kept.
  @Test(arguments: [1, 1024, 1025, 3001])
  func theHistoryGoesOn(_ count: Int) throws {
    var (checkpoint, whole) = (sampleCheckpoint(), ThinnedSeries())
    for step in 1...count { whole.add(step: step, Double(step % 7) / 3) }
    checkpoint.history = whole
    checkpoint.progress.step = count
    var kept = try #require(Checkpoint.decode(checkpoint.encoded(), sections: []).history)
    #expect(kept == whole)
    for step in count + 1...count + 1500 {
      kept.add(step: step, 1 / Double(step))
      whole.add(step: step, 1 / Double(step))
    }
    #expect(kept == whole)
  }

  @Test func whatValidationFoundIsReadBack() throws {
    var checkpoint = sampleCheckpoint()
    let without = try checkpoint.encoded()
    checkpoint.validation = ValidationHistory(subject: "größer")
    for (step, loss) in [(0, 1.5), (5, -0.25), (12, 1e-300)] {
      checkpoint.validation?.append(step: step, loss: loss)
    }
    let bytes = try checkpoint.encoded()
    #expect(try Checkpoint.decode(bytes) == checkpoint)
    #expect(try Checkpoint.decode(bytes, sections: []).validation == checkpoint.validation)
    // Long ones too, and none leaves the file as it was.
    checkpoint.progress.step = 100_000
    checkpoint.validation = ValidationHistory(
      subject: "x", steps: Array(1...100_000), losses: Array(repeating: 0.5, count: 100_000))
    #expect(try Checkpoint.decode(checkpoint.encoded()) == checkpoint)
    #expect(try Checkpoint.decode(without).validation == nil)
    #expect(try sampleCheckpoint().encoded() == without)
  }

  /// Steps that have not been, do not rise, or whose losses are none.
  @Test func anImpossibleHistoryIsRefused() throws {
    for (history, reason) in [
      (ValidationHistory(subject: "x", steps: [13], losses: [1]), "holds impossible values"),
      (ValidationHistory(subject: "x", steps: [-1], losses: [1]), "holds impossible values"),
      (ValidationHistory(subject: "x", steps: [5, 5], losses: [1, 1]), "holds impossible values"),
      (ValidationHistory(subject: "x", steps: [9, 5], losses: [1, 1]), "holds impossible values"),
      (ValidationHistory(subject: "x", steps: [5], losses: [.nan]), "not a vector of finite"),
    ] {
      var checkpoint = sampleCheckpoint()
      checkpoint.validation = history
      let bytes = try checkpoint.encoded()
      let error = #expect(throws: StorageError.self) { try Checkpoint.decode(bytes) }
      #expect(error?.reason.contains("/validation") == true)
      #expect(error?.reason.contains(reason) == true, "\(error as Any)")
    }
  }

  @Test func equalCheckpointsAreEqualBytes() throws {
    let first = try sampleCheckpoint().encoded()
    // Memory that was used for something else in between.
    let noise = (0..<1000).map { [UInt8](repeating: UInt8($0 % 256), count: 100 + $0) }
    #expect(try sampleCheckpoint().encoded() == first)
    #expect(noise.count == 1000)
  }

  @Test func provenanceIsOutsideTheDigest() throws {
    let folder = try TemporaryFolder()
    func digest(_ checkpoint: Checkpoint, _ name: String) throws -> String {
      try checkpoint.write(to: folder.file(name))
      return try Checkpoint.contentDigest(path: folder.file(name))
    }
    let short = try digest(sampleCheckpoint(provenance: [:]), "a.h5")
    let long = (0..<100).map { ("key \($0)", String(repeating: "x", count: 500)) }
    let other = sampleCheckpoint(provenance: Dictionary(uniqueKeysWithValues: long))
    #expect(try digest(other, "b.h5") == short)
    #expect(try Checkpoint.read(path: folder.file("b.h5")).provenance.count == 100)

    var changed = sampleCheckpoint()
    changed.model[3].negate()
    #expect(try digest(changed, "c.h5") != short)
    changed = sampleCheckpoint()
    changed.progress.seed -= 1
    #expect(try digest(changed, "d.h5") != short)
    changed = sampleCheckpoint()
    changed.configuration += " "
    #expect(try digest(changed, "e.h5") != short)
  }

  /// The bytes of every tensor are at the same place, however long the provenance is.
  @Test func provenanceMovesNothing() throws {
    let short = try sampleCheckpoint(provenance: [:]).encoded()
    let long = try sampleCheckpoint(
      provenance: ["command": String(repeating: "x", count: 100_000)]
    ).encoded()
    let moment = sampleCheckpoint().secondMoment.withUnsafeBytes { Array($0.prefix(60)) }
    func position(_ bytes: [UInt8]) -> Int? {
      (0..<(bytes.count - 60)).first { bytes[$0..<($0 + 60)].elementsEqual(moment) }
    }
    #expect(position(short) != nil && position(short) == position(long))
  }

  @Test func divergedTensorsAreNotWritten() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.h5")
    try sampleCheckpoint().write(to: path)
    let before = try folder.bytes("a.h5")
    for value in [Float.nan, .infinity, -.infinity] {
      var checkpoint = sampleCheckpoint()
      checkpoint.ema[15] = value
      let error = #expect(throws: StorageError.self) { try checkpoint.write(to: path) }
      #expect(
        error?.reason
          == "is not written: the tensor /average/down_0/block_0/conv1/W is not finite")
    }
    #expect(try folder.bytes("a.h5") == before)
  }

  @Test func everyTruncationIsFound() throws {
    let bytes = try sampleCheckpoint().encoded()
    for length in Array(0..<64) + Array(stride(from: 64, to: bytes.count, by: 101))
      + Array((bytes.count - 64)..<bytes.count)
    {
      #expect(throws: StorageError.self, "\(length)") {
        try Checkpoint.decode(Array(bytes.prefix(length)))
      }
    }
    #expect(throws: StorageError.self) { try Checkpoint.decode(bytes + [0]) }
  }

  @Test func everyFlippedBitIsFound() throws {
    var bytes = try sampleCheckpoint().encoded()
    var missed: [Int] = []
    for position in bytes.indices {
      // One bit of each byte, and all bits of the trailer.
      let bits = position < bytes.count - 32 ? [position % 8] : Array(0..<8)
      for bit in bits {
        bytes[position] ^= 1 << UInt8(bit)
        do {
          _ = try Checkpoint.decode(bytes, sections: [])
          missed.append(position)
        } catch {
          if case .badData = error {} else { missed.append(position) }
        }
        bytes[position] ^= 1 << UInt8(bit)
      }
    }
    #expect(missed == [])
    _ = try Checkpoint.decode(bytes)
  }

  @Test func damagedFilesAreNamed() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.h5")
    func reason(_ bytes: [UInt8]) throws -> String? {
      try folder.write(bytes, to: "a.h5")
      let error = #expect(throws: StorageError.self) { try Checkpoint.read(path: path) }
      #expect(throws: error!) { try Checkpoint.verify(path: path) }
      #expect(error?.path == path)
      return error?.reason
    }
    var bytes = try sampleCheckpoint().encoded()
    #expect(try reason([]) == "is empty, not a checkpoint")
    #expect(
      try reason(Array(bytes.prefix(20))) == "is no checkpoint, or a truncated one: 20 bytes")
    #expect(
      try reason(Array(bytes.dropLast()))?.hasSuffix("the mark at its end is missing") == true)
    bytes[1000] ^= 4
    #expect(
      try reason(bytes)
        == "is damaged, or was changed by another program: its checksum does not fit")
    let missing = folder.file("none.h5")
    #expect(
      throws: StorageError.missingInput(
        path: missing, reason: "cannot find a checkpoint there: No such file or directory")
    ) { try Checkpoint.read(path: missing) }
    #expect(
      throws: StorageError.badData(path: folder.path, reason: "is a folder, not a checkpoint")
    ) { try Checkpoint.read(path: folder.path) }
  }

  /// Other files where a checkpoint is asked for.
  @Test func otherFilesAreNamed() throws {
    let folder = try TemporaryFolder()
    let shape = ImageShape(height: 2, width: 2, channels: 1)
    let writer = try ImageDatasetWriter(output: folder.file("d.h5"), shape: shape, name: "d")
    try writer.append(images: [1, 2, 3, 4])
    _ = try writer.finish()
    try SampleFile.write(
      [1, 2, 3, 4], shape: shape, format: .levels(17), origin: [:], to: folder.file("s.h5"))
    try File.create(folder.file("o.h5")).close()
    try folder.write(Array(sampleCheckpoint().encoded().dropLast(32)), to: "c.h5")
    try folder.write(Array("name: digits\n".utf8) + [UInt8](repeating: 10, count: 99), to: "t.h5")
    let reasons = [
      "d.h5": "is a ddpm-dataset file, not a checkpoint",
      "s.h5": "is a ddpm-samples file, not a checkpoint",
      "o.h5": "is an HDF5 file, but no checkpoint of this program",
      "c.h5": "is no checkpoint of this program, or a damaged or truncated one: "
        + "the mark at its end is missing",
      "t.h5": "is no checkpoint of this program, or a damaged or truncated one: "
        + "the mark at its end is missing",
    ]
    for (name, reason) in reasons {
      let path = folder.file(name)
      #expect(throws: StorageError.badData(path: path, reason: reason)) {
        try Checkpoint.read(path: path)
      }
      #expect(throws: StorageError.badData(path: path, reason: reason)) {
        try Checkpoint.verify(path: path)
      }
    }
  }

  /// A file whose checksum fits, but whose content is not a checkpoint's.
  @Test func wrongContent() throws {
    func reason(_ fill: (borrowing Group) throws -> Void) throws -> String? {
      let file = try File.createInMemory(label: "wrong")
      let root = try file.root()
      try fill(root)
      try root.close()
      let bytes = try file.finish().withBytes { Array($0) + Checkpoint.trailer(for: $0) }
      return #expect(throws: StorageError.self) { try Checkpoint.decode(bytes) }?.reason
    }
    #expect(try reason { _ in } == "does not say that it is a ddpm-checkpoint")
    #expect(
      try reason {
        try $0.setAttribute("format", "ddpm-dataset")
        try $0.setAttribute("version", 1)
      } == "is a ddpm-dataset file, not a ddpm-checkpoint")
    #expect(
      try reason {
        try $0.setAttribute("format", "ddpm-checkpoint")
        try $0.setAttribute("version", 2)
      } == "has the version 2 of ddpm-checkpoint; this program reads 1")
    func header(_ root: borrowing Group, _ tensors: [String]) throws {
      try root.setAttribute("format", "ddpm-checkpoint")
      try root.setAttribute("version", 1)
      let group = try root.createGroup("diffusion")
      try group.close()
      try root.write("tensors", strings: tensors)
    }
    #expect(try reason { try header($0, ["a"]) } == "/model: there is no such group")
    #expect(
      try reason {
        try header($0, ["a", "a"])
        try $0.write("model/a", [Float(1)])
      } == "lists the tensor \"a\" twice or unnamed")
    #expect(
      try reason {
        try header($0, ["a", "b"])
        try $0.write("model/a", [Float(1)])
      } == "/model/b: there is no such dataset")
  }

  @Test func impossibleProgressIsRefused() throws {
    let changes: [(inout Checkpoint.Progress) -> Void] = [
      { $0.step = .max }, { $0.step = 1 << 31 }, { $0.step = -1 }, { $0.imagesSeen = .max },
      { $0.imagesSeen = -1 }, { $0.epochs[2] = .max }, { $0.epochs[3] = -1 },
    ]
    for (index, change) in changes.enumerated() {
      var checkpoint = sampleCheckpoint()
      change(&checkpoint.progress)
      let bytes = try checkpoint.encoded()
      let error = #expect(throws: StorageError.self, "\(index)") { try Checkpoint.decode(bytes) }
      #expect(error?.reason == "/progress: holds impossible values")
    }
    var last = sampleCheckpoint()
    last.progress.step = Int(Int32.max)
    last.progress.imagesSeen = last.progress.step * last.progress.step
    #expect(try Checkpoint.decode(last.encoded()) == last)
  }

  /// A tensor under more names than the file has room for: memory must not be taken for all.
  @Test func linksDoNotMultiplyTheTensors() throws {
    let file = try File.createInMemory(label: "wrong")
    let root = try file.root()
    try root.setAttribute("format", "ddpm-checkpoint")
    try root.setAttribute("version", 1)
    try root.createGroup("diffusion").close()
    try root.write("model/a", [Float](repeating: 1, count: 10_000))
    try root.write("tensors", strings: (0..<9).map { String(repeating: "/", count: $0) + "a" })
    try root.close()
    let bytes = try file.finish().withBytes { Array($0) + Checkpoint.trailer(for: $0) }
    let error = #expect(throws: StorageError.self) { try Checkpoint.decode(bytes) }
    #expect(error?.reason.hasPrefix("/model: gives ") == true, "\(error as Any)")
  }

  @Test func aFullDiskKeepsTheOldCheckpoint() throws {
    try withSmallDisk(megabytes: 1) { disk in
      let folder = CheckpointFolder(path: disk)
      try sampleCheckpoint(step: 1).write(to: folder.path(step: 1))
      var layout = ParameterLayout()
      layout.append("a", shape: [300_000])
      var large = sampleCheckpoint()
      large.layout = layout
      for buffer in [
        \Checkpoint.model, \Checkpoint.ema, \Checkpoint.firstMoment, \Checkpoint.secondMoment,
      ] {
        large[keyPath: buffer] = [Float](repeating: 1, count: 300_000)
      }
      let path = folder.path(step: 2)
      #expect(
        throws: StorageError.inputOutput(
          path: path, reason: "cannot write the file: No space left on device")
      ) { try large.write(to: path) }
      #expect(try folder.steps() == [1])
      #expect(try folder.latestGood() == .init(path: folder.path(step: 1), skipped: []))
    }
  }
}
