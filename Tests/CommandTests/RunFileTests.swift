// One job in a run's folder, its history, and what a resumed run takes over or refuses.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

extension CommandTests {
  @Suite struct RunFileTests {
    let folder = try! TemporaryFolder()

    private func copy() async throws -> SmallRun {
      try await SmallRun.reference.value.copy(to: folder.file("run"))
    }

    private func history(_ run: SmallRun) throws -> [[String: Any]] {
      try String(contentsOfFile: "\(run.path)/history.jsonl", encoding: .utf8)
        .split(separator: "\n").map {
          try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
    }

    // MARK: The lock

    /// A second job is refused while the first one works; when that was killed, it is not.
    @Test(arguments: [nil, 2]) func oneJobHasTheFolder(ranks: Int?) async throws {
      let run = SmallRun(folder.file("run"))
      let refused = Collected<Outcome>()
      let killed = try await run.train(
        ["--steps", "100000"], settings: ["checkpoint_every=5"], ranks: ranks
      ) { process in
        while (try? run.checkpointNames().isEmpty) ?? true {
          try? await Task.sleep(for: .milliseconds(20))
        }
        for words in [["--resume"], []] {
          if let outcome = try? await run.train(words + ["--steps", "7"]) {
            refused.append(outcome)
          }
        }
        for child in descendants(of: process).reversed() { kill(child, SIGKILL) }
      }
      #expect(killed.status != 0)
      let holder = try #require(
        LockHolder(text: try String(contentsOfFile: "\(run.path)/lock", encoding: .utf8)))
      #expect(refused.values.count == 2)
      for outcome in refused.values {
        #expect(outcome.status == 73 && outcome.errorLines.count == 1, "\(outcome)")
        #expect(outcome.errors.contains("is held by \(holder)"), "\(outcome)")
      }
      let steps = try run.metrics().map { $0["step"]! }
      #expect(steps == (0..<steps.count).map { Double($0 + 1) })

      let last = try #require(try CheckpointFolder(path: "\(run.path)/checkpoints").steps().last)
      let resumed = try await run.train(["--resume", "--steps", "\(last + 2)"])
      #expect(resumed.status == 0, "\(resumed)")
      #expect(resumed.errors.contains("taken over from \(holder), which is gone"), "\(resumed)")
      #expect(!FileManager.default.fileExists(atPath: "\(run.path)/lock"))
      #expect(try history(run).count == 2)
    }

    /// The holder is on another machine, and Slurm, here a script, knows what became of its job.
    @Test(arguments: [
      ("echo RUNNING", false), ("echo COMPLETING", false), ("true", true), ("echo NODE_FAIL", true),
      ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", true),
      ("echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1", false),
      ("test $3 = --jobs=12 || echo RUNNING", true),
    ]) func slurmKnowsWhatHasEnded(answer: String, isGone: Bool) async throws {
      let run = try await copy()
      let holder = LockHolder(
        host: "node-of-nowhere", process: 4711, start: "2026-01-01T00:00:00Z", kernelStart: "1",
        boot: "another", job: "slurm 12", restart: "0")
      try Data(holder.text.utf8).write(to: URL(fileURLWithPath: "\(run.path)/lock"))
      try Data("#!/bin/sh\n\(answer)\n".utf8)
        .write(to: URL(fileURLWithPath: folder.file("squeue")))
      #expect(chmod(folder.file("squeue"), 0o755) == 0)
      let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
      let outcome = try await CommandTests.goOn(
        run, ["--steps", "20"], environment: ["PATH": "\(folder.path):\(path)"])
      #expect(outcome.status == (isGone ? 0 : 73), "\(outcome)")
      #expect(outcome.errors.contains("taken over from \(holder)") == isGone, "\(outcome)")
    }

    // MARK: What a start changes

