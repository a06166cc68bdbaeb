// Runs that begin with the weights of another one.

import Foundation
import Storage
import TestSupport
import Testing

extension CommandTests {
  @Suite struct InitialWeightsTests {
    let folder = try! TemporaryFolder()

    private func begin(_ name: String, ranks: Int? = nil) async throws -> SmallRun {
      let run = SmallRun(folder.file(name))
      let source = try await SmallRun.reference.value.path
      let outcome = try await run.train(
        ["--init-from", source, "--steps", "3", "--workers", "1"],
        settings: ["checkpoint_every=2", "sample_last=false"], ranks: ranks)
      #expect(outcome.status == 0, "\(outcome)")
      #expect(outcome.errors.contains("The first weights are those of"), "\(outcome)")
      return run
    }

    /// The average of the other run, at step 0; and the same run on two ranks, or after an end before
    /// the first checkpoint of its own.
    @Test func aRunBeginsWithThem() async throws {
      let run = try await begin("one")
      let reference = try await SmallRun.reference.value
      let source = try Checkpoint.read(path: reference.checkpoint(20))
      let first = try Checkpoint.read(path: run.checkpoint(0))
      #expect(first.model == source.ema && first.ema == source.ema)
      #expect(first.firstMoment.allSatisfy { $0 == 0 } && first.progress.step == 0)
      let line = "\(reference.checkpoint(20)), step 20, average"
      #expect(first.provenance["initial_weights"] == line)
      let history = try String(contentsOfFile: "\(run.path)/history.jsonl", encoding: .utf8)
      #expect(history.contains("\"initialWeights\":\"\(line)\""))
      let digest = try run.digest(3)

      let pair = try await begin("two", ranks: 2)
      #expect(try pair.digest(3) == digest)

      let ended = try run.copy(to: folder.file("ended"))
      for step in [2, 3] { try FileManager.default.removeItem(atPath: ended.checkpoint(step)) }
      let outcome = try await ended.train(
        ["--resume", "--steps", "3", "--workers", "1"],
        settings: ["checkpoint_every=2", "sample_last=false"])
      #expect(outcome.status == 0, "\(outcome)")
      #expect(try ended.digest(3) == digest)
      try FileManager.default.removeItem(atPath: "\(pair.path)/checkpoints")
      let lost = try await pair.train(["--resume", "--steps", "3", "--workers", "1"])
      // The words of a job that is started again: once more from the beginning, then from its checkpoint.
      for _ in 0..<2 {
        let again = try await pair.train(
          ["--init-from", reference.path, "--resume", "--steps", "3", "--workers", "1"],
          settings: ["checkpoint_every=2", "sample_last=false"])
        #expect(again.status == 0, "\(again)")
        #expect(try pair.digest(3) == digest)
      }
      #expect(lost.status == 65 && lost.errors.contains("begun with the weights of"), "\(lost)")
      // It is known where it came from, still.
      let last = try Checkpoint.read(path: ended.checkpoint(3))
      #expect(last.provenance["initial_weights"] == line)
    }
  }
}
