// Power averages of a run: kept, resumed, sampled from, and combined by ddpm-dist average.

import Foundation
import HDF5
import Storage
import TestSupport
import Testing

extension CommandTests {
  @Suite struct AverageTests {
    private static let settings = [
      "average_lengths=[0.05, 0.1]", "average_every=2", "checkpoint_every=6", "weight_decay=0.01",
      "learning_rate_schedule=cosine",
    ]

    /// A run of twelve steps that keeps its averages.
    private static let averaged = Task {
      let folder = try TemporaryFolder()
      let run = SmallRun(folder.file("run"))
      let outcome = try await run.train(["--steps", "12", "--workers", "1"], settings: settings)
      try #require(outcome.status == 0, "\(outcome)")
      return (folder, run)
    }

    let folder = try! TemporaryFolder()

    private func copy() async throws -> SmallRun {
      try await Self.averaged.value.1.copy(to: folder.file("run"))
    }

    private func snapshots(_ run: SmallRun) throws -> [String: [UInt8]] {
      try snapshot("\(run.path)/averages")
    }

    private func samples(_ checkpoint: String, _ options: [String] = []) async throws -> [UInt8] {
      let path = folder.file("\(UUID().uuidString).h5")
      let outcome = try await run(
        .sample, ["--ckpt", checkpoint, "--count", "8", "--out", path] + options)
      try #require(outcome.status == 0, "\(outcome)")
      return try File.open(path).root().dataset("samples").values(as: UInt8.self)
    }

    /// Two ranks, stopped after seven steps; a snapshot of a later step is left of another try.
    @Test func snapshotsAreTheSameOnAnyRanksAndAfterResuming() async throws {
      let reference = try await Self.averaged.value.1
      let run = SmallRun(folder.file("again"))
      let first = try await run.train(
        ["--steps", "7"], settings: Self.settings + ["learning_rate_steps=12"], ranks: 2)
      try #require(first.status == 0, "\(first)")
      let averages = CheckpointFolder(path: "\(run.path)/averages")
      #expect(try averages.steps() == [2, 4, 6])
      try folder.write([1], to: "again/averages/step-00000009.h5")
      let second = try await run.train(
        ["--resume", "--steps", "12"], settings: Self.settings, ranks: 4)
      try #require(second.status == 0, "\(second)")
      #expect(try averages.steps() == [2, 4, 6, 8, 10, 12])
      #expect(try snapshots(run) == snapshots(reference))
      #expect(try run.digest(12) == reference.digest(12))
      let checkpoint = try Checkpoint.read(path: run.checkpoint(12))
      #expect(
        try AverageSnapshot.read(path: averages.path(step: 12)).averages == checkpoint.averages)
      #expect(checkpoint.configuration.contains("learning_rate_steps: 12"))
    }

    @Test func aCosineRunIsNotProlonged() async throws {
      let run = try await copy()
      let before = try snapshot(run.path)
      for ranks in [nil, 2] {
        let refused = try await CommandTests.resume(run, ["--steps", "13"], ranks)
        #expect(refused.status == 64 && refused.errorLines.count == 1, "\(refused)")
        #expect(refused.errors.contains("the cosine schedule ends at step 12"), "\(refused)")
      }
      let added = try await CommandTests.resume(
        run, ["--set", "average_lengths=[0.05, 0.1, 0.2]", "learning_rate_schedule=constant"])
      #expect(added.status == 64 && added.errorLines.count == 1, "\(added)")
      #expect(added.errors.contains("the average 0.2 cannot begin at step 12"), "\(added)")
      #expect(try snapshot(run.path) == before)
      // Another schedule has no end, and a length may be dropped.
      let other = try await CommandTests.resume(
        run,
        ["--steps", "13", "--set", "learning_rate_schedule=inverse_sqrt", "average_lengths=[0.1]"])
      #expect(other.status == 0, "\(other)")
      #expect(try Checkpoint.read(path: run.checkpoint(13)).averages.keys.sorted() == [0.1])
    }

    /// The network's output with some weights of a run.
    private func prediction(_ checkpoint: String, _ weights: String) async throws -> [Float] {
      let (input, output) = (folder.file("x.h5"), folder.file("\(weights).h5"))
      let file = try File.create(input)
      let root = try file.root()
      try root.write("x_t", (0..<64).map { Float($0 % 7) / 3 - 1 }, shape: [1, 8, 8, 1])
      try root.write("t", [Int64(9)])
      try root.close()
      try file.close()
      let outcome = try await run(
        .dist,
        [
          "predict", "--ckpt", checkpoint, "--weights", weights, "--input", input, "--output",
          output,
        ])
      try #require(outcome.status == 0, "\(outcome)")
      return try File.open(output).root().dataset("prediction").values(as: Float.self)
    }

