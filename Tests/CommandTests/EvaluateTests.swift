// ddpm-dist evaluate and estimate-variance: numbers, files, ranks, an end that loses nothing.

import Foundation
import HDF5
import Storage
import TestSupport
import Testing

extension CommandTests {
  @Suite struct EvaluateTests {
    private static let settings = ["validation=0.2", "validation_every=0"]

    /// A run that has held out the last 359 digits, and a copy of its checkpoint with Γ.
    private static let trained = Task {
      let folder = try TemporaryFolder()
      let small = SmallRun(folder.file("run"))
      let outcome = try await small.train(["--steps", "12"], settings: settings)
      try #require(outcome.status == 0, "\(outcome)")
      let path = folder.file("analytic.h5")
      let estimated = try await run(
        .dist,
        ["estimate-variance", "--ckpt", small.path, "--part", "train", "--count", "24"]
          + ["--output", path])
      try #require(estimated.status == 0 && estimated.output == path + "\n", "\(estimated)")
      return (folder, small, path)
    }

    let folder = try! TemporaryFolder()

    private func evaluate(
      _ checkpoint: String, _ options: [String], output: String? = nil, ranks: Int? = nil
    ) async throws -> Outcome {
      let written = output.map { ["--output", $0] } ?? []
      return try await run(
        .dist, ["evaluate", "--ckpt", checkpoint] + options + written, ranks: ranks)
    }

    private struct Report: Decodable {
      struct Estimate: Decodable {
        struct Term: Decodable {
          let name: String
          let mean, error: Double
        }
        let name: String
        let total, error: Double
        let terms: [Term]
      }
      let images: Int
      let unit: String
      let truth: Double?
      let estimates: [Estimate]

      init(_ path: String) throws {
        self = try JSONDecoder().decode(
          Report.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
      }
    }

    @Test func everyTermOfEveryVariance() async throws {
      let (_, _, checkpoint) = try await Self.trained.value
      let outputs = ["r.json", "r.csv", "r.h5", "r.svg"].map(folder.file)
      let outcome = try await run(
        .dist,
        ["evaluate", "--ckpt", checkpoint, "--part", "validation", "--count", "20", "--output"]
          + outputs)
      #expect(outcome.status == 0, "\(outcome)")
      #expect(outcome.output.contains("fixed_small") && outcome.output.contains("analytic"))
      #expect(outcome.output.hasSuffix(outputs.map { $0 + "\n" }.joined()))
      let report = try Report(outputs[0])
      #expect(report.images == 20 && report.unit == "bits/dim" && report.truth == nil)
      #expect(report.estimates.map(\.name) == ["fixed_small", "fixed_large", "analytic"])
      for estimate in report.estimates {
        #expect(estimate.terms.map(\.name) == (0...20).map { "L_\($0)" })
        let sum = estimate.terms.reduce(0) { $0 + $1.mean }
        #expect(abs(sum - estimate.total) < 1e-9 * sum && estimate.error > 0)
      }
      // One network was asked once: what does not depend on the variance is the same.
      let totals = report.estimates.map(\.total)
      #expect(Set(totals).count == 3)
      #expect(Set(report.estimates.map { $0.terms[20].mean }).count == 1)

      let file = try File.open(outputs[2]).root()
      #expect(try file.string("format") == "ddpm-evaluation" && file.integer("images") == 20)
      let costs = try file.dataset("estimates/analytic/totals").values(as: Double.self)
      let bits = costs.reduce(0, +) / 20 / (64 * log(2))
      #expect(costs.count == 20 && abs(bits - totals[2]) < 1e-9)
      let table = try String(contentsOfFile: outputs[1], encoding: .utf8).split(separator: "\n")
      #expect(table.count == 1 + 3 * 22 && table.last?.hasPrefix("analytic,total,") == true)
      #expect(try String(contentsOfFile: outputs[3], encoding: .utf8).hasPrefix("<svg"))
    }

    @Test(arguments: [
      ["--count", "37"], ["--count", "9", "--method", "neighbours"],
      ["--count", "9", "--method", "flow", "--tolerance", "1e-2"],
      ["--count", "19", "--grid", "optimal", "--steps", "4"],
    ])
    func theBytesAreTheSameOnAnyRanks(options: [String]) async throws {
      let (_, _, checkpoint) = try await Self.trained.value
      var files: [Data] = []
      for (ranks, workers) in [(nil, 1), (2, 1), (4, 3)] as [(Int?, Int)] {
        let path = folder.file("\(ranks ?? 1).h5")
        let outcome = try await evaluate(
          checkpoint, options + ["--workers", "\(workers)"], output: path, ranks: ranks)
        #expect(outcome.status == 0, "\(outcome)")
        files.append(try Data(contentsOf: URL(fileURLWithPath: path)))
      }
      #expect(files[1] == files[0] && files[2] == files[0])
    }

