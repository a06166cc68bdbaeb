// What a run leaves beside its log, and the commands that read it.

import Foundation
import Storage
import TestSupport
import Testing

extension CommandTests {
  @Suite struct RunRecordTests {
    private let folder = try! TemporaryFolder()

    private func status(_ run: SmallRun) throws -> [String: Any] {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(run.path)/status.json"))
      return try #require(try JSONSerialization.jsonObject(with: bytes) as? [String: Any])
    }

    private func eventFiles(_ run: SmallRun) throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: run.path)
        .filter { $0.hasSuffix(".ddpm-dist") }
    }

    /// Everything is there after the end, follows from the log, and is there once after a resumed one too.
    @Test(arguments: [nil, 2])
    func recordsFollowTheLog(_ ranks: Int?) async throws {
      let run = SmallRun(folder.file("run"))
      let first = try await run.train(["--steps", "3", "--workers", "1"], ranks: ranks)
      try #require(first.status == 0, "\(first)")
      #expect(try status(run)["state"] as? String == "finished")
      #expect(try status(run)["step"] as? Int == 3)
      let before = try eventFiles(run)
      #expect(before.count == 1)
      try FileManager.default.moveItem(
        atPath: "\(run.path)/\(before[0])",
        toPath: "\(run.path)/events.out.tfevents.0000000001.old.1.ddpm-dist")
      try Data().write(to: URL(fileURLWithPath: "\(run.path)/events.out.tfevents.foreign"))
      let second = try await run.train(
        ["--resume", "--steps", "5", "--workers", "1"], ranks: ranks)
      try #require(second.status == 0, "\(second)")
      let after = try eventFiles(run)
      #expect(after.count == 1 && !after[0].contains("old"))
      let names = try FileManager.default.contentsOfDirectory(atPath: run.path)
      #expect(names.contains("events.out.tfevents.foreign") && names.contains("data.png"))
      let table = try String(contentsOfFile: "\(run.path)/metrics.csv", encoding: .utf8)
      #expect(
        table.split(separator: "\n").dropFirst().map { $0.prefix(2) } == (1...5).map { "\($0)," })
      #expect(try status(run)["steps"] as? Int == 5)
      let page = try String(contentsOfFile: "\(run.path)/report.html", encoding: .utf8)
      #expect(page.contains("5 of 5") && page.contains("finished"))
      #expect(!page.contains("http-equiv=\"refresh\""))
    }

    /// The norms of tensors, on request: they are parts of the whole norm, and the time of the slowest rank.
    @Test func normsOfTensorsAndTimesAreTold() async throws {
      let small = SmallRun(folder.file("run"))
      let outcome = try await small.train(
        ["--steps", "4", "--workers", "1"], settings: ["gradient_norms_every=2"], ranks: 2)
      try #require(outcome.status == 0, "\(outcome)")
      let lines = try small.metrics()
      for (index, line) in lines.enumerated() {
        let norms = line.filter { $0.key.hasPrefix("gradient_norms.") }.map(\.value)
        #expect(norms.isEmpty == (index % 2 == 0))
        let (whole, parts) = (
          line["gradient_norm"]!, norms.map { $0 * $0 }.reduce(0, +).squareRoot()
        )
        if !norms.isEmpty { #expect(abs(parts / whole - 1) < 1e-9) }
        #expect(line["gigaflops_per_second"]! > 0 && line["slowest.compute_seconds"]! > 0)
        #expect(0...1 ~= line["slowest.rank"]!)
      }
    }

    /// A process that was killed between its last checkpoint and its last status: the next start says it.
    @Test func aRunThatIsDoneSaysSo() async throws {
      let small = SmallRun(folder.file("run"))
      let outcome = try await small.train(["--steps", "2", "--workers", "1"])
      try #require(outcome.status == 0, "\(outcome)")
      let path = "\(small.path)/status.json"
      let text = try String(contentsOfFile: path, encoding: .utf8)
      try AtomicFile.write(text.replacing("\"finished\"", with: "\"running\""), to: path)
      #expect(try status(small)["state"] as? String == "running")
      let again = try await small.train(["--steps", "2", "--resume"])
      #expect(again.status == 0, "\(again)")
      #expect(try status(small)["state"] as? String == "finished")
      #expect(try status(small)["step"] as? Int == 2)
      let before = try snapshot(small.path)
      _ = try await small.train(["--steps", "2", "--resume"])
      #expect(try snapshot(small.path) == before, "a run that says so already stays as it is")
    }

    /// An autoencoder has nothing to draw grids from, whatever the settings say of them.
    @Test func anAutoencoderDrawsNoGrids() async throws {
      let small = SmallRun(folder.file("run"))
      let outcome = try await small.train(
        ["--steps", "4", "--workers", "1"],
        settings: ["model=autoencoder", "latents=[4]", "decoder=normal", "sample_every=2"])
      #expect(outcome.status == 0 && outcome.errors.contains("draws no grids"), "\(outcome)")
    }

    /// A run that is asked to stop, and one that cannot go on, say so.
    @Test func endsAreTold() async throws {
      let small = SmallRun(folder.file("run"))
      let stopped = try await small.train(["--steps", "100000", "--time-limit", "0:01"])
      try #require(stopped.status == 75, "\(stopped)")
      #expect(try status(small)["state"] as? String == "stopped")
      #expect((try status(small)["reason"] as? String)?.contains("--resume") == true)
      let diverged = try await SmallRun.reference.value.copy(to: folder.file("diverged"))
      var checkpoint = try Checkpoint.read(path: diverged.checkpoint(20))
      for i in checkpoint.model.indices { checkpoint.model[i] = 1e30 }
      try checkpoint.write(to: diverged.checkpoint(20))
      let outcome = try await diverged.train(["--resume", "--steps", "50"])
      try #require(outcome.status == 70, "\(outcome)")
      #expect(try status(diverged)["state"] as? String == "failed")
      let watch = try await run(.dist, ["watch", small.path, diverged.path])
      #expect(
        watch.status == 0 && watch.output.contains("stopped") && watch.output.contains("failed"))
    }

    /// Files of these names that are not ours stay, and training goes on.
    @Test func strangersStay() async throws {
      let run = SmallRun(folder.file("run"))
      try FileManager.default.createDirectory(atPath: run.path, withIntermediateDirectories: true)
      for name in ["report.html", "status.json", "metrics.csv"] {
        try Data("mine".utf8).write(to: URL(fileURLWithPath: "\(run.path)/\(name)"))
      }
      let outcome = try await run.train(["--steps", "2", "--workers", "1"])
      #expect(outcome.status == 0, "\(outcome)")
      for name in ["report.html", "status.json", "metrics.csv"] {
        #expect(try String(contentsOfFile: "\(run.path)/\(name)", encoding: .utf8) == "mine")
        #expect(outcome.errors.contains("\(run.path)/\(name)"), "\(outcome.errors)")
      }
    }

    @Test func commandsReadRuns() async throws {
      let reference = try await SmallRun.reference.value
      let one = try reference.copy(to: folder.file("one"))
      let two = SmallRun(folder.file("two"))
      let trained = try await two.train(["--steps", "2", "--workers", "1", "--seed", "7"])
      try #require(trained.status == 0, "\(trained)")
      let list = try await run(.dist, ["runs", "ls", folder.path])
      #expect(list.status == 0 && list.output.split(separator: "\n").count == 3, "\(list)")
      let comparison = try await run(.dist, ["runs", "compare", one.path, two.path])
      #expect(
        comparison.output.contains("seed") && comparison.output.contains("7"), "\(comparison)")
      let page = try await run(
        .dist, ["report", one.path, two.path, "--output", folder.file("p.html")])
      #expect(page.status == 0 && page.output == "\(folder.file("p.html"))\n", "\(page)")
      // A page that is not ours is not replaced in the run's own folder either; watch leaves nothing.
      try Data("mine".utf8).write(to: URL(fileURLWithPath: "\(one.path)/report.html"))
      #expect(try await run(.dist, ["report", one.path]).status == 73)
      let before = try snapshot(one.path)
      #expect(try await run(.dist, ["watch", one.path]).status == 0)
      #expect(try snapshot(one.path) == before)
      for words in [["watch"], ["report"], ["runs", "compare"]] {
        let refused = try await run(
          .dist, words + [folder.file("no")] + (words.count > 1 ? [one.path] : []))
        #expect(refused.status == 66 && refused.errorLines.count == 1, "\(refused)")
      }
      #expect(try await run(.dist, ["runs", "ls", folder.file("no")]).status == 66)
    }
  }
}