    @Test func averagesArePredictedAndSampledWith() async throws {
      let run = try await Self.averaged.value.1
      var all: Set<[Float]> = []
      for weights in ["average", "model", "average_0.05", "average_0.1"] {
        all.insert(try await prediction(run.path, weights))
      }
      #expect(all.count == 4)
      let out = folder.file("samples.h5")
      let drawn = try await CommandTests.sample(run, "average_0.1", folder, 2, ["--out", out])
      #expect(drawn.status == 0, "\(drawn)")
      #expect(try File.open(out).root().string("weights") == "average_0.1")
      for ranks in [nil, 2] {
        let missing = try await CommandTests.sample(run, "average_0.07", folder, ranks)
        #expect(missing.status == 65 && missing.errorLines.count == 1, "\(missing)")
        #expect(
          missing.errors.contains(
            "has no weights average_0.07; choose of average, model, average_0.05, average_0.1"),
          "\(missing)")
      }
      let unknown = try await CommandTests.sample(run, "average_7", folder, nil)
      #expect(unknown.status == 64 && unknown.errors.contains("average_7"), "\(unknown)")
      #expect(try folder.names().filter { !$0.hasSuffix(".h5") } == [])
    }

    @Test(arguments: [nil, 2]) func anotherLengthIsMade(ranks: Int?) async throws {
      let run = try await copy()
      let before = try snapshot(run.path)
      func average(_ length: Double, _ name: String, _ more: [String] = []) async throws -> Outcome
      {
        try await CommandTests.average(run, length, folder.file(name), more, ranks)
      }
      let made = try await average(0.08, "a.h5")
      try #require(made.status == 0, "\(made)")
      #expect(made.output.contains("12 averages") && made.output.contains("residual"), "\(made)")
      let (stored, new) = (
        try Checkpoint.read(path: run.checkpoint(12)),
        try Checkpoint.read(path: folder.file("a.h5"))
      )
      #expect(new.provenance["average"]?.contains("length 0.08 at step 12") == true)
      var rest = new
      (rest.ema, rest.provenance) = (stored.ema, stored.provenance)
      #expect(rest == stored && new.ema != stored.ema)
      #expect(try await samples(folder.file("a.h5")) != samples(run.path))

      // One that was kept is itself, up to rounding.
      let known = try await average(0.05, "b.h5", ["--step", "11"])
      try #require(known.status == 0, "\(known)")
      let ten = try AverageSnapshot.read(
        path: CheckpointFolder(path: "\(run.path)/averages").path(step: 10))
      let found = try Checkpoint.read(path: folder.file("b.h5"))
      #expect(found.progress.step == 6)
      #expect(zip(found.ema, ten.averages[0.05]!).allSatisfy { abs($0 - $1) < 1e-4 })

      for target in [folder.file("a.h5"), run.checkpoint(6)] {
        let refused = try await CommandTests.average(run, 0.08, target, [], ranks)
        #expect(refused.status == 73 && refused.errorLines.count == 1, "\(refused)")
        #expect(
          refused.errors.contains("is a checkpoint already and is not replaced"), "\(refused)")
      }
      #expect(try snapshot(run.path) == before)
    }
  }

  /// Goes on with a run as it was begun.
  fileprivate static func resume(
    _ small: SmallRun, _ words: [String], _ ranks: Int? = nil
  ) async throws -> Outcome {
    try await run(.dist, ["train", "--run", small.path, "--resume"] + words, ranks: ranks)
  }

  fileprivate static func sample(
    _ small: SmallRun, _ weights: String, _ folder: TemporaryFolder, _ ranks: Int?,
    _ more: [String] = []
  ) async throws -> Outcome {
    try await run(
      .sample, ["--ckpt", small.path, "--count", "8", "--weights", weights] + more,
      ranks: ranks, in: folder.path)
  }

  fileprivate static func average(
    _ small: SmallRun, _ length: Double, _ output: String, _ more: [String], _ ranks: Int?
  ) async throws -> Outcome {
    try await run(
      .dist,
      ["average", "--run", small.path, "--length", "\(length)", "--output", output] + more,
      ranks: ranks)
  }
}
