// ddpm-dist checkpoint: what it prints, and what it leaves.

import Foundation
import Storage
import TestSupport
import Testing

extension CommandTests {
  @Suite struct CheckpointCommandTests {
    let folder = try! TemporaryFolder()

    /// Checkpoints at steps 2, 4, 6 and 8, of which 4 is damaged and 8 is really that of step 6.
    private func made() async throws -> SmallRun {
      let run = SmallRun(folder.file("run"))
      let outcome = try await run.train(
        ["--steps", "6", "--workers", "1"], settings: ["checkpoint_every=2", "keep_checkpoints=9"])
      try #require(outcome.status == 0, "\(outcome)")
      try FileManager.default.copyItem(atPath: run.checkpoint(6), toPath: run.checkpoint(8))
      try run.damage(4)
      try CheckpointFolder(path: "\(run.path)/checkpoints").linkBest(step: 2)
      return run
    }

    private func checkpoint(_ words: String..., ranks: Int? = nil) async throws -> Outcome {
      try await run(.dist, ["checkpoint"] + words, ranks: ranks)
    }

    @Test func theyAreListedCheckedAndPruned() async throws {
      let run = try await made()
      let size = try [UInt8](contentsOf: run.checkpoint(2)).count
      let list = try await checkpoint("ls", run.path)
      #expect(list.status == 0 && list.errors.isEmpty, "\(list)")
      let rows = list.output.split(separator: "\n").map {
        $0.split(separator: " ", omittingEmptySubsequences: true).map(String.init)
      }
      try #require(rows.count == 5, "\(list)")
      #expect(rows[0] == ["step", "date", "bytes", "loss", "state"])
      #expect(rows.dropFirst().map { $0[0] } == ["2", "4", "6", "8"])
      let loss = try #require(Double(rows[1][3]))
      #expect(try abs(loss / Checkpoint.read(path: run.checkpoint(2)).progress.loss - 1) < 1e-5)
      #expect(rows[1][2] == "\(size)" && rows[1][4...] == ["good,", "best"])
      #expect(rows[2].contains("unusable:") && rows[2].contains("checksum"))
      #expect(rows[3][4...] == ["good"])
      #expect(list.output.contains("is the checkpoint of step 6 and not of 8"), "\(list)")

      let good = try await checkpoint("verify", run.checkpoint(2), run.checkpoint(6))
      #expect(good.status == 0 && good.errors.isEmpty, "\(good)")
      #expect(
        good.output == "\(run.checkpoint(2)): good, step 2\n\(run.checkpoint(6)): good, step 6\n")
      for ranks in [nil, 2] {
        let bad = try await checkpoint(
          "verify", run.checkpoint(2), run.checkpoint(4), run.checkpoint(8), folder.file("no.h5"),
          ranks: ranks)
        #expect(bad.status == 65 && bad.errorLines == ["error: 3 of 4 files cannot be used."])
        #expect(bad.output.split(separator: "\n").count == 4, "\(bad)")
        #expect(bad.output.contains("its checksum does not fit"), "\(bad)")
      }

      let pruned = try await checkpoint("prune", run.path, "--keep", "1")
      #expect(pruned.status == 0 && pruned.output.isEmpty, "\(pruned)")
      try CheckpointFolder(path: "\(run.path)/checkpoints").linkBest(step: 6)
      let again = try await checkpoint("prune", run.path, "--keep", "1", ranks: 2)
      #expect(again.output == "removed \(run.checkpoint(2))\n", "\(again)")
      #expect(
        try run.checkpointNames()
          == ["best", "step-00000004.h5", "step-00000006.h5", "step-00000008.h5"])
      #expect(!FileManager.default.fileExists(atPath: "\(run.path)/lock"))
    }

    @Test func aNameIsRepaired() async throws {
      let run = try await SmallRun.reference.value.copy(to: folder.file("run"))
      try FileManager.default.moveItem(atPath: run.checkpoint(20), toPath: run.checkpoint(500))
      let outcome = try await checkpoint("repair-name", run.checkpoint(500))
      #expect(outcome.status == 0, "\(outcome)")
      #expect(outcome.output == "\(run.checkpoint(500)): is \(run.checkpoint(20)) now\n")
      #expect(try run.checkpointNames() == ["step-00000020.h5"])
      let again = try await checkpoint("repair-name", run.checkpoint(20))
      #expect(again.output == "\(run.checkpoint(20)): has its name\n", "\(again)")
    }

    @Test func differencesAreNamed() async throws {
      let run = try await SmallRun.reference.value.copy(to: folder.file("run"))
      let reference = try await SmallRun.reference.value
      try run.forge(20) { $0.provenance["host"] = "another" }
      let equal = try await checkpoint("diff", run.checkpoint(20), reference.checkpoint(20))
      #expect(equal.status == 0 && equal.output == "The checkpoints are equal.\n", "\(equal)")
      try run.forge(20) {
        $0.model[0] += 1
        $0.configuration = $0.configuration.replacing(
          "learning_rate: 0.002", with: "learning_rate: 0.004")
        $0.progress.loss = 0.25
      }
      for ranks in [nil, 2] {
        let other = try await checkpoint(
          "diff", run.checkpoint(20), reference.checkpoint(20), ranks: ranks)
        #expect(other.status == 1 && other.errorLines.count == 1, "\(other)")
        let rows = other.output.split(separator: "\n").map {
          $0.split(separator: " ", omittingEmptySubsequences: true)
        }
        #expect(rows.contains(["learning_rate", "0.004", "0.002"]), "\(other)")
        #expect(rows.contains { $0.starts(with: ["progress/loss", "0.25"]) }, "\(other)")
        #expect(rows.count { $0[0].hasPrefix("model/") } == 1, "\(other)")
      }
    }
  }
}
