// Validation as a user sees it: a curve, the best checkpoint, an early stop.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

extension CommandTests {
  @Suite struct ValidationTests {
    let folder = try! TemporaryFolder()

    private static let settings = [
      "validation=0.2", "validation_every=4", "checkpoint_every=4", "keep_checkpoints=2",
      "validation_images=21", "average_decay=0.9",
    ]

    private func losses(_ run: SmallRun) throws -> [Int: Double] {
      Dictionary(
        uniqueKeysWithValues: try run.metrics().compactMap { line in
          line["validation"].map { (Int(line["step"]!), $0) }
        })
    }

    /// One process, several ranks, and a run that was stopped: the same numbers and bytes.
    @Test func theCurveIsTheSameOnAnyRanksAndAfterResuming() async throws {
      var curves: [[Int: Double]] = []
      var digests: [String] = []
      for (name, ranks, stops) in [
        ("one", nil, [20]), ("two", 2, [20]), ("four", 4, [20]), ("stopped", 2, [8, 20]),
      ] as [(String, Int?, [Int])] {
        let run = SmallRun(folder.file(name))
        for (stop, steps) in stops.enumerated() {
          let outcome = try await run.train(
            ["--steps", "\(steps)"] + (stop > 0 ? ["--resume"] : []), settings: Self.settings,
            ranks: ranks)
          try #require(outcome.status == 0, "\(outcome)")
          #expect(outcome.errors.contains("1438 images of 8×8×1"), "\(outcome)")
          #expect(outcome.errors.contains("validation: 21 of 359 images"), "\(outcome)")
          #expect(outcome.errors.contains(" at step \(steps)"), "\(outcome)")
        }
        curves.append(try losses(run))
        digests.append(try run.digest(20))
      }
      #expect(curves[0].keys.sorted() == [4, 8, 12, 16, 20])
      #expect(curves.allSatisfy { $0 == curves[0] })
      #expect(Set(digests).count == 1)
      // The network learns the digits that it does not see.
      #expect(curves[0][20]! < 0.8 * curves[0][4]!)
      let run = SmallRun(folder.file("one"))
      let line = try #require(try run.metrics().last)
      #expect(line["validation_terms.simple"] == line["validation"])
      let checkpoint = try Checkpoint.read(path: run.checkpoint(20))
      let history = try #require(checkpoint.validation)
      #expect(history.steps == [4, 8, 12, 16, 20])
      // Reading a number of JSON may err in the last place.
      #expect(
        zip(history.steps, history.losses).allSatisfy { abs(curves[0][$0]! / $1 - 1) < 1e-14 })
    }

    /// A network that learns nothing: the first checkpoint is the best, stays, and ends the run.
    @Test func theBestStaysAndPatienceEnds() async throws {
      let run = SmallRun(folder.file("run"))
      let settings = Self.settings + ["learning_rate=0.5", "warmup_steps=0", "patience=4"]
      let outcome = try await run.train(["--steps", "400"], settings: settings, ranks: 2)
      try #require(outcome.status == 0, "\(outcome)")
      let found = try losses(run)
      let best = try #require(found.min { $0.value < $1.value }?.key)
      let end = try #require(found.keys.max())
      #expect(end < 400 && end == best + 16, "\(outcome)")
      #expect(outcome.errors.contains("has stopped at step \(end)"), "\(outcome)")
      let names = [best, end - 4, end].map { CheckpointFolder(path: "").path(step: $0).dropFirst() }
      #expect(try run.checkpointNames() == ["best"] + names.map(String.init))
      #expect(
        try FileManager.default.destinationOfSymbolicLink(atPath: "\(run.path)/checkpoints/best")
          == names[0])

      // It says so again, and changes nothing.
      let before = try snapshot(run.path)
      for words in [["--resume"], ["--resume", "--steps", "500"]] {
        let again = try await run.train(words, settings: settings)
        #expect(again.status == 0, "\(again)")
        #expect(again.errors.contains("Raise patience to go on"), "\(again)")
        #expect(try snapshot(run.path) == before)
      }
      // A copy goes on from where it is; what was the best still is, or a better one.
      let copy = try run.copy(to: folder.file("copy"))
      let more = try await copy.train(
        ["--resume", "--steps", "\(end + 12)"],
        settings: settings.dropLast() + ["patience=100"])
      try #require(more.status == 0, "\(more)")
      let all = try losses(copy)
      let now = try #require(all.min { $0.value < $1.value }?.key)
      #expect(all.count == found.count + 3 && all.filter { $0.key <= end } == found)
      let kept = CheckpointFolder(path: "\(copy.path)/checkpoints")
      #expect(try kept.bestStep == now)
      #expect(try kept.steps().contains(now) && kept.steps().count <= 3)

