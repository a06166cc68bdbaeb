// Runs whose loss leaves its way: they stop, leave steps out, or go back, and say what they do.

import Foundation
import Storage
import TestSupport
import Testing

extension CommandTests {
  @Suite struct DivergenceTests {
    let folder = try! TemporaryFolder()

    /// The numbers of a watch after which every step is suspicious.
    private static let small: [String: [Double]] = [
      "watch_losses": Array(repeating: 1e-12, count: 20),
      "watch_norms": Array(repeating: 1e-12, count: 20), "watch_suspicious": [0],
    ]

    /// A run of 20 steps with a checkpoint at 10, too.
    private static let start = Task {
      let run = SmallRun("\(sharedFolder.path)/divergence")
      let outcome = try await run.train(
        ["--steps", "20", "--workers", "1"], settings: ["checkpoint_every=10"])
      try #require(outcome.status == 0, "\(outcome)")
      return run
    }

    private func goOn(
      _ name: String, _ policy: String, steps: Int, ranks: Int? = nil,
      _ change: (inout Checkpoint) -> Void
    ) async throws -> (run: SmallRun, outcome: Outcome) {
      let run = try await Self.start.value.copy(to: folder.file(name))
      try run.forge(20, change)
      return (run, try await resume(run, policy, steps: steps, ranks: ranks))
    }

    private func resume(
      _ run: SmallRun, _ policy: String, steps: Int, ranks: Int? = nil
    ) async throws -> Outcome {
      try await run.train(
        ["--resume", "--steps", "\(steps)", "--workers", "1"],
        settings: ["on_divergence=\(policy)", "checkpoint_every=10"], ranks: ranks)
    }

    private func lines(_ run: SmallRun) throws -> [[String: Any]] {
      try String(contentsOfFile: "\(run.path)/metrics.jsonl", encoding: .utf8)
        .split(separator: "\n")
        .map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as! [String: Any] }
    }

    /// The loss that a JSON object names, to the last bit: JSONSerialization reads some numbers a bit beside.
    private static func loss(_ json: Data) throws -> Double {
      struct Named: Decodable { let loss: Double }
      return try JSONDecoder().decode(Named.self, from: json).loss
    }

    /// The end names the last healthy checkpoint, which rotation has kept, and what is kept of the step
    /// is enough to compute it again.
    @Test func aRunThatStopsIsExplained() async throws {
      let (run, outcome) = try await goOn("run", "stop", steps: 60) { $0.trainer = Self.small }
      #expect(outcome.status == 70 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errors.contains("error: step 40 diverged: for 20 steps"), "\(outcome)")
      #expect(outcome.errors.contains("healthy checkpoint is \(run.checkpoint(20))"), "\(outcome)")
      #expect(try lines(run).count == 39)

      let state = "\(run.path)/diverged/step-00000039.h5"
      let bytes = try Data([UInt8](contentsOf: "\(run.path)/diverged/step-00000040.json"))
      let record = try JSONSerialization.jsonObject(with: bytes) as! [String: Any]
      #expect(record["step"] as? Int == 40 && record["seed"] as? Int == 1)
      #expect(record["suspicious_steps"] as? Int == 20)
      #expect(record["replay"] as? String == "ddpm-dist replay \(state)")
      let shards = try #require(record["shards"] as? [[String: Any]])
      #expect(shards.count == 8)
      let images = try #require(shards[3]["images"] as? [Int])
      let times = try #require((shards[3]["choices"] as? [String: [Int]])?["t"])
      #expect(images.count == 4 && times.count == 4 && times.allSatisfy { (1...20).contains($0) })

      // The same loss, bit for bit, as in the record, and as in a run that goes on.
      let loss = try Self.loss(bytes)
      let replayed = try await ddpmDist(["replay", state])
      #expect(replayed.status == 0, "\(replayed)")
      #expect(replayed.output.hasPrefix("step 40, loss \(loss)\n"), "\(replayed)")
      let (whole, rest) = try await goOn("whole", "stop", steps: 40) { _ in }
      #expect(rest.status == 0, "\(rest)")
      let log = try [UInt8](contentsOf: "\(whole.path)/metrics.jsonl").split(separator: 10)
      #expect(try Self.loss(Data(log[39])) == loss)

      // One shard in full.
      let one = try await ddpmDist(["replay", state, "--shard", "3"])
      #expect(one.status == 0, "\(one)")
      let rows = one.output.split(separator: "\n").map { $0.split(separator: " ") }
      for (image, t) in zip(images, times) {
        #expect(rows.contains(["\(image)", "\(t)"]), "\(one)")
      }
      #expect(rows.contains { $0.count == 2 && $0[0].hasSuffix("/W") }, "\(one)")
      for words in [["--shard", "8"], ["--shard=-1"], ["--workers", "0"]] {
        let refused = try await ddpmDist(["replay", state] + words)
        #expect(refused.status == 64, "\(words): \(refused)")
      }
      let missing = try await ddpmDist(["replay", folder.file("no.h5")])
      #expect(missing.status == 66 && missing.errorLines.count == 1, "\(missing)")
    }

