// Equal runs give equal checkpoints: on any ranks and workers, stopped, killed, resumed.

import Foundation
import Storage
import TestSupport
import Testing

extension CommandTests {
  @Suite struct EqualCheckpointTests {
    @Test(arguments: [(nil, 2), (1, 1), (2, 1), (2, 2), (4, 1), (8, 1)])
    func ranksAndWorkersDoNotShow(ranks: Int?, workers: Int) async throws {
      let reference = try await SmallRun.reference.value
      let folder = try TemporaryFolder()
      let run = SmallRun(folder.file("run"))
      let outcome = try await run.train(
        ["--steps", "20", "--workers", "\(workers)"], ranks: ranks)
      try #require(outcome.status == 0, "\(outcome)")
      #expect(try run.digest() == reference.digest())
      // All that is no time: the loss by timestep too.
      func isTime(_ name: String) -> Bool {
        name.hasSuffix("seconds") || name.hasSuffix("per_second") || name == "slowest.rank"
          || name.hasPrefix("rank_seconds")
      }
      let (actual, expected) = (try run.metrics(), try reference.metrics())
      #expect(actual.count == expected.count)
      for (line, other) in zip(actual, expected) {
        #expect(line.count { !$0.key.hasPrefix("rank_seconds") } == 30)
        #expect(line.count { $0.key.hasPrefix("rank_seconds") } == (ranks ?? 1 > 1 ? ranks : 0))
        #expect(line.filter { !isTime($0.key) } == other.filter { !isTime($0.key) })
      }
    }

    /// With classes, of which some are dropped, and a run that is stopped and goes on elsewhere.
    @Test func classesOnRanksDoNotShow() async throws {
      let folder = try TemporaryFolder()
      let settings = ["condition=class", "label_drop=0.3"]
      var (digests, images): (Set<String>, Set<[UInt8]>) = ([], [])
      for ranks in [nil, 2, 4] {
        let small = SmallRun(folder.file("run\(ranks ?? 1)"))
        let first = try await small.train(
          ["--steps", "\(ranks == 2 ? 3 : 8)", "--workers", "1"], settings: settings, ranks: ranks)
        try #require(first.status == 0, "\(first)")
        if ranks == 2 {
          let second = try await small.train(["--resume", "--steps", "8", "--workers", "2"])
          try #require(second.status == 0, "\(second)")
        }
        digests.insert(try small.digest(8))
        let samples = try await run(
          .sample,
          ["--ckpt", small.path, "--class", "all", "--guidance", "2", "--count", "20"]
            + ["--out", "a.npz"],
          ranks: ranks, in: small.path)
        try #require(samples.status == 0, "\(samples)")
        images.insert(try [UInt8](contentsOf: "\(small.path)/a.npz"))
      }
      #expect(digests.count == 1 && images.count == 1)
    }

    /// The same with captions, of which each visit chooses one.
    @Test func captionsOnRanksDoNotShow() async throws {
      let folder = try TemporaryFolder()
      let scenes = folder.file("scenes.h5")
      let made = try await run(
        .dist, ["dataset", "make", "digit-scenes", "--count", "64", "--output", scenes])
      try #require(made.status == 0, "\(made)")
      let settings = [
        "condition=text", "caption_drop=0.3", "merges=20", "channels=16", "multipliers=[1, 1]",
        "attention=[8]", "text_width=32", "text_layers=1",
      ]
      var (digests, images): (Set<String>, Set<[UInt8]>) = ([], [])
      for ranks in [nil, 2, 4] {
        let small = SmallRun(folder.file("run\(ranks ?? 1)"))
        let first = try await small.train(
          ["--data", scenes, "--steps", "\(ranks == 2 ? 1 : 3)", "--workers", "1"],
          settings: settings, ranks: ranks)
        try #require(first.status == 0, "\(first)")
        if ranks == 2 {
          let second = try await small.train(
            ["--resume", "--steps", "3", "--workers", "2"], settings: settings)
          try #require(second.status == 0, "\(second)")
        }
        digests.insert(try small.digest(3))
        if ranks == nil {
          // The same pictures, told in other words.
          let chinese = try await run(
            .dist,
            ["dataset", "make", "digit-scenes", "--count", "64", "--language", "chinese"]
              + ["--output", folder.file("chinese.h5")])
          try #require(chinese.status == 0, "\(chinese)")
          let other = try await small.train(
            ["--resume", "--data", folder.file("chinese.h5"), "--steps", "4"], settings: settings)
          #expect(other.status == 65 && other.errors.contains("says other things"), "\(other)")
        }
        let samples = try await run(
          .sample,
          [
            "--ckpt", small.path, "--prompt", "two sevens side by side", "--prompt",
            "a nine over a one",
          ]
            + ["--guidance", "2", "--count", "10", "--out", "a.npz", "a.png", "a.h5"],
          ranks: ranks, in: small.path)
        try #require(samples.status == 0, "\(samples)")
        images.insert(try [UInt8](contentsOf: "\(small.path)/a.npz"))
      }
      #expect(digests.count == 1 && images.count == 1)
    }