    /// What is done is kept, and is of this evaluation alone.
    @Test func anEvaluationGoesOn() async throws {
      let (_, _, checkpoint) = try await Self.trained.value
      let (whole, path) = (folder.file("whole.h5"), folder.file("again.h5"))
      let options = ["--count", "100", "--workers", "1"]
      #expect(try await evaluate(checkpoint, options, output: whole).status == 0)
      #expect(!FileManager.default.fileExists(atPath: "\(whole).unfinished"))

      let work = "\(path).unfinished"
      try Data("not mine".utf8).write(to: URL(fileURLWithPath: work))
      let foreign = try await evaluate(checkpoint, options, output: path)
      #expect(foreign.status == 65 && foreign.errorLines.count == 1, "\(foreign)")
      #expect(try String(contentsOfFile: work, encoding: .utf8) == "not mine")

      // The numbers of another evaluation.
      let refused = UnfinishedEvaluation(identity: "another", width: 3, numbers: [1, 2, 3])
      try refused.write(to: work)
      let other = try await evaluate(checkpoint, options, output: path)
      #expect(other.status == 65 && other.errors.contains("begun with another"), "\(other)")
      try FileManager.default.removeItem(atPath: work)
      #expect(try await evaluate(checkpoint, options, output: path).status == 0)
      #expect(
        try Data(contentsOf: URL(fileURLWithPath: path))
          == Data(contentsOf: URL(fileURLWithPath: whole)))
    }

    @Test func theTruthStandsBesideTheBound() async throws {
      let data = folder.file("coin.h5")
      let made = try await run(
        .dist, ["dataset", "make", "coin", "--size", "4", "--count", "200", "--output", data])
      #expect(made.status == 0, "\(made)")
      let run = SmallRun(folder.file("coin"))
      let trained = try await run.train(
        ["--steps", "3", "--data", data], settings: ["multipliers=[1]", "attention=[]"])
      #expect(trained.status == 0, "\(trained)")
      let path = folder.file("coin.json")
      let outcome = try await evaluate(run.path, ["--data", data], output: path)
      #expect(outcome.status == 0 && outcome.output.contains("truth"), "\(outcome)")
      let report = try Report(path)
      #expect(report.images == 200 && report.truth! > 0.02 && report.truth! < 0.08)
    }

    /// A learned variance is trained, evaluated and sampled from.
    @Test func aLearnedVarianceIsOneOfThem() async throws {
      let run = SmallRun(folder.file("learned"))
      let trained = try await run.train(
        ["--steps", "4"],
        settings: [
          "variance=learned", "objective=hybrid", "prediction=v", "weighting=min_snr",
          "timestep_sampling=importance",
        ])
      #expect(trained.status == 0, "\(trained)")
      let path = folder.file("learned.json")
      let outcome = try await evaluate(run.path, ["--count", "8"], output: path)
      #expect(outcome.status == 0, "\(outcome)")
      #expect(try Report(path).estimates.map(\.name) == ["learned", "fixed_large", "fixed_small"])
      let best = try await evaluate(
        run.path, ["--count", "8", "--grid", "optimal", "--steps", "3"], output: path)
      #expect(best.status == 0 && best.errors.contains("not for the learned"), "\(best)")
      #expect(try Report(path).estimates.map(\.name) == ["fixed_large", "fixed_small"])
      let (input, answer) = (folder.file("x.h5"), folder.file("y.h5"))
      let file = try File.create(input)
      let root = try file.root()
      try root.write("x_t", [Float](repeating: 0.5, count: 3 * 64), shape: [3, 8, 8, 1])
      try root.write("t", [Int64(0), 7, 19])
      try root.close()
      try file.close()
      let predicted = try await CommandTests.predict(run.path, input, to: answer)
      #expect(predicted.status == 0, "\(predicted)")
      #expect(try File.open(answer).root().dataset("prediction").shape == [3, 8, 8, 2])
      let samples = folder.file("samples.h5")
      let drawn = try await CommandTests.sample(run.path, to: samples)
      #expect(drawn.status == 0, "\(drawn)")
      #expect(try File.open(samples).root().string("variance") == "learned")
    }