    /// Weights that are finite and too large: the newest checkpoint does not help, the one before does;
    /// with the same bytes on any ranks, and when the run is interrupted in between.
    @Test func aRunGoesBackUntilItHelps() async throws {
      func spoil(_ checkpoint: inout Checkpoint) {
        for i in checkpoint.model.indices { checkpoint.model[i] = 1e30 }
      }
      let (run, outcome) = try await goOn("run", "rollback", steps: 40, spoil)
      #expect(outcome.status == 0, "\(outcome)")
      #expect(outcome.errors.contains("step 21 diverged (the loss is"), "\(outcome)")
      #expect(outcome.errors.contains("going back to \(run.checkpoint(20))"), "\(outcome)")
      #expect(outcome.errors.contains("going back to \(run.checkpoint(10))"), "\(outcome)")
      let rolled = try lines(run).filter { $0["rolled_back_to"] != nil }
      #expect(rolled.map { $0["step"] as? Int } == [21, 22])
      #expect(rolled.map { $0["rolled_back_to"] as? Int } == [20, 10])
      #expect(rolled.allSatisfy { $0["skipped"] as? Bool == true && $0["loss"] == nil })
      #expect(try lines(run).map { $0["step"] as? Int } == (1...40).map { $0 })
      let end = try Checkpoint.read(path: run.checkpoint(40))
      #expect(end.trainer["rollbacks"] == [20, 21, 10, 22] && end.trainer["skipped"] == [12])

      let (two, both) = try await goOn("two", "rollback", steps: 40, ranks: 2, spoil)
      #expect(both.status == 0, "\(both)")
      #expect(try two.digest(40) == run.digest(40))
      // Between the two times.
      let (parts, first) = try await goOn("parts", "rollback", steps: 21, spoil)
      #expect(first.status == 0, "\(first)")
      let rest = try await resume(parts, "rollback", steps: 40, ranks: 2)
      #expect(rest.status == 0, "\(rest)")
      #expect(try parts.digest(40) == run.digest(40))
    }

    /// The bound has a heavy tail: its largest losses are left out, the same ones on any ranks, and by a
    /// run that is resumed.
    @Test func stepsAreLeftOut() async throws {
      let settings = [
        "on_divergence=skip", "objective=bound", "batch=8", "checkpoint_every=37",
        "diffusion_steps=200", "average_lengths=[0.1]",
      ]
      func train(_ name: String, _ options: [String], ranks: Int? = nil) async throws -> SmallRun {
        let run = SmallRun(folder.file(name))
        let outcome = try await run.train(
          ["--workers", "1"] + options, settings: settings, ranks: ranks)
        try #require(outcome.status == 0, "\(outcome)")
        return run
      }
      let whole = try await train("whole", ["--steps", "150"])
      let left = try lines(whole).filter { $0["skipped"] as? Bool == true }
      #expect(left.count > 0)
      let end = try Checkpoint.read(path: whole.checkpoint(150))
      #expect(end.trainer["skipped"] == [Double(left.count)])
      let medians = try lines(whole).compactMap { $0["loss"] as? Double }.sorted()
      #expect(left.allSatisfy { ($0["loss"] as? Double) ?? .infinity > 3 * medians[75] })
      let two = try await train("two", ["--steps", "150"], ranks: 2)
      #expect(try two.digest(150) == whole.digest(150))
      let parts = try await train("parts", ["--steps", "61"])
      _ = try await train("parts", ["--steps", "150", "--resume"])
      #expect(try parts.digest(150) == whole.digest(150))
    }

    /// Going back does not help where the settings are wrong: after three times the run ends.
    @Test func goingBackEnds() async throws {
      let (run, outcome) = try await goOn("run", "rollback", steps: 200) { $0.trainer = Self.small }
      #expect(outcome.status == 70 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errors.contains("step 100 diverged: for 20 steps"), "\(outcome)")
      for (step, target, count) in [
        (40, run.checkpoint(20), 1), (60, run.checkpoint(10), 2), (80, "the beginning", 3),
      ] {
        #expect(outcome.errors.contains("step \(step) diverged (the loss"), "\(outcome)")
        #expect(outcome.errors.contains("going back to \(target), without"), "\(outcome)")
        #expect(outcome.errors.contains("(time \(count) of at most 3)"), "\(outcome)")
      }
      // The newest states are described, and no more.
      let names = try FileManager.default.contentsOfDirectory(atPath: run.path + "/diverged")
      #expect(
        names.sorted()
          == [59, 79, 99].flatMap { step in
            [String(format: "step-%08d.h5", step), String(format: "step-%08d.json", step + 1)]
          }.sorted())
    }
  }
}

/// Starts `ddpm-dist`; here the name `run` is that of a folder.
private func ddpmDist(_ words: [String]) async throws -> Outcome {
  try await run(.dist, words)
}