    @Test func changedSettingsAreTold() async throws {
      let run = try await copy()
      let outcome = try await run.train(
        ["--resume", "--steps", "22", "--workers", "1"], settings: ["learning_rate=0.001"])
      try #require(outcome.status == 0, "\(outcome)")
      for line in [
        "steps is 22 now; at the last start it was 20.",
        "learning_rate is 0.001 now; at the last start it was 0.002.",
      ] {
        #expect(outcome.errors.contains(line), "\(outcome)")
      }
      let lines = try history(run)
      try #require(lines.count == 2)
      #expect(lines[0]["step"] as? Int == 0 && lines[1]["step"] as? Int == 20)
      #expect((lines[0]["changed"] as? [String: [String]])?.isEmpty == true)
      let changed = try #require(lines[1]["changed"] as? [String: [String]])
      #expect(changed["steps"] == ["20", "22"] && changed["learning_rate"] == ["0.002", "0.001"])
      #expect(changed.count == 2, "\(changed)")
      #expect(lines[1]["ranks"] as? Int == 1 && lines[1]["workers"] as? Int == 1)
      #expect((lines[1]["hosts"] as? [String])?.count == 1)
      // A start that changes nothing says nothing.
      let again = try await run.train(
        ["--resume", "--steps", "22", "--workers", "1"], settings: ["learning_rate=0.001"])
      #expect(!again.errors.contains("at the last start"), "\(again)")
    }

