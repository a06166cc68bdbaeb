// Checkpoints on disks that fail: what is said, what is kept, and when a run ends.

import Foundation
import Logging
import MPI
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
      layout: layout, model: [], ema: [], firstMoment: [], secondMoment: [],
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
      finishFile: { [folder, said] (file) throws(StorageError) in
        let step = folder.step(ofPath: file.path)!
        if let fault = faults[step], try folder.steps().count >= fault.files {
          throw .inputOutput(
            path: file.path,
            reason: "cannot write the file: \(String(cString: strerror(fault.code)))")
        }
        try file.finish()
        said.append("wrote \(step)")
      },
      tell: { [said] level, message in said.append("\(level) \(message)") })
  }

  /// Saves checkpoints one after the other, as a run does that waits for each.
  private func save(
    _ checkpoint: Checkpoint, by saver: CheckpointSaver, isLast: Bool = false, weight: Float = 1
  ) throws -> Bool {
    try begin(checkpoint, by: saver, waits: true, weight: weight)
    return try saver.finish(isLast: isLast)
  }

  /// Begins to save a checkpoint whose 24 values are all the same, again where there is more room.
  private func begin(
    _ checkpoint: Checkpoint, by saver: CheckpointSaver, targets: RollbackTargets? = nil,
    waits: Bool = false, weight: Float = 1
  ) throws {
    repeat {
      guard let file = try saver.open(checkpoint, targets: targets) else { return }
      let values = [Float](repeating: weight, count: 24)
      values.withUnsafeBufferPointer { file.append($0) }
      guard try saver.begin(file, waits: waits) else { return }
    } while true
  }

  @Test func savedIsSaidBeforeAnyIsRemoved() throws {
    let seen = Collected<[Int]>()
    let saver = CheckpointSaver(CheckpointRotation(folder), keeping: 2) { [folder] _, _ in
      seen.append((try? folder.steps()) ?? [])
    }
    for step in 1...4 { _ = try save(checkpoint(step), by: saver, isLast: step == 4) }
    #expect(seen.values == [[1], [1, 2], [1, 2, 3], [2, 3, 4]])
    #expect(try folder.steps() == [3, 4])
  }

  @Test(arguments: [ENOSPC, EIO]) func aFaultCostsOneCheckpoint(code: Int32) throws {
    let saver = saver([1: (code, 0), 3: (code, 0), 4: (code, 0)])
    let saved = try (1...5).map { try save(checkpoint($0), by: saver) }
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
    for step in 1...3 { _ = try save(checkpoint(step), by: saver) }
    #expect(
      throws: StorageError.inputOutput(
        path: folder.path(step: 4),
        reason: "cannot write the file: Input/output error; 3 checkpoints in a row could not be "
          + "saved: mend that, and go on with --resume")
    ) { try save(checkpoint(4), by: saver) }
    #expect(try folder.steps() == [1])
  }

  @Test func theLastOneMustBeSaved() throws {
    let saver = saver([2: (EIO, 0)])
    _ = try save(checkpoint(1), by: saver)
    let error = #expect(throws: StorageError.self) {
      _ = try save(checkpoint(2), by: saver, isLast: true)
    }
    #expect(error?.reason.contains("the last checkpoint could not be saved") == true)
  }

  /// A disk that says late that it is full, while training has gone on, costs the checkpoint; the next one
  /// has room.
  @Test func aDiskThatIsFullLateHasRoomForTheNext() throws {
    let saver = saver(keeping: 9, [4: (ENOSPC, 3)])
    for step in 1...3 { _ = try save(checkpoint(step), by: saver) }
    try begin(checkpoint(4), by: saver)
    #expect(try !saver.finish(isLast: false))
    #expect(try folder.steps() == [3])
    #expect(try save(checkpoint(5), by: saver))
    #expect(try folder.steps() == [3, 5])
  }

  /// A write that fails while the tensors come is seen at once.
  @Test func aFaultBetweenTensorsIsAFault() throws {
    let saver = saver(keeping: 9)
    for step in 1...2 { _ = try save(checkpoint(step), by: saver) }
    let file = try #require(try saver.open(checkpoint(3)))
    file.fail(
      .inputOutput(
        path: file.path, reason: "cannot write the file: \(String(cString: strerror(ENOSPC)))"))
    #expect(try saver.begin(file))
    #expect(try folder.steps() == [2])
    _ = try save(checkpoint(3), by: saver)
    #expect(try folder.steps() == [2, 3])
    #expect(FileManager.default.contents(atPath: folder.path(step: 3)) != nil)
  }

  /// Room is made of older checkpoints, but not of the last good one, nor of the best.
  @Test func aFullDiskIsPruned() throws {
    let saver = saver(keeping: 9, [4: (ENOSPC, 3), 5: (ENOSPC, 3), 6: (ENOSPC, 1)])
    for step in 1...3 { _ = try save(checkpoint(step), by: saver) }
    try folder.linkBest(step: 2)
    _ = try save(checkpoint(4), by: saver)
    // Steps 2 and 3 are left and 4 is new; then 2 and 4.
    #expect(try folder.steps() == [2, 3, 4])
    _ = try save(checkpoint(5), by: saver)
    #expect(try folder.steps() == [2, 4, 5])
    _ = try save(checkpoint(6), by: saver)
    #expect(try folder.steps() == [2, 5])
    #expect(said.values.count { $0.contains("removed") } == 3)
    #expect(said.values.last?.contains("this checkpoint is not saved") == true)
  }

  /// EIO is no lack of room.
  @Test func anotherFaultRemovesNothing() throws {
    let saver = saver(keeping: 9, [3: (EIO, 0)])
    for step in 1...3 { _ = try save(checkpoint(step), by: saver) }
    #expect(try folder.steps() == [1, 2])
  }

  @Test func aFolderInTheWayIsAWarning() throws {
    try FileManager.default.createDirectory(
      atPath: folder.path(step: 2), withIntermediateDirectories: false)
    let saver = saver()
    for step in 1...4 { _ = try save(checkpoint(step), by: saver) }
    #expect(try folder.steps() == [2, 3, 4])
    #expect(said.values.contains { $0.contains("is a folder; name a file") })
  }

  /// A tensor that is not finite is no fault of the disk.
  @Test func divergenceEndsAtOnce() throws {
    let saver = saver()
    _ = try save(checkpoint(1), by: saver)
    let error = #expect(throws: Failure.self) {
      try save(checkpoint(2), by: saver, weight: .nan)
    }
    #expect(error?.exitCode == ExitCode.software)
    #expect(error?.message.hasPrefix("step 2 diverged: the checkpoint is not written") == true)
    #expect(error?.message.contains(folder.path(step: 1)) == true)
    #expect(try folder.steps() == [1])
  }

  /// The run goes on while the file is written, and hears of it when it asks.
  @Test func trainingDoesNotWait() throws {
    let gate = DispatchSemaphore(value: 0)
    let saver = CheckpointSaver(
      CheckpointRotation(folder), keeping: 2,
      finishFile: { (file) throws(StorageError) in
        gate.wait()
        try file.finish()
      }, tell: { [said] _, message in said.append(message) })
    try begin(checkpoint(1), by: saver)
    saver.poll()
    #expect(try said.values.isEmpty && folder.steps().isEmpty && saver.savedStep == nil)
    gate.signal()
    while saver.savedStep == nil {
      usleep(1000)
      saver.poll()
    }
    #expect(said.values == ["saved \(folder.path(step: 1))"])
    #expect(try folder.steps() == [1] && saver.finish(isLast: true))
  }

  /// What was given to be saved is what is saved, whatever happens to the original meanwhile; and a
  /// second one waits for the first.
  @Test func oneAtATimeIsOnItsWay() throws {
    let saver = saver(keeping: 9)
    for step in 1...5 { try begin(checkpoint(step), by: saver) }
    try saver.finish(isLast: true)
    #expect(said.values.filter { $0.hasPrefix("wrote") } == (1...5).map { "wrote \($0)" })
    for step in 1...5 { #expect(try folder.read(step: step, sections: .model).model.count == 6) }
  }

  /// The last healthy checkpoint stays, however old it is.
  @Test func theLastHealthyOneStays() throws {
    let saver = saver()
    for step in 1...8 {
      let targets = RollbackTargets(every: 2, lastHealthyStep: min(step, 5), rollbacks: [])
      try begin(checkpoint(step), by: saver, targets: targets)
      try saver.finish(isLast: false)
    }
    #expect(try folder.steps() == [4, 7, 8])
  }

  @Test func theBestIsLinked() throws {
    let saver = saver()
    for step in 1...4 {
      var checkpoint = checkpoint(step)
      checkpoint.validation = ValidationHistory(
        subject: "x", steps: Array(1...step), losses: Array([1, 0.5, 2, 2].prefix(step)))
      _ = try save(checkpoint, by: saver)
    }
    #expect(try folder.bestStep == 2)
    #expect(try folder.steps() == [2, 3, 4])
  }

  /// A process that was killed between "saved" and the rest is made up for by the next one.
  @Test func theNextProcessTidiesUp() throws {
    for step in 1...4 {
      var checkpoint = checkpoint(step)
      checkpoint.model = Array(repeating: 1, count: 6)
      try checkpoint.write(to: folder.path(step: step))
    }
    let history = ValidationHistory(subject: "x", steps: [1, 2, 3, 4], losses: [1, 0.5, 2, 2])
    let saver = CheckpointSaver(CheckpointRotation(folder, goingOnFrom: 4), keeping: 2) { _, _ in }
    saver.tidyUp(history, nil)
    #expect(try folder.bestStep == 2)
    #expect(try folder.steps() == [2, 3, 4])
    // It goes on from step 3, and does step 4 again: that is none of those that are kept.
    let earlier = CheckpointSaver(CheckpointRotation(folder, goingOnFrom: 3), keeping: 2) { _, _ in
    }
    earlier.tidyUp(nil, nil)
    #expect(try folder.steps() == [2, 3, 4])
  }
}