    @Test func estimatingLeavesTheOldCheckpointAlone() async throws {
      let (_, run, path) = try await Self.trained.value
      let (old, new) = (
        try Checkpoint.read(path: run.checkpoint(12)), try Checkpoint.read(path: path)
      )
      #expect(old.facts?.tables.keys.sorted() == ["betas"])
      let norms = try #require(new.facts?.tables["noise_norms_average"])
      #expect(norms.count == 20 && norms.allSatisfy { $0 <= 1 } && Set(norms).count == 20)
      #expect(new.model == old.model && new.ema == old.ema && new.progress == old.progress)
      let again = try await CommandTests.estimate(run.path, to: path)
      #expect(again.status == 73 && again.errors.contains("is not replaced"), "\(again)")
      // Of other weights nothing is known.
      let other = try await evaluate(
        path, ["--count", "8", "--weights", "model", "--variance", "analytic"])
      #expect(other.status == 64 && other.errors.contains("estimate-variance"), "\(other)")
      let drawn = folder.file("drawn.h5")
      let sampled = try await CommandTests.sample(
        path, to: drawn, ["--variance", "analytic", "--steps", "5"])
      #expect(sampled.status == 0, "\(sampled)")
      #expect(try File.open(drawn).root().string("variance") == "analytic")
    }

    static let refusals: [(options: [String], code: Int32, part: String)] = [
      (["--variance", "learned"], 64, "no learned variance"),
      (["--steps", "21"], 64, "ask for 1 to 20"),
      (["--steps", "0"], 64, "ask for 1 to 20"),
      (["--grid", "optimal", "--steps", "1"], 64, "ask for 2 --steps"),
      (["--method", "magic"], 64, "choose one of bound, neighbours, flow"),
      (["--method", "flow", "--steps", "5"], 64, "no use for --steps"),
      (["--draws", "3"], 64, "choose neighbours or flow"),
      (["--method", "neighbours", "--variance", "analytic"], 64, "one fixed variance"),
      (["--method", "neighbours", "--draws", "1"], 64, "from 2 to 1000"),
      (["--method", "flow", "--tolerance", "0"], 64, "tolerance"),
      (["--count", "360", "--part", "validation"], 65, "359 such images, fewer than --count 360"),
      (["--weights", "average_0.05"], 65, "average_0.05"),
      (["--output", "x.txt"], 64, ".csv or .json or .h5 or .hdf5 or .svg"),
    ]

    @Test(arguments: refusals)
    func whatCannotBeDoneIsOneLine(options: [String], code: Int32, part: String) async throws {
      let (_, run, _) = try await Self.trained.value
      for ranks in [nil, 2] {
        let outcome = try await evaluate(run.path, ["--workers", "1"] + options, ranks: ranks)
        #expect(outcome.status == code && outcome.errorLines.count == 1, "\(outcome)")
        #expect(outcome.errors.contains(part) && outcome.output.isEmpty, "\(outcome)")
      }
    }

    @Test func otherImagesAreRefused() async throws {
      let (_, small, _) = try await Self.trained.value
      let data = folder.file("mixture.h5")
      let made = try await run(
        .dist, ["dataset", "make", "mixture", "--count", "16", "--output", data])
      #expect(made.status == 0, "\(made)")
      let levels = try await evaluate(small.path, ["--data", data])
      #expect(levels.status == 65 && levels.errors.contains("17 levels"), "\(levels)")
      let other = folder.file("small.h5")
      _ = try await run(
        .dist, ["dataset", "make", "coin", "--size", "4", "--count", "16", "--output", other])
      let extents = try await evaluate(small.path, ["--data", other])
      #expect(extents.status == 65 && extents.errorLines.count == 1, "\(extents)")
      let none = try await evaluate(
        try await SmallRun.reference.value.path, ["--part", "validation"])
      #expect(none.status == 65 && none.errors.contains("no part validation"), "\(none)")
    }
  }

  /// Draws eight images into a file.
  fileprivate static func sample(
    _ checkpoint: String, to path: String, _ options: [String] = []
  ) async throws -> Outcome {
    try await run(.sample, ["--ckpt", checkpoint, "--count", "8", "--out", path] + options)
  }

  fileprivate static func predict(
    _ checkpoint: String, _ input: String, to path: String
  ) async throws -> Outcome {
    try await run(.dist, ["predict", "--ckpt", checkpoint, "--input", input, "--output", path])
  }

  fileprivate static func estimate(_ checkpoint: String, to path: String) async throws -> Outcome {
    try await run(
      .dist, ["estimate-variance", "--ckpt", checkpoint, "--count", "8", "--output", path])
  }
}