      // The link is a checkpoint like any.
      let sampled = try await CommandTests.sampled(
        "\(copy.path)/checkpoints/best", folder.file("a.h5"))
      let same = try await CommandTests.sampled(kept.path(step: now), folder.file("b.h5"))
      #expect(sampled == same)
    }

    /// Validation ends where a user ends it; the images that were held out still are.
    @Test func aRunGoesOnWithoutValidation() async throws {
      let run = SmallRun(folder.file("run"))
      _ = try await run.train(["--steps", "4"], settings: Self.settings)
      let outcome = try await run.train(
        ["--resume", "--steps", "8"],
        settings: ["validation=none"] + Self.settings.dropFirst())
      #expect(outcome.status == 0, "\(outcome)")
      #expect(outcome.errors.contains("The last 359 images are held out"), "\(outcome)")
      #expect(try losses(run).keys.sorted() == [4])
      // The checkpoints are those of a run that is validated, but for what that found.
      #expect(try Checkpoint.read(path: run.checkpoint(8)).validation?.steps == [4])
      #expect(try CheckpointFolder(path: "\(run.path)/checkpoints").bestStep == 4)
    }

    /// A moving average that no arithmetic holds: the run stops, and keeps its checkpoint.
    @Test(arguments: [nil, 2]) func aDivergedAverageStopsTheRun(ranks: Int?) async throws {
      let run = SmallRun(folder.file("run"))
      let first = try await run.train(["--steps", "4"], settings: Self.settings)
      try #require(first.status == 0, "\(first)")
      try run.forge(4) { for i in $0.ema.indices { $0.ema[i] = 1e30 } }
      let outcome = try await run.train(
        ["--resume", "--steps", "8"], settings: Self.settings, ranks: ranks)
      #expect(outcome.status == 70 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errors.contains("step 8 diverged: the loss of validation"), "\(outcome)")
      #expect(try run.checkpointNames() == ["best", "step-00000004.h5"])
    }

    /// A file of images, named from one folder and resumed from another; then other images.
    @Test func aFileIsFoundFromAnotherFolder() async throws {
      for count in [24, 30] {
        let writer = try ImageDatasetWriter(
          output: folder.file("\(count).h5"), shape: ImageShape(height: 8, width: 8, channels: 1),
          format: .levels(17), name: "x")
        try writer.append(
          images: (0..<count * 64).map { UInt8(($0 * $0 / 7) % 17) })
        _ = try writer.finish()
      }
      let small = SmallRun(folder.file("run"))
      let settings = ["validation_every=2", "checkpoint_every=2", "validation_images=100"]
      let first = try await run(
        .dist,
        ["train", "--run", small.path, "--steps", "2"]
          + SmallRun.words(["validation=24.h5:/"] + settings, beside: ["--steps"]),
        in: folder.path)
      try #require(first.status == 0, "\(first)")
      #expect(first.errors.contains("1797 images of"), "\(first)")
      #expect(first.errors.contains("validation: 24 images of \(folder.path)/24.h5"), "\(first)")
      let second = try await run(
        .dist, ["train", "--run", small.path, "--resume", "--steps", "4"])
      try #require(second.status == 0, "\(second)")
      #expect(try Checkpoint.read(path: small.checkpoint(4)).validation?.steps == [2, 4])
      // Losses of other images are not compared.
      let third = try await run(
        .dist,
        [
          "train", "--run", small.path, "--resume", "--steps", "6", "--set",
          "validation=\(folder.file("30.h5"))",
        ])
      try #require(third.status == 0, "\(third)")
      #expect(third.errors.contains("is looked for anew"), "\(third)")
      #expect(third.errors.contains("validation: 30 images of"), "\(third)")
      #expect(try Checkpoint.read(path: small.checkpoint(6)).validation?.steps == [6])
    }
  }

  /// The bytes of a few images.
  static func sampled(_ checkpoint: String, _ out: String) async throws -> [UInt8] {
    let outcome = try await run(
      .sample, ["--ckpt", checkpoint, "--count", "2", "--steps", "3", "--out", out])
    try #require(outcome.status == 0, "\(outcome)")
    return try File.open(out).root().dataset("samples").values(as: UInt8.self)
  }
}