    /// Less memory has the bits of more: with dropout, classes and attention, and in a run that goes on
    /// with the other.
    @Test func memoryDoesNotShow() async throws {
      let folder = try TemporaryFolder()
      let settings = ["dropout=0.2", "condition=class", "blocks=2", "attention=[8, 4]"]
      var digests: Set<String> = []
      for (name, first, second, ranks, workers) in [
        ("normal", "normal", nil, nil, 1), ("less", "less", nil, nil, 3),
        ("ranks", "less", nil, 2, 2), ("resumed", "less", "normal", nil, 1),
      ] as [(String, String, String?, Int?, Int)] {
        let small = SmallRun(folder.file(name))
        let begun = try await small.train(
          ["--steps", second == nil ? "6" : "3", "--workers", "\(workers)"],
          settings: settings + ["memory=\(first)"], ranks: ranks)
        try #require(begun.status == 0, "\(begun)")
        if let second {
          let outcome = try await small.train(
            ["--resume", "--steps", "6"], settings: ["memory=\(second)"], ranks: 2)
          try #require(outcome.status == 0, "\(outcome)")
        }
        digests.insert(try small.digest(6))
      }
      #expect(digests.count == 1)
    }

    /// Rounded products too: on any ranks and workers, from less memory, and in a run that goes on; and
    /// they are others than products that are not rounded.
    @Test func roundedProductsAreTheSameEverywhere() async throws {
      let folder = try TemporaryFolder()
      let settings = ["blocks=2", "attention=[8, 4]", "channels=32"]
      var digests: [String: Set<String>] = [:]
      for (name, precision, memory, ranks, workers) in [
        ("one", "bfloat16", "normal", nil, 1), ("workers", "bfloat16", "normal", nil, 3),
        ("less", "bfloat16", "less", nil, 2), ("ranks", "bfloat16", "normal", 4, 2),
        ("resumed", "bfloat16", "normal", 2, 1), ("float32", "float32", "normal", nil, 1),
      ] as [(String, String, String, Int?, Int)] {
        let small = SmallRun(folder.file(name))
        let all = settings + ["precision=\(precision)", "memory=\(memory)"]
        let stops = name == "resumed"
        let begun = try await small.train(
          ["--steps", stops ? "3" : "6", "--workers", "\(workers)"], settings: all, ranks: ranks)
        try #require(begun.status == 0, "\(begun)")
        if stops {
          let outcome = try await small.train(["--resume", "--steps", "6"], settings: all)
          try #require(outcome.status == 0, "\(outcome)")
        }
        digests[precision, default: []].insert(try small.digest(6))
      }
      // A run that goes on in the other precision: another one, and the same on any ranks.
      for ranks in [nil, 2] {
        let small = SmallRun(folder.file("other \(ranks ?? 0)"))
        for (steps, precision) in [("3", "float32"), ("6", "bfloat16")] {
          let outcome = try await small.train(
            ["--resume", "--steps", steps], settings: settings + ["precision=\(precision)"],
            ranks: ranks)
          try #require(outcome.status == 0, "\(outcome)")
        }
        digests["both", default: []].insert(try small.digest(6))
      }
      let (rounded, exact, both) = (digests["bfloat16"]!, digests["float32"]!, digests["both"]!)
      #expect(rounded.count == 1 && both.count == 1)
      #expect(exact.union(rounded).union(both).count == 3)
    }

    @Test func everyByteOutsideProvenanceIsEqual() async throws {
      let folder = try TemporaryFolder()
      var files: [[UInt8]] = []
      var provenance: [[String: String]] = []
      for ranks in [2, 4] {
        let run = SmallRun(folder.file("run\(ranks)"))
        let outcome = try await run.train(["--steps", "2", "--workers", "1"], ranks: ranks)
        try #require(outcome.status == 0, "\(outcome)")
        // Without the checksum at the end.
        files.append(Array(try [UInt8](contentsOf: run.checkpoint(2)).dropLast(16)))
        provenance.append(try Checkpoint.read(path: run.checkpoint(2)).provenance)
      }
      try #require(files[0].count == files[1].count)
      // The texts have equal lengths, so each of their differences is one byte of the file.
      let texts = provenance[0].values.reduce(0) { $0 + $1.utf8.count }
      #expect(texts == provenance[1].values.reduce(0) { $0 + $1.utf8.count })
      let differences = provenance[0].reduce(0) { sum, entry in
        sum + zip(entry.value.utf8, provenance[1][entry.key]!.utf8).count { $0 != $1 }
      }
      #expect(differences > 0)
      #expect(zip(files[0], files[1]).count { $0 != $1 } == differences)
    }

