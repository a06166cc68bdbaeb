// Snapshots of the power averages: what is written is read, out of checkpoints too.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct AverageSnapshotTests {
  let folder = try! TemporaryFolder()

  private func snapshot() -> AverageSnapshot {
    let checkpoint = sampleCheckpoint()
    return AverageSnapshot(
      step: 12, seed: checkpoint.progress.seed, layout: checkpoint.layout,
      averages: [0.05: checkpoint.ema, 0.1: checkpoint.model.map { $0 / 3 }])
  }

  @Test func isReadBack() throws {
    let path = folder.file("a.h5")
    try snapshot().write(to: path)
    #expect(try folder.names() == ["a.h5"])
    #expect(try AverageSnapshot.read(path: path) == snapshot())
    let head = try AverageSnapshot.read(path: path, values: false)
    #expect(head.averages == [0.05: [], 0.1: []] && head.layout == snapshot().layout)
    #expect(head.step == 12 && head.seed == sampleCheckpoint().progress.seed)
    try Checkpoint.verify(path: path)
    let before = try folder.bytes("a.h5")
    try snapshot().write(to: path)
    #expect(try folder.bytes("a.h5") == before)
    let error = #expect(throws: StorageError.self) { try Checkpoint.read(path: path) }
    #expect(error?.reason.contains("is a ddpm-averages file, not a ddpm-checkpoint") == true)
  }

  @Test func isReadOutOfACheckpoint() throws {
    var checkpoint = sampleCheckpoint()
    let path = folder.file("c.h5")
    try checkpoint.write(to: path)
    #expect(try AverageSnapshot.read(path: path).averages == [:])
    checkpoint.averages = snapshot().averages
    try checkpoint.write(to: path)
    #expect(try AverageSnapshot.read(path: path) == snapshot())
  }

  @Test func divergedAveragesAreNotWritten() throws {
    var bad = snapshot()
    bad.averages[0.1]![0] = .infinity
    let error = #expect(throws: StorageError.self) { try bad.write(to: folder.file("a.h5")) }
    #expect(error?.reason == "is not written: the tensor /averages/0.1/time/1/W is not finite")
    #expect(try folder.names() == [])
  }

  @Test func damageIsFound() throws {
    try snapshot().write(to: folder.file("a.h5"))
    let bytes = try folder.bytes("a.h5")
    for position in [0, bytes.count / 2, bytes.count - 1] {
      var damaged = bytes
      damaged[position] ^= 1
      let path = try folder.write(damaged, to: "b.h5")
      #expect(throws: StorageError.self) { try AverageSnapshot.read(path: path) }
    }
  }

  /// Files with a good checksum whose content is not that of the format.
  @Test(arguments: ["nonsense", "-0.1", "0.050", "nan", "1.0"])
  func strangeLengthsAreRefused(name: String) throws {
    let error = try refusal(["averages/\(name)/w": [1]])
    #expect(error?.reason.contains("no length") == true)
  }

  @Test(
    arguments: [
      ["averages": [1]], ["averages/0.1/v": [1]], ["averages/0.1/w": [.nan]],
      ["averages/0.1/w": [1], "averages/0.2/w": [1, 2]],
    ] as [[String: [Float]]])
  func strangeTensorsAreRefused(content: [String: [Float]]) throws {
    guard case .badData = try refusal(content) else {
      Issue.record("\(content)")
      return
    }
  }

  /// Writes a snapshot of one tensor w with other datasets, and reads it.
  private func refusal(_ content: [String: [Float]]) throws -> StorageError? {
    let file = try File.createInMemory(label: "a.h5", increment: 1 << 16)
    let root = try file.root()
    try root.setAttribute("format", .string("ddpm-averages"))
    try root.setAttribute("version", .integer(1))
    try root.write("tensors", strings: ["w"])
    let progress = try root.createGroup("progress")
    try progress.setAttribute("step", .integer(3))
    try progress.close()
    for (path, values) in content { try root.write(path, values) }
    try root.close()
    let image = try file.finish()
    let bytes = image.withBytes { Array($0) + Checkpoint.trailer(for: $0) }
    let path = try folder.write(bytes, to: "a.h5")
    return #expect(throws: StorageError.self) { try AverageSnapshot.read(path: path) }
  }
}
