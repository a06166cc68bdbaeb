// A run's folder: resuming, refusing, skipping what is damaged, and what the files say.

import Foundation
import Storage
import TestSupport
import Testing

extension CommandTests {
  @Suite struct RunFolderTests {
    let folder = try! TemporaryFolder()

    private func copy() async throws -> SmallRun {
      try await SmallRun.reference.value.copy(to: folder.file("run"))
    }

    @Test(arguments: [nil, 2]) func aSecondRunInTheSameFolderIsRefused(ranks: Int?) async throws {
      let run = try await copy()
      let before = try snapshot(run.path)
      let outcome = try await run.train(["--steps", "5"], ranks: ranks)
      #expect(outcome.status == 73 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errors.contains("--resume"), "\(outcome)")
      #expect(try snapshot(run.path) == before)
    }

    @Test func aFinishedRunSaysSo() async throws {
      let run = try await copy()
      let before = try snapshot(run.path)
      let outcome = try await run.train(["--resume", "--steps", "20", "--workers", "1"])
      #expect(outcome.status == 0 && outcome.errors.contains("at step 20 already"), "\(outcome)")
      #expect(try snapshot(run.path) == before)
    }

    @Test(arguments: ["no folder", "no checkpoint", "no folder of checkpoints"])
    func resumingNothingBeginsAtTheFirstStep(_ state: String) async throws {
      let reference = try await SmallRun.reference.value
      let run = SmallRun(folder.file("run"))
      if state != "no folder" {
        _ = try await copy()
        try FileManager.default.removeItem(
          atPath: state == "no checkpoint" ? run.checkpoint(20) : "\(run.path)/checkpoints")
      }
      let outcome = try await run.train(["--resume", "--steps", "20", "--workers", "1"])
      try #require(outcome.status == 0, "\(outcome)")
      #expect(outcome.errors.contains("starting at step 0"), "\(outcome)")
      #expect(try run.digest() == reference.digest())
      #expect(try run.metrics().map { $0["step"] } == (1...20).map { Double($0) })
    }

    @Test func damagedCheckpointsArePassedOver() async throws {
      let run = SmallRun(folder.file("run"))
      let settings = ["checkpoint_every=5", "keep_checkpoints=2"]
      let first = try await run.train(["--steps", "20", "--workers", "1"], settings: settings)
      try #require(first.status == 0, "\(first)")
      #expect(try run.checkpointNames() == ["step-00000015.h5", "step-00000020.h5"])
      let (newest, older) = (try run.digest(20), try run.digest(15))
      for ruin in [run.damage, run.truncate] {
        try ruin(20)
        let outcome = try await run.train(["--resume", "--workers", "1"], settings: settings)
        #expect(outcome.status == 0 && outcome.errorLines.isEmpty, "\(outcome)")
        #expect(outcome.errors.contains("warning"), "\(outcome)")
        #expect(outcome.errors.contains("skipped \(run.checkpoint(20))"), "\(outcome)")
        #expect(outcome.errors.contains("steps 16 to 20"), "\(outcome)")
        #expect(try run.digest(20) == newest && run.digest(15) == older)
        #expect(try run.metrics().map { $0["step"] } == (1...20).map { Double($0) })
      }
      // Where none is left, the run must not begin anew over its own remains.
      try run.damage(15)
      try run.truncate(20)
      let before = try snapshot(run.path)
      let outcome = try await run.train(["--resume", "--workers", "1"], settings: settings)
      #expect(outcome.status == 65 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(try snapshot(run.path) == before)
    }

    @Test func checkpointsWithoutARunAreNotReplaced() async throws {
      let run = try await copy()
      for path in ["config.yaml", "metrics.jsonl"] {
        try FileManager.default.removeItem(atPath: "\(run.path)/\(path)")
      }
      let before = try snapshot(run.path)
      let outcome = try await run.train(["--steps", "5"])
      #expect(outcome.status == 73 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(try snapshot(run.path) == before)
    }

    @Test func aRunThatIsDoneKeepsItsSettings() async throws {
      let run = try await copy()
      let before = try snapshot(run.path)
      let outcome = try await run.train(
        ["--resume", "--steps", "3"], settings: ["objective=bound"])
      #expect(outcome.status == 0 && outcome.errors.contains("at step 20 already"), "\(outcome)")
      #expect(try snapshot(run.path) == before)
    }