    @Test func aRunStoppedOnFourRanksGoesOnOnTwo() async throws {
      let reference = try await SmallRun.reference.value
      let folder = try TemporaryFolder()
      let run = SmallRun(folder.file("run"))
      let first = try await run.train(["--steps", "10", "--workers", "1"], ranks: 4)
      try #require(first.status == 0, "\(first)")
      let second = try await run.train(["--resume", "--steps", "20", "--workers", "1"], ranks: 2)
      try #require(second.status == 0, "\(second)")
      #expect(second.errors.contains("steps 11 to 20"), "\(second)")
      #expect(try run.digest() == reference.digest())
      #expect(try run.metrics().map { $0["step"] } == (1...20).map { Double($0) })
    }

    @Test func aKilledRunGoesOn() async throws {
      let folder = try TemporaryFolder()
      let run = SmallRun(folder.file("run"))
      let settings = ["checkpoint_every=5", "keep_checkpoints=20"]
      let steps = 60
      let killed = try await run.train(
        ["--steps", "\(steps)", "--workers", "1"], settings: settings, ranks: 2
      ) { launcher in
        let first = run.checkpoint(5)
        while !FileManager.default.fileExists(atPath: first), kill(launcher, 0) == 0 {
          try? await Task.sleep(for: .milliseconds(2))
        }
        for process in descendants(of: launcher) { kill(process, SIGKILL) }
      }
      #expect(killed.status == -SIGKILL, "\(killed)")
      let written = try run.checkpointNames()
      #expect(!written.isEmpty && !written.contains("step-00000060.h5"), "\(written)")
      // What a writer leaves that is killed in the middle of a checkpoint.
      let stale = run.checkpoint(5) + ".12345-1.tmp"
      try Data([1, 2, 3]).write(to: URL(fileURLWithPath: stale))

      let resumed = try await run.train(["--resume", "--workers", "2"])
      try #require(resumed.status == 0, "\(resumed)")
      #expect(!FileManager.default.fileExists(atPath: stale))
      let whole = SmallRun(folder.file("whole"))
      let outcome = try await whole.train(
        ["--steps", "\(steps)", "--workers", "2"], settings: settings)
      try #require(outcome.status == 0, "\(outcome)")
      #expect(try run.digest(steps) == whole.digest(steps))
      #expect(try run.checkpointNames() == whole.checkpointNames())
      #expect(try run.metrics().map { $0["step"] } == (1...steps).map { Double($0) })
      #expect(try run.metrics().map { $0["loss"] } == whole.metrics().map { $0["loss"] })
    }

    /// What comes after the last checkpoint is no part of it: a kill in between is made up for.
    @Test func aRunThatWasKilledAtItsEndIsFinished() async throws {
      let folder = try TemporaryFolder()
      let run = SmallRun(folder.file("run"))
      let settings = [
        "checkpoint_every=2", "keep_checkpoints=2", "sample_every=4", "sample_count=1",
        "validation=0.2", "validation_every=2", "validation_images=8",
      ]
      let first = try await run.train(["--steps", "8", "--workers", "1"], settings: settings)
      try #require(first.status == 0, "\(first)")
      let whole = try snapshot(run.path)
      let (grid, best) = ("\(run.path)/samples/step-00000008.png", "\(run.path)/checkpoints/best")
      let target = try FileManager.default.destinationOfSymbolicLink(atPath: best)
      try FileManager.default.removeItem(atPath: grid)
      try Data([1]).write(to: URL(fileURLWithPath: grid + ".12345-1.tmp"))
      try FileManager.default.removeItem(atPath: best)
      try FileManager.default.copyItem(atPath: run.checkpoint(6), toPath: run.checkpoint(1))
      try run.forge(1) { ($0.progress.step, $0.validation, $0.history) = (1, nil, nil) }

      let again = try await run.train(["--resume", "--workers", "1"], settings: settings)
      #expect(again.status == 0 && again.errors.contains("is at step 8 already"), "\(again)")
      #expect(try FileManager.default.destinationOfSymbolicLink(atPath: best) == target)
      #expect(try snapshot(run.path) == whole)
    }
  }
}
