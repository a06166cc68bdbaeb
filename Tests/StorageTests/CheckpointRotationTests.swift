// Old checkpoints go, the best and the last good one stay, and nothing else is touched.

import Foundation
import Storage
import TestSupport
import Testing

@Suite struct CheckpointRotationTests {
  let temporary = try! TemporaryFolder()

  private var folder: CheckpointFolder { CheckpointFolder(path: temporary.path) }

  private func write(_ steps: [Int]) throws {
    for step in steps { try sampleCheckpoint(step: step).write(to: folder.path(step: step)) }
  }

  @Test func theNewestStay() throws {
    try write([1, 2, 3, 100_000_000])
    try temporary.write([1], to: "notes.txt")
    let rotation = CheckpointRotation(folder)
    #expect(try rotation.prune(keeping: 5).removed == [])
    #expect(try rotation.prune(keeping: 2).removed == [1, 2].map { folder.path(step: $0) })
    #expect(try rotation.goodSteps() == [3, 100_000_000])
    #expect(try rotation.prune(keeping: 1).removed == [folder.path(step: 3)])
    #expect(try rotation.prune(keeping: 1).removed == [])
    #expect(try temporary.names() == ["notes.txt", "step-100000000.h5"])
  }

  @Test func theBestStays() throws {
    try write(Array(1...5))
    try folder.linkBest(step: 1)
    let rotation = CheckpointRotation(folder)
    #expect(try rotation.prune(keeping: 2).removed == [2, 3].map { folder.path(step: $0) })
    try folder.linkBest(step: 5)
    #expect(try rotation.prune(keeping: 2).removed == [folder.path(step: 1)])
  }

  /// What cannot be used is not counted, so it pushes nothing out, and is not removed.
  @Test func whatIsNotGoodIsLeftAlone() throws {
    try write([1, 2, 3, 4])
    try temporary.write([1, 2, 3], to: "step-00000002.h5")
    try sampleCheckpoint(step: 3).write(to: folder.path(step: 900))
    try FileManager.default.createDirectory(
      atPath: folder.path(step: 800), withIntermediateDirectories: false)
    let rotation = CheckpointRotation(folder)
    #expect(try rotation.goodSteps() == [1, 3, 4])
    let before = try temporary.names()
    let pruned = try rotation.prune(keeping: 2)
    #expect(pruned.removed == [folder.path(step: 1)] && pruned.failed == [])
    #expect(try temporary.names() == before.filter { $0 != "step-00000001.h5" })
  }

  /// Later files than those that a run goes on from are ones that it could not use.
  @Test func laterFilesCountWhenTheyAreWrittenAnew() throws {
    try write([1, 2, 8, 9])
    let rotation = CheckpointRotation(folder, goingOnFrom: 2)
    #expect(try rotation.goodSteps() == [1, 2])
    try write([8])
    rotation.wrote(step: 8)
    #expect(try rotation.prune(keeping: 2).removed == [folder.path(step: 1)])
    #expect(try folder.steps() == [2, 8, 9])
  }

  // MARK: Names

  @Test func aNameIsRepaired() throws {
    try write([5])
    try FileManager.default.moveItem(
      atPath: folder.path(step: 5), toPath: folder.path(step: 70))
    #expect(try CheckpointFolder.repairName(of: folder.path(step: 70)) == folder.path(step: 5))
    #expect(try temporary.names() == ["step-00000005.h5"])
    #expect(try CheckpointFolder.repairName(of: folder.path(step: 5)) == folder.path(step: 5))
    // Nothing is replaced, and links are not renamed.
    try sampleCheckpoint(step: 5, provenance: [:]).write(to: folder.path(step: 70))
    try folder.linkBest(step: 5)
    let before = try temporary.bytes("step-00000005.h5")
    for path in [folder.path(step: 70), folder.best] {
      let error = #expect(throws: StorageError.self) { try CheckpointFolder.repairName(of: path) }
      guard case .cannotCreate = error else {
        Issue.record("\(error as Any)")
        continue
      }
    }
    #expect(try temporary.bytes("step-00000005.h5") == before)
    #expect(try folder.steps() == [5, 70])
  }

  @Test func aSnapshotIsRenamedToo() throws {
    let checkpoint = sampleCheckpoint()
    try AverageSnapshot(
      step: 7, seed: 1, layout: checkpoint.layout, averages: [0.1: checkpoint.ema]
    ).write(to: temporary.file("lost.h5"))
    #expect(
      try CheckpointFolder.repairName(of: temporary.file("lost.h5")) == folder.path(step: 7))
    #expect(try folder.steps() == [7])
  }

  @Test(arguments: [
    ("a/step-00000012.h5", 12), ("step-00000012.h5", 12), ("step-12.h5", nil), ("best", nil),
    ("", nil),
  ])
  func namesOfPaths(path: String, step: Int?) {
    #expect(CheckpointFolder.step(ofPath: path) == step)
  }
}