    @Test(arguments: [nil, 2]) func aStateOfAnotherModelIsRefused(ranks: Int?) async throws {
      let forged = try await copy()
      try forged.forge(20) { $0.state = ["history": [1, 2]] }
      let before = try snapshot(forged.path)
      for outcome in [
        try await forged.train(["--resume", "--steps", "25"], ranks: ranks),
        try await run(
          .sample, ["--ckpt", forged.path, "--out", folder.file("a.png")], ranks: ranks),
      ] {
        #expect(outcome.status == 65 && outcome.errorLines.count == 1, "\(outcome)")
        #expect(outcome.errors.contains("/state/history is nothing that"), "\(outcome)")
      }
      #expect(try snapshot(forged.path) == before)
    }

    @Test func theResolvedConfigurationMakesTheSameRun() async throws {
      let reference = try await SmallRun.reference.value
      let again = SmallRun(folder.file("again"))
      let outcome = try await run(
        .dist,
        [
          "train", "--config", "\(reference.path)/config.yaml", "--run", again.path,
        ])
      try #require(outcome.status == 0, "\(outcome)")
      #expect(try again.digest() == reference.digest())
      #expect(
        try [UInt8](contentsOf: "\(again.path)/config.yaml")
          == [UInt8](contentsOf: "\(reference.path)/config.yaml"))
    }

    @Test func resumingNeedsNoMoreThanTheName() async throws {
      var words = ["train", "--set"] + SmallRun.settings + ["name=small", "steps=2"]
      let first = try await run(.dist, words, in: folder.path)
      try #require(first.status == 0, "\(first)")
      words = ["train", "--resume", "--set", "name=small", "steps=4"]
      let second = try await run(.dist, words, in: folder.path)
      try #require(second.status == 0, "\(second)")
      let small = SmallRun(folder.file("runs/small"))
      #expect(try small.checkpointNames() == ["step-00000002.h5", "step-00000004.h5"])
    }

    @Test func metricsAndSamplesAreWhatTheSettingsAskFor() async throws {
      let run = SmallRun(folder.file("run"))
      let outcome = try await run.train(
        ["--steps", "4"], settings: ["sample_every=3", "sample_count=5", "sample_last=true"],
        ranks: 2)
      try #require(outcome.status == 0, "\(outcome)")
      let lines = try run.metrics()
      #expect(lines.map { $0["images"] } == [32, 64, 96, 128])
      #expect(lines.allSatisfy { $0["seconds"]! > 0 && $0["images_per_second"]! > 0 })
      #expect(lines.map { $0["learning_rate"] } == [0.001, 0.002, 0.002, 0.002])
      let grids = try FileManager.default.contentsOfDirectory(atPath: "\(run.path)/samples")
      #expect(grids.sorted() == ["step-00000003.png", "step-00000004.png", "trajectory.png"])
      for grid in grids { _ = try Picture(png: "\(run.path)/samples/\(grid)") }
    }

    /// An hour of drawing is not what the end of a run should bring unasked.
    @Test func gridsAreDrawnOnlyWhenTheyAreDue() async throws {
      let run = SmallRun(folder.file("run"))
      let outcome = try await run.train(
        ["--steps", "4"], settings: ["sample_every=3", "sample_count=5"])
      try #require(outcome.status == 0, "\(outcome)")
      let grids = try FileManager.default.contentsOfDirectory(atPath: "\(run.path)/samples")
      #expect(grids.sorted() == ["step-00000003.png", "trajectory.png"])
    }

    /// The time of a run is that of all its processes.
    @Test func secondsGoOnAfterAResume() async throws {
      let run = SmallRun(folder.file("run"))
      _ = try await run.train(["--steps", "3", "--workers", "1"])
      let outcome = try await run.train(["--resume", "--steps", "5", "--workers", "1"])
      try #require(outcome.status == 0, "\(outcome)")
      let seconds = try run.metrics().map { $0["seconds"]! }
      #expect(seconds.count == 5 && seconds == seconds.sorted() && Set(seconds).count == 5)
    }

    /// The loss of the bound is in bits, and a run says so.
    @Test func aLossHasItsUnit() async throws {
      let run = SmallRun(folder.file("run"))
      let outcome = try await run.train(["--steps", "2"], settings: ["objective=bound"])
      #expect(outcome.errors.contains(" bits/dim  gradient "), "\(outcome)")
      let line = try #require(try run.metrics().last)
      let terms = ["prior", "diffusion", "reconstruction"].map { line["terms.\($0)"]! }
      #expect(abs(terms.reduce(0, +) - line["loss"]!) < 1e-9 * line["loss"]!)
    }
  }
}
