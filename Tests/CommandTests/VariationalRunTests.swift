// A variational diffusion model from training to images: the same bytes on any ranks, and what is refused.

import Foundation
import Storage
import TestSupport
import Testing

extension CommandTests {
  @Suite struct VariationalRunTests {
    private static let settings = [
      "model=vdm", "batch=128", "validation=0.2", "validation_every=0",
    ]

    /// A run of eight steps whose interior is learned.
    private static let trained = Task {
      let folder = try TemporaryFolder()
      let small = SmallRun(folder.file("run"))
      let outcome = try await small.train(
        ["--steps", "8", "--workers", "1"], settings: settings + ["checkpoint_every=4"])
      try #require(outcome.status == 0, "\(outcome)")
      return (folder, small)
    }

    let folder = try! TemporaryFolder()

    /// Steps on other ranks, and after an end, give the same checkpoint.
    @Test(arguments: [2, 8])
    func ranksAndEndsDoNotShow(ranks: Int) async throws {
      let (_, small) = try await Self.trained.value
      let run = SmallRun(folder.file("run"))
      for steps in ["4", "8"] {
        let outcome = try await run.train(
          ["--steps", steps] + (steps == "8" ? ["--resume"] : []),
          settings: Self.settings + ["checkpoint_every=4"], ranks: ranks)
        #expect(outcome.status == 0, "\(outcome)")
      }
      #expect(try run.digest(8) == small.digest(8))
      let checkpoint = try Checkpoint.read(path: run.checkpoint(8))
      #expect(checkpoint.facts?.name == "vdm")
      #expect(checkpoint.state["gamma_visits"]?.allSatisfy { $0 >= 10 } == true)
      let last = try run.metrics().last
      #expect(last?["terms.reconstruction"] != nil && last?["terms.prior"] != nil)
    }

    @Test func theReductionOfTheLibraryWorks() async throws {
      let run = SmallRun(folder.file("run"))
      let outcome = try await run.train(
        ["--steps", "3"], settings: Self.settings + ["reduction=allreduce"], ranks: 2)
      #expect(outcome.status == 0, "\(outcome)")
    }

    @Test(arguments: [[], ["--steps", "7", "--draws", "3"]])
    func theBoundIsTheSameOnAnyRanks(options: [String]) async throws {
      let (_, small) = try await Self.trained.value
      var files: [Data] = []
      for ranks in [nil, 2] as [Int?] {
        let path = folder.file("\(ranks ?? 1).h5")
        let outcome = try await run(
          .dist,
          ["evaluate", "--ckpt", small.path, "--part", "validation", "--count", "19"]
            + ["--output", path] + options, ranks: ranks)
        #expect(outcome.status == 0, "\(outcome)")
        #expect(outcome.output.contains("continuous time"))
        #expect(outcome.output.contains("7 steps") == !options.isEmpty)
        #expect(outcome.output.contains("reconstruction") && outcome.output.contains("prior"))
        files.append(try Data(contentsOf: URL(fileURLWithPath: path)))
      }
      #expect(files[0] == files[1])
    }

    @Test func imagesAreDrawn() async throws {
      let (_, small) = try await Self.trained.value
      let from = ["--from", "digits", "--count", "3"]
      for (name, options) in [
        ("a", ["--count", "3", "--steps", "5"]), ("b", ["--count", "3", "--sampler", "heun"]),
        ("c", from + ["--noise-level", "500", "--steps", "5"]),
        ("d", ["--encode", "digits", "--count", "3", "--steps", "5"]),
      ] {
        var files: [Data] = []
        for ranks in [nil, 2] as [Int?] {
          let path = folder.file("\(name)\(ranks ?? 1).h5")
          let outcome = try await run(
            .sample, ["--ckpt", small.path, "--out", path] + options, ranks: ranks)
          #expect(outcome.status == 0, "\(outcome)")
          files.append(try Data(contentsOf: URL(fileURLWithPath: path)))
        }
        #expect(files[0] == files[1], "\(name)")
      }
    }

    /// One line, and the code of a wrong call.
    @Test(arguments: [
      (["evaluate", "--method", "neighbours"], "choose bound or flow"),
      (["evaluate", "--variance", "learned"], "no use for --variance"),
      (["estimate-variance", "--output", "@x.h5"], "a model of this family cannot"),
      (["sample", "--sampler", "analytic-ddim", "--out", "@x.h5"], "is not estimated for models"),
      (
        ["sample", "--noise-level", "1002", "--from", "digits", "--out", "@x.h5"], "from 1 to 1001"
      ),
    ])
    func whatCannotBeMadeIsRefused(words: [String], part: String) async throws {
      let (_, small) = try await Self.trained.value
      let isSample = words[0] == "sample"
      let rest = words.dropFirst().map { $0.replacing("@", with: folder.path + "/") }
      let outcome = try await run(
        isSample ? .sample : .dist,
        (isSample ? [] : [words[0]]) + ["--ckpt", small.path] + rest)
      #expect(outcome.status == 64 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errors.contains(part), "\(outcome)")
    }

    /// Continuous images say what they need, and can then be trained on.
    @Test func continuousImagesAreTrainedOn() async throws {
      let data = folder.file("g.h5")
      let made = try await run(
        .dist, ["dataset", "make", "gaussian", "--size", "4", "--count", "200", "--output", data])
      #expect(made.status == 0, "\(made)")
      let small = SmallRun(folder.file("run"))
      let common = ["model=vdm", "multipliers=[1]", "attention=[]"]
      for (settings, part) in [
        ([], "fourier_features"), (["fourier_features=false"], "gamma_min"),
      ] as [([String], String)] {
        let outcome = try await small.train(
          ["--steps", "2", "--data", data], settings: common + settings)
        #expect(outcome.status == 64 && outcome.errorLines.count == 1, "\(outcome)")
        #expect(outcome.errors.contains(part), "\(outcome)")
      }
      let outcome = try await small.train(
        ["--steps", "2", "--data", data],
        settings: common + ["fourier_features=false", "gamma_min=-13.3"])
      #expect(outcome.status == 0, "\(outcome)")
      let evaluated = try await run(
        .dist,
        ["evaluate", "--ckpt", small.path, "--data", data, "--count", "9", "--draws", "2"])
      #expect(evaluated.status == 0 && evaluated.output.contains("truth"), "\(evaluated)")
    }
  }
}