    /// A run of a program that kept no history: its checkpoint and its config.yaml tell.
    @Test func anOlderRunIsComparedToo() async throws {
      let run = try await copy()
      try FileManager.default.removeItem(atPath: "\(run.path)/history.jsonl")
      let outcome = try await run.train(["--resume", "--steps", "21", "--workers", "2"])
      #expect(
        outcome.errors.contains("steps is 21 now; at the last start it was 20."), "\(outcome)")
      #expect(
        outcome.errors.contains("workers is 2 now; at the last start it was 1."), "\(outcome)")
      #expect(try history(run).map { ($0["changed"] as? [String: Any])?.count } == [2])
    }

    // MARK: Files that are missing, empty or foreign

    @Test(arguments: ["missing", "empty"]) func theConfigurationIsInTheCheckpoint(
      _ state: String
    ) async throws {
      let run = try await copy()
      let path = "\(run.path)/config.yaml"
      try FileManager.default.removeItem(atPath: path)
      if state == "empty" { try Data().write(to: URL(fileURLWithPath: path)) }
      let outcome = try await CommandTests.goOn(run, ["--steps", "21"])
      #expect(outcome.status == 0, "\(outcome)")
      #expect(try run.checkpointNames() == ["step-00000020.h5", "step-00000021.h5"])
      let text = try String(contentsOfFile: path, encoding: .utf8)
      #expect(text.contains("channels: 8\n") && text.contains("batch: 32\n"))
    }

    /// The log of a run that has lost its checkpoints is not overwritten.
    @Test func theLogIsSetAside() async throws {
      let run = try await copy()
      let before = try [UInt8](contentsOf: "\(run.path)/metrics.jsonl")
      try FileManager.default.removeItem(atPath: "\(run.path)/checkpoints")
      let outcome = try await CommandTests.goOn(run, ["--steps", "3"])
      #expect(outcome.status == 0, "\(outcome)")
      #expect(outcome.errors.contains("metrics.1.jsonl now."), "\(outcome)")
      #expect(try [UInt8](contentsOf: "\(run.path)/metrics.1.jsonl") == before)
      #expect(try run.metrics().count == 3)
    }

    /// Newer files that cannot be used are named, passed over, and push nothing out.
    @Test(arguments: [nil, 2]) func theContentDecides(ranks: Int?) async throws {
      let run = SmallRun(folder.file("run"))
      let settings = ["checkpoint_every=2", "keep_checkpoints=2"]
      let first = try await run.train(["--steps", "6", "--workers", "1"], settings: settings)
      try #require(first.status == 0, "\(first)")
      let digest = try run.digest(6)
      try FileManager.default.copyItem(atPath: run.checkpoint(4), toPath: run.checkpoint(900))
      try FileManager.default.createDirectory(
        atPath: run.checkpoint(800), withIntermediateDirectories: false)
      try FileManager.default.copyItem(atPath: run.checkpoint(4), toPath: run.checkpoint(700))
      let stranger = "\(run.path)/checkpoints/mine.h5"
      try FileManager.default.copyItem(atPath: run.checkpoint(4), toPath: stranger)
      try run.forge(700) {
        ($0.progress.step, $0.progress.imagesSeen) = (700, 700 * 32)
        $0.configuration = $0.configuration.replacing("blocks: 1", with: "blocks: 2")
      }
      try run.forge(6) { $0.progress.imagesSeen += 32 }
      let outcome = try await run.train(
        ["--resume", "--steps", "6", "--workers", "1"], settings: settings, ranks: ranks)
      #expect(outcome.status == 0 && outcome.errorLines.isEmpty, "\(outcome)")
      for step in [6, 700, 800, 900] {
        #expect(outcome.errors.contains("skipped \(run.checkpoint(step))"), "\(outcome)")
      }
      #expect(outcome.errors.contains("\(stranger) has no name of a checkpoint"), "\(outcome)")
      try FileManager.default.removeItem(atPath: stranger)
      #expect(outcome.errors.contains("steps 5 to 6"), "\(outcome)")
      #expect(try run.digest(6) == digest)
      #expect(
        try run.checkpointNames()
          == [4, 6, 700, 800, 900].map { String(run.checkpoint($0).suffix(16)) })
    }

    // MARK: The images

    /// A file without a checksum: the run computes one, and knows the images again.
    @Test func otherImagesAreRefused() async throws {
      func write(_ name: String, _ last: UInt8) throws -> String {
        let path = folder.file(name)
        let file = try File.create(path)
        let root = try file.root()
        let pixels = (0..<40 * 64).map { UInt8($0 * 7 % 17) }.dropLast() + [last]
        try root.write("images", Array(pixels), shape: [40, 8, 8, 1])
        let images = try root.dataset("images")
        try images.setAttribute("levels", 17)
        try images.setAttribute("layout", "NHWC")
        try images.close()
        try root.close()
        try file.close()
        return path
      }
      let run = SmallRun(folder.file("run"))
      let (own, other) = (try write("a.h5", 1), try write("b.h5", 2))
      let first = try await run.train(["--steps", "2", "--data", own])
      try #require(first.status == 0, "\(first)")
      let hash = try ImageDataset(path: own).verify()
      #expect(try Checkpoint.read(path: run.checkpoint(2)).provenance["dataset_hash"] == hash)
      let refused = try await run.train(["--resume", "--steps", "3", "--data", other])
      #expect(refused.status == 65 && refused.errorLines.count == 1, "\(refused)")
      #expect(refused.errors.contains("was \(hash)"), "\(refused)")
      let same = try await run.train(["--resume", "--steps", "3", "--data", own])
      #expect(same.status == 0, "\(same)")
      let accepted = try await run.train(
        ["--resume", "--steps", "4", "--data", other, "--accept-other-data"], ranks: 2)
      #expect(accepted.status == 0, "\(accepted)")
      #expect(accepted.errors.contains("The images are not those of the checkpoint"), "\(accepted)")
      let lines = try history(run)
      #expect(lines.count == 3 && lines.last?["images"] as? String != hash)
      #expect((lines.last?["changed"] as? [String: [String]])?["data"] == [own, other])
    }
  }

  /// Resumes a run with nothing but its folder to tell the settings.
  static func goOn(
    _ small: SmallRun, _ words: [String], environment: [String: String] = [:]
  ) async throws -> Outcome {
    try await run(
      .dist, ["train", "--run", small.path, "--resume"] + words, environment: environment)
  }
}
