// A disk that fills up: one line, the right exit code, and the older checkpoints whole.

import Foundation
import Storage
import TestSupport
import Testing

/// A small file system of its own, for as long as the object lives.
final class SmallDisk {
  let path: String
  private let folder: TemporaryFolder

  /// nil where this process may not mount.
  init?(kilobytes: Int) throws {
    folder = try TemporaryFolder()
    path = folder.file("disk")
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    guard geteuid() == 0, mount("tmpfs", path, "tmpfs", 0, "size=\(kilobytes)k") == 0 else {
      return nil
    }
  }

  deinit { umount2(path, Int32(MNT_DETACH)) }
}

extension CommandTests {
  @Suite struct FullDiskTests {
    static let canMount = (try? SmallDisk(kilobytes: 4)) != nil

    @Test(
      .enabled(if: canMount, "Only root may mount the small file system that this test fills."),
      arguments: [nil, 2])
    func aFullDiskGivesUpOlderCheckpoints(ranks: Int?) async throws {
      // A checkpoint takes about 1300 KB.
      let disk = try #require(try SmallDisk(kilobytes: 3500))
      let run = SmallRun("\(disk.path)/run")
      let outcome = try await run.train(
        ["--steps", "12", "--workers", "1"],
        settings: ["checkpoint_every=3", "keep_checkpoints=3"], ranks: ranks)
      #expect(outcome.status == 0 && outcome.errorLines.isEmpty, "\(outcome)")
      #expect(outcome.errors.contains("No space left on device: removed"), "\(outcome)")
      #expect(try run.checkpointNames() == ["step-00000009.h5", "step-00000012.h5"])
      for step in [9, 12] { try Checkpoint.verify(path: run.checkpoint(step)) }
    }

    @Test(
      .enabled(if: canMount, "Only root may mount the small file system that this test fills."),
      arguments: [nil, 2])
    func aFullDiskLeavesTheLastCheckpoint(ranks: Int?) async throws {
      let folder = try TemporaryFolder()
      let disk = try #require(try SmallDisk(kilobytes: 2000))
      let run = SmallRun("\(disk.path)/run")
      let settings = ["checkpoint_every=3", "keep_checkpoints=3"]
      let outcome = try await run.train(
        ["--steps", "15", "--workers", "1"], settings: settings, ranks: ranks)
      #expect(outcome.status == 74 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errors.contains("No space left on device"), "\(outcome)")
      #expect(outcome.errors.contains("3 checkpoints in a row could not be saved"), "\(outcome)")
      let warnings = outcome.errors.components(separatedBy: "this checkpoint is not saved")
      #expect(warnings.count == 3, "\(outcome)")
      #expect(try run.checkpointNames() == ["step-00000003.h5"])
      try Checkpoint.verify(path: run.checkpoint(3))

      // On a disk with room it goes on as if nothing had happened.
      let moved = try run.copy(to: folder.file("run"))
      let resumed = try await moved.train(["--resume", "--workers", "1"], settings: settings)
      try #require(resumed.status == 0, "\(resumed)")
      #expect(try moved.metrics().map { $0["step"] } == (1...15).map { Double($0) })
    }

    @Test(
      .enabled(if: canMount, "Only root may mount the small file system that this test fills."))
    func aLogThatCannotGrowIsSaid() async throws {
      let disk = try #require(try SmallDisk(kilobytes: 40))
      let run = SmallRun("\(disk.path)/run")
      let first = try await run.train(["--steps", "160", "--workers", "1"], ranks: 2)
      #expect(first.status == 74 && first.errorLines.count == 1, "\(first)")
      #expect(first.errors.contains("metrics.jsonl: cannot be written: No space left"), "\(first)")
      #expect(first.errors.contains("the last checkpoint could not be saved"), "\(first)")
      #expect(!first.errors.contains("NSError") && !first.errors.contains("UserInfo"), "\(first)")
    }
  }
}
