// train --dry-run and check as users meet them.

import Foundation
import Storage
import TestSupport
import Testing

extension CommandTests {
  @Suite struct PreflightTests {
    private typealias Object = [String: Any]

    private func object(_ text: String) throws -> Object {
      try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? Object)
    }

    /// What `check` has found, by the names of the checks.
    private func findings(_ text: String) throws -> [String: Object] {
      let rows = try #require(try object(text)["rows"] as? [Object])
      return try Dictionary(
        uniqueKeysWithValues: rows.map {
          (try #require($0["check"] as? String), try #require($0["finding"] as? Object))
        })
    }

    private static func check(_ options: [String], _ settings: [String] = []) -> [String] {
      ["check", "--steps", "4"] + options + SmallRun.words(settings, beside: ["--steps"] + options)
    }

    // MARK: train --dry-run

    @Test(arguments: [nil, 2]) func aDryRunTellsAndWritesNothing(ranks: Int?) async throws {
      let folder = try TemporaryFolder()
      try folder.write(Array("batch: 64\nseed: 7\n".utf8), to: "a.yaml")
      let words =
        ["train", "--dry-run", "--json", "-", "--config", "a.yaml", "--run", "runs/new"]
        + ["--workers", "2"] + SmallRun.words(beside: ["--batch"])
      let before = try snapshot(folder.path)
      let outcome = try await run(.dist, words, ranks: ranks, in: folder.path)
      try #require(outcome.status == 0 && outcome.errorLines.isEmpty, "\(outcome)")
      #expect(try snapshot(folder.path) == before)
      let report = try object(outcome.output)
      let settings = try #require(report["settings"] as? [[String: String]])
      func setting(_ key: String) -> [String] {
        let found = settings.first { $0["key"] == key } ?? [:]
        return [found["value"] ?? "", found["origin"] ?? ""]
      }
      #expect(setting("channels") == ["8", "command line"])
      #expect(setting("workers") == ["2", "command line"])
      #expect(setting("batch") == ["64", "configuration"])
      #expect(setting("seed") == ["7", "configuration"])
      #expect(setting("learning_rate") == ["0.002", "default"])
      #expect(setting("shards") == ["8", "computed"] && setting("height") == ["8", "computed"])
      let dataset = try #require(report["dataset"] as? Object)
      #expect(dataset["images"] as? Int == 1797 && dataset["levels"] as? Int == 17)
      #expect((dataset["checksum"] as? String)?.count == 32)
      let division = try #require(report["division"] as? Object)
      #expect(division["fitting_ranks"] as? [Int] == [1, 2, 4, 8])
      #expect(division["ranks"] as? Int == ranks ?? 1 && division["workers"] as? Int == 2)
      let image = try #require(report["gigaflop_per_image"] as? Double)
      let step = try #require(report["gigaflop_per_step"] as? Double)
      #expect(image > 0 && abs(step / image - 64) < 1e-6)
      #expect(try #require(report["peak_bytes"] as? Int) > 10_000_000)
    }

    /// The arithmetic and the size of a checkpoint are those of a run.
    @Test func aDryRunIsTrue() async throws {
      let reference = try await SmallRun.reference.value
      let outcome = try await run(
        .dist,
        ["train", "--dry-run", "--json", "-", "--steps", "20", "--run", "/tmp/none"]
          + SmallRun.words(beside: ["--steps"]))
      let report = try object(outcome.output)
      let size = try [UInt8](contentsOf: reference.checkpoint(20)).count
      let predicted = try #require((report["disk"] as? Object)?["checkpoint_bytes"] as? Int)
      #expect(abs(Double(predicted) / Double(size) - 1) < 0.1, "\(predicted), \(size)")
      let line = try #require(try reference.metrics().last)
      let (speed, rate) = (
        try #require(line["gigaflops_per_second"]), try #require(line["images_per_second"])
      )
      let image = try #require(report["gigaflop_per_image"] as? Double)
      #expect(abs(speed / rate / image - 1) < 1e-6)
      let head = try Checkpoint.read(path: reference.checkpoint(20))
      #expect(report["parameters"] as? Int == head.model.count)
    }

    @Test func aDryRunOfARunThatGoesOn() async throws {
      let folder = try TemporaryFolder()
      let copy = try await SmallRun.reference.value.copy(to: folder.file("run"))
      let before = try snapshot(copy.path)
      let words = ["train", "--dry-run", "--run", copy.path, "--resume", "--steps", "30"]
      let outcome = try await run(.dist, words)
      #expect(outcome.status == 0, "\(outcome)")
      for part in [
        "from step 20", "21 to 30", "MEMORY of a rank", "FILES of the run", "configuration",
        "command line",
      ] {
        #expect(outcome.output.contains(part), "\(part) in \(outcome)")
      }
      #expect(try snapshot(copy.path) == before)
    }

    /// What train refuses, in the same words with the same code; but for a folder that root may write to by
    /// its rights, which only writing there disproves. What is refused is the same code: a part of the calls
    /// shows that it is asked.
    @Test(
      arguments: RefusalTests.cases.filter {
        $0.words.first == "train" && $0.ranks.contains(nil) && !$0.words.contains("/proc/out")
          && isTried($0.name, oneOf: 4)
      })
    func aDryRunRefusesAlike(_ bad: RefusalTests.Case) async throws {
      try await RefusalTests.gate.enter(1) {
        let folder = try TemporaryFolder()
        try await bad.prepare(folder)
        let before = try snapshot(folder.path)
        let words = bad.words.map { $0.replacing("@", with: folder.path + "/") }
        let outcome = try await run(
          .dist, [words[0], "--dry-run"] + words.dropFirst(), in: folder.path)
        #expect(outcome.status == bad.code && outcome.errorLines.count == 1, "\(outcome)")
        for part in bad.parts { #expect(outcome.errors.contains(part), "\(part) in \(outcome)") }
        #expect(try snapshot(folder.path) == before, "\(outcome)")
      }
    }

    @Test func aDryRunOfALockedRunIsRefused() async throws {
      let folder = try TemporaryFolder()
      let copy = try await SmallRun.reference.value.copy(to: folder.file("run"))
      let lock = try RunLock(
        folder: copy.path,
        holder: .current(host: "here", start: "2026-01-01T00:00:00Z", environment: [:]))
      let outcome = try await run(.dist, ["train", "--dry-run", "--run", copy.path, "--resume"])
      #expect(outcome.status == 73 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errors.contains("one job at a time"), "\(outcome)")
      #expect(FileManager.default.fileExists(atPath: lock.path))
    }

    // MARK: check

    @Test(arguments: [nil, 2]) func aRunThatCanWork(ranks: Int?) async throws {
      let folder = try TemporaryFolder()
      let words = Self.check(
        ["--run", "runs/new", "--json", "-", "--watts", "300", "--price", "2", "--nodes", "1,2,3"])
      let outcome = try await run(.dist, words, ranks: ranks, in: folder.path)
      try #require(outcome.status == 0 && outcome.errorLines.isEmpty, "\(outcome)")
      #expect(try folder.names().isEmpty)
      let (report, found) = (try object(outcome.output), try findings(outcome.output))
      let names = [
        "command", "cores", "data", "disk", "exchange", "folder", "libraries", "limits", "memory",
        "processors", "program", "run", "steps", "transport",
      ]
      #expect(found.keys.sorted() == names)
      for name in names where !["cores", "steps", "transport", "limits"].contains(name) {
        #expect(found[name]?["verdict"] as? String == "good", "\(name): \(found)")
      }
      let forecast = try #require(report["forecast"] as? Object)
      let (seconds, hours) = (
        try #require(forecast["seconds"] as? Double),
        try #require(forecast["node_hours"] as? Double)
      )
      #expect(seconds > 0 && abs(hours - seconds / 3600) < 1e-12)
      #expect(abs(try #require(forecast["kilowatt_hours"] as? Double) - 0.3 * hours) < 1e-12)
      #expect(abs(try #require(forecast["cost"] as? Double) - 2 * hours) < 1e-12)
      let nodes = try #require(report["nodes"] as? [Object])
      #expect(nodes.map { $0["nodes"] as? Int } == [1, 2, 3])
      #expect(nodes[0]["efficiency"] as? Double == 1)
      #expect((nodes[2]["refusal"] as? String)?.contains("ranks") == true)
    }

    /// The languages of users change no number.
    @Test func theTableIsTheSameInEveryLanguage() async throws {
      let folder = try TemporaryFolder()
      let outcome = try await run(
        .dist,
        Self.check(["--run", "new", "--nodes", "2", "--alpha", "5e-6", "--bandwidth", "100"]),
        environment: ["LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"], in: folder.path)
      #expect(outcome.status == 0, "\(outcome)")
      for part in [
        "CHECK", "VERDICT", "good", "s a step", "node-hours", "5 us a message (given), 94.1 Gbit/s",
      ] {
        #expect(outcome.output.contains(part), "\(part) in \(outcome)")
      }
      #expect(outcome.output.firstMatch(of: /\d,\d/) == nil, "\(outcome)")
      #expect(try folder.names().isEmpty)
    }

    @Test(arguments: [nil, 2]) func aRunThatWouldBeRefused(ranks: Int?) async throws {
      let folder = try TemporaryFolder()
      let outcome = try await run(
        .dist, Self.check(["--data", "none.h5", "--run", "new"]), ranks: ranks, in: folder.path)
      #expect(outcome.status == 66 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errors.contains("this run cannot work: run: "), "\(outcome)")
      #expect(outcome.output.contains("cannot work") && outcome.output.contains("cores"))
      #expect(try folder.names().isEmpty)
    }

    @Test func ranksThatWereToldOtherwise() async throws {
      let start = [Program.dist.path] + Self.check(["--run", "/tmp/none"])
      let other = start.map { $0 == "4" ? "5" : $0 }
      let outcome = try await run(
        ["mpirun", "-n", "1"] + start + [":", "-n", "1"] + other)
      #expect(outcome.status == 64 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errors.contains("command: other words than the first rank's: rank 1 on"))
    }

    /// A program with a byte more.
    @Test func ranksOfAnotherProgram() async throws {
      let folder = try TemporaryFolder()
      try FileManager.default.copyItem(atPath: Program.dist.path, toPath: folder.file("other"))
      let file = try #require(FileHandle(forWritingAtPath: folder.file("other")))
      try file.seekToEnd()
      try file.write(contentsOf: [0])
      try file.close()
      let words = Self.check(["--run", folder.file("new")])
      let outcome = try await run(
        ["mpirun", "-n", "1", Program.dist.path] + words
          + [":", "-n", "1", folder.file("other")] + words)
      #expect(outcome.status == 69 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errors.contains("program: another file than the first rank's: rank 1 on"))
      #expect(try folder.names() == ["other"])
    }

    @Test func moreWorkersThanCores() async throws {
      let folder = try TemporaryFolder()
      let words = Self.check(["--run", "new", "--workers", "64", "--json", "-"])
      let outcome = try await run(.dist, words, in: folder.path)
      #expect(outcome.status == 0, "\(outcome)")
      let cores = try #require(try findings(outcome.output)["cores"])
      #expect(cores["verdict"] as? String == "warning", "\(cores)")
      #expect((cores["measured"] as? String)?.contains("with 64 workers on") == true, "\(cores)")
    }

    /// The library of MPI makes files of some megabytes; a checkpoint of the digits has eleven.
    @Test func filesThatMayNotGrow() async throws {
      let folder = try TemporaryFolder()
      let words = "check --run '\(folder.file("new"))' --workers 1"
      let outcome = try await run([
        "sh", "-c", "ulimit -f 16384; exec '\(Program.dist.path)' \(words)",
      ])
      #expect(outcome.status == 69 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errors.contains("limits: rank 0 on"), "\(outcome)")
    }

    /// 144 million weights under a limit of 900 MB: training ends with a line, and what only looks ahead
    /// does not try them.
    @Test func memoryThatIsMissing() async throws {
      let folder = try TemporaryFolder()
      func limited(_ command: String) async throws -> Outcome {
        try await run([
          "sh", "-c",
          "ulimit -v 900000; exec '\(Program.dist.path)' \(command) --run '\(folder.file("new"))' "
            + "--batch 8 --workers 1 --set shards=1 channels=256 'multipliers=[1,4]' sample_every=0",
        ])
      }
      let trained = try await limited("train")
      #expect(trained.status == 71 && trained.errorLines.count == 1, "\(trained)")
      #expect(trained.errors.contains("needs 576 MB more"), "\(trained)")
      let checked = try await limited("check")
      #expect(checked.status == 69 && checked.errorLines.count == 1, "\(checked)")
      #expect(checked.errors.contains("limits: rank 0 on"), "\(checked)")
      let planned = try await limited("train --dry-run")
      #expect(planned.status == 0, "\(planned)")
      #expect(planned.output.contains("not known: this machine has not the memory"), "\(planned)")
      #expect(planned.output.contains("both without activations; this machine has"), "\(planned)")
    }

    @Test(
      .enabled(
        if: FullDiskTests.canMount,
        "Only root may mount the small file system that this test fills."))
    func aDiskThatIsTooSmall() async throws {
      let disk = try #require(try SmallDisk(kilobytes: 1000))
      let words = Self.check(["--run", "\(disk.path)/run"])
      let outcome = try await run(.dist, words)
      #expect(outcome.status == 69 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errors.contains("disk: "), "\(outcome)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path).isEmpty)
    }
  }
}
