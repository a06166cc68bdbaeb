// Checkpoints on disks that fail: what is said, what is kept, and when a run ends.

import Foundation
import Logging
import Storage
import Tensors
import TestSupport
import Testing
import Training

@Suite struct CheckpointSaverTests {
  private let temporary = try! TemporaryFolder()
  private let said = Collected<String>()

  private var folder: CheckpointFolder { CheckpointFolder(path: temporary.path) }

  private func checkpoint(_ step: Int) -> Checkpoint {
    var layout = ParameterLayout()
    layout.append("a/W", shape: [2, 3])
    return Checkpoint(
      layout: layout, model: Array(repeating: 1, count: 6), ema: [], firstMoment: [],
      secondMoment: [],
      progress: .init(step: step, imagesSeen: step, epochs: [0], seed: 1, shards: 1, loss: 1),
      configuration: "steps: 1\n", provenance: [:])
  }

  /// A saver on a disk that fails at some steps.
  ///
  /// - Parameter faults: The error at a step, and how many files there must be for it to appear.
  private func saver(
    keeping count: Int = 2, _ faults: [Int: (code: Int32, files: Int)] = [:]
  ) -> CheckpointSaver {
    CheckpointSaver(
      CheckpointRotation(folder, goingOnFrom: 0), keeping: count,
      write: { [folder, said] (checkpoint, path) throws(StorageError) in
        if let fault = faults[checkpoint.progress.step], try folder.steps().count >= fault.files {
          throw .inputOutput(
            path: path, reason: "cannot write the file: \(String(cString: strerror(fault.code)))")
        }
        try checkpoint.write(to: path)
        said.append("wrote \(checkpoint.progress.step)")
      },
      tell: { [said] level, message in said.append("\(level) \(message)") })
  }

  @Test func savedIsSaidBeforeAnyIsRemoved() throws {
    let seen = Collected<[Int]>()
    let saver = CheckpointSaver(CheckpointRotation(folder), keeping: 2) { [folder] _, _ in
      seen.append((try? folder.steps()) ?? [])
    }
    for step in 1...4 { try saver.save(checkpoint(step), isLast: step == 4) }
    #expect(seen.values == [[1], [1, 2], [1, 2, 3], [2, 3, 4]])
    #expect(try folder.steps() == [3, 4])
  }

  @Test(arguments: [ENOSPC, EIO]) func aFaultCostsOneCheckpoint(code: Int32) throws {
    let saver = saver([1: (code, 0), 3: (code, 0), 4: (code, 0)])
    let saved = try (1...5).map { try saver.save(checkpoint($0), isLast: false) }
    #expect(saved == [false, true, false, false, true])
    #expect(try folder.steps() == [2, 5])
    let warnings = said.values.filter { $0.hasPrefix("warning") }
    #expect(warnings.count == 3)
    #expect(
      warnings.first == "warning \(folder.path(step: 1)): cannot write the file: "
        + "\(String(cString: strerror(code))): this checkpoint is not saved; training goes on "
        + "and tries again at the next one")
  }

  @Test func threeInARowEndTheRun() throws {
    let saver = saver([2: (EIO, 0), 3: (EIO, 0), 4: (EIO, 0)])
    for step in 1...3 { try saver.save(checkpoint(step), isLast: false) }
    #expect(
      throws: StorageError.inputOutput(
        path: folder.path(step: 4),
        reason: "cannot write the file: Input/output error; 3 checkpoints in a row could not be "
          + "saved: mend that, and go on with --resume")
    ) { try saver.save(checkpoint(4), isLast: false) }
    #expect(try folder.steps() == [1])
  }

  @Test func theLastOneMustBeSaved() throws {
    let saver = saver([2: (EIO, 0)])
    try saver.save(checkpoint(1), isLast: false)
    let error = #expect(throws: StorageError.self) {
      try saver.save(checkpoint(2), isLast: true)
    }
    #expect(error?.reason.contains("the last checkpoint could not be saved") == true)
  }

  /// Room is made of older checkpoints, but not of the last good one, nor of the best.
  @Test func aFullDiskIsPruned() throws {
    let saver = saver(keeping: 9, [4: (ENOSPC, 3), 5: (ENOSPC, 3), 6: (ENOSPC, 1)])
    for step in 1...3 { try saver.save(checkpoint(step), isLast: false) }
    try folder.linkBest(step: 2)
    try saver.save(checkpoint(4), isLast: false)
    // Steps 2 and 3 are left and 4 is new; then 2 and 4.
    #expect(try folder.steps() == [2, 3, 4])
    try saver.save(checkpoint(5), isLast: false)
    #expect(try folder.steps() == [2, 4, 5])
    try saver.save(checkpoint(6), isLast: false)
    #expect(try folder.steps() == [2, 5])
    #expect(said.values.count { $0.contains("removed") } == 3)
    #expect(said.values.last?.contains("this checkpoint is not saved") == true)
  }

  /// EIO is no lack of room.
  @Test func anotherFaultRemovesNothing() throws {
    let saver = saver(keeping: 9, [3: (EIO, 0)])
    for step in 1...3 { try saver.save(checkpoint(step), isLast: false) }
    #expect(try folder.steps() == [1, 2])
  }

  @Test func aFolderInTheWayIsAWarning() throws {
    try FileManager.default.createDirectory(
      atPath: folder.path(step: 2), withIntermediateDirectories: false)
    let saver = saver()
    for step in 1...4 { try saver.save(checkpoint(step), isLast: false) }
    #expect(try folder.steps() == [2, 3, 4])
    #expect(said.values.contains { $0.contains("is a folder; name a file") })
  }

  /// A tensor that is not finite is no fault of the disk.
  @Test func divergenceEndsAtOnce() throws {
    var bad = checkpoint(1)
    bad.model[0] = .nan
    let saver = saver()
    let error = #expect(throws: StorageError.self) { try saver.save(bad, isLast: false) }
    guard case .badData = error else {
      Issue.record("\(error as Any)")
      return
    }
  }

  @Test func theBestIsLinked() throws {
    let saver = saver()
    for step in 1...4 {
      var checkpoint = checkpoint(step)
      checkpoint.validation = ValidationHistory(
        subject: "x", steps: Array(1...step), losses: Array([1, 0.5, 2, 2].prefix(step)))
      try saver.save(checkpoint, isLast: false)
    }
    #expect(folder.bestStep == 2)
    #expect(try folder.steps() == [2, 3, 4])
  }
}
