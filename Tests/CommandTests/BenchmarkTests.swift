// ddpm-dist benchmark: what it prints, and that it leaves nothing behind.

import Foundation
import TestSupport
import Testing

extension CommandTests {
  @Suite struct BenchmarkTests {
    /// A run of the small network on one worker a rank.
    private func benchmark(
      _ options: [String], ranks: Int? = nil, environment: [String: String] = [:],
      in folder: String? = nil
    ) async throws -> Outcome {
      try await run(
        .dist, Self.words + options, ranks: ranks, environment: environment, in: folder)
    }

    private static let words =
      ["benchmark", "--batch", "16", "--workers", "1", "--rounds", "2"]
      + SmallRun.words(beside: ["--batch"])

    private typealias Object = [String: Any]

    private func object(_ text: some StringProtocol) throws -> Object {
      try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? Object)
    }

    /// Whether a statistic is of positive numbers in order.
    private func isPositive(_ statistics: Any?) -> Bool {
      guard let values = statistics as? [String: Double], let minimum = values["minimum"],
        let median = values["median"], let maximum = values["maximum"]
      else { return false }
      return 0 < minimum && minimum <= median && median <= maximum
    }

    @Test(arguments: [nil, 2]) func everyPartIsInTheJSON(ranks: Int?) async throws {
      let outcome = try await benchmark(["--json", "-"], ranks: ranks)
      try #require(outcome.status == 0 && outcome.errorLines.isEmpty, "\(outcome)")
      let report = try object(outcome.output)
      #expect(report["ranks"] as? Int == ranks ?? 1 && report["workers"] as? Int == ranks ?? 1)
      #expect(report["batch"] as? Int == 16 && report["rounds"] as? Int == 2)
      #expect((report["settings"] as? [String: String])?["channels"] == "8")
      #expect((report["parameters"] as? Int ?? 0) > 10_000)
      let parts = try #require(report["parts"] as? [String: Object])
      #expect(parts.keys.sorted() == ["evaluation", "exchange", "reading", "step"])

      var perImage: [Double] = []
      for name in ["step", "evaluation"] {
        let part = try #require(parts[name])
        #expect(part["images"] as? Int == 16)
        #expect(isPositive(part["seconds"]) && isPositive(part["images_per_second"]), "\(part)")
        for key in ["gigaflop_per_second", "peak_memory_bytes", "pool_bytes"] {
          #expect((part[key] as? Double ?? 0) > 0, "\(key) in \(part)")
        }
        perImage.append(try #require(part["gigaflop_per_image"] as? Double))
        let operations = try #require(part["operations"] as? [Object])
        let shares = operations.compactMap { $0["share"] as? Double }
        #expect(shares.count == operations.count && shares.allSatisfy { $0 > 0 })
        let other = try #require(part["other_share"] as? Double)
        #expect(abs(shares.reduce(other, +) - 1) < 1e-6 && other > -0.01)
        let linear = try #require(operations.first { $0["operation"] as? String == "linear" })
        #expect((linear["forward_gigaflop_per_second"] as? Double ?? 0) > 0)
        #expect((linear["backward_seconds"] as? Double ?? -1 > 0) == (name == "step"))
      }
      #expect(abs(perImage[0] / perImage[1] - 3) < 1e-9)

      let exchange = try #require(parts["exchange"])
      let operations = try #require(exchange["operations"] as? [Object])
      let sweeps = try #require(exchange["sweeps"] as? [Object])
      #expect(operations.count == (ranks == nil ? 0 : 4))
      #expect(sweeps.count == (ranks == nil ? 0 : 2))
      for operation in operations {
        #expect(isPositive(operation["seconds"]), "\(operation)")
        #expect((operation["gigabytes_per_second"] as? Double ?? 0) > 0, "\(operation)")
      }
      for sweep in sweeps {
        #expect((sweep["points"] as? [Object] ?? []).count > 2, "\(sweep)")
        let cost = try #require(sweep["cost"] as? [String: Double])
        #expect(cost["alpha"]! >= 0 && cost["beta"]! >= 0 && cost["alpha"]! + cost["beta"]! > 0)
      }

      let sources = try #require(parts["reading"]?["sources"] as? [Object])
      #expect(sources.map { $0["source"] as? String } == ["memory", "file"])
      for source in sources {
        #expect(isPositive(source["seconds"]) && isPositive(source["images_per_second"]))
      }
    }

    @Test(arguments: [nil, 2]) func randomImagesGiveATable(ranks: Int?) async throws {
      let (temporary, folder) = (try TemporaryFolder(), try TemporaryFolder())
      let outcome = try await benchmark(
        ["data=cifar10.h5", "--images", "8x8x3", "--json", "b.json"], ranks: ranks,
        environment: ["TMPDIR": temporary.path], in: folder.path)
      #expect(outcome.status == 0 && outcome.errorLines.isEmpty, "\(outcome)")
      let exchange = ranks == nil ? "one rank has nothing to exchange" : "MPI all-reduce"
      for part in [
        "random images of 8×8×3", "TRAINING STEP: 16 images", "EVALUATION: 16 images", "images/s",
        "GFLOP/s", "convolution 3x3", "peak memory", exchange, "READING of images of 192 bytes",
      ] {
        #expect(outcome.output.contains(part), "\(part) in: \(outcome)")
      }
      #expect(try temporary.names().isEmpty && folder.names() == ["b.json"])
      let report = try object(String(decoding: folder.bytes("b.json"), as: UTF8.self))
      #expect(report["dataset"] as? String == "random images of 8×8×3")
    }

    @Test(arguments: [nil, 2]) func aRefusalRemovesTheRandomImages(ranks: Int?) async throws {
      let temporary = try TemporaryFolder()
      let outcome = try await benchmark(
        ["--images", "7x7x1"], ranks: ranks, environment: ["TMPDIR": temporary.path])
      #expect(outcome.status == 64 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errors.contains("cannot be divided by 2"), "\(outcome)")
      #expect(outcome.output.isEmpty, "\(outcome)")
      #expect(try temporary.names().isEmpty)
    }

    @Test(arguments: [nil, 2]) func anotherProgramSetsThePace(ranks: Int?) async throws {
      let outcome = try await pace(["step", "evaluation", "step", "quit", "step"], ranks)
      try #require(outcome.status == 0 && outcome.errorLines.isEmpty, "\(outcome)")
      let lines = try outcome.output.split(separator: "\n").map { try object($0) }
      try #require(lines.count == 5, "\(outcome)")
      #expect(lines[0]["ready"] as? Bool == true && lines[0]["program"] as? String == "ddpm-dist")
      #expect(lines[0]["batch"] as? Int == 16 && lines[0]["ranks"] as? Int == ranks ?? 1)
      #expect(lines[0]["workers"] as? Int == ranks ?? 1)
      #expect(lines[0]["parameters"] as? Int ?? 0 > 10_000)
      #expect(lines[1...3].map { $0["part"] as? String } == ["step", "evaluation", "step"])
      for line in lines[1...3] {
        #expect(line["images"] as? Int == 32)
        let seconds = try #require(line["seconds"] as? Double)
        #expect(abs((line["images_per_second"] as? Double ?? 0) * seconds - 32) < 1e-6)
      }
      #expect(lines[4]["quit"] as? Bool == true)
      #expect(lines.allSatisfy { ($0["peak_memory_bytes"] as? Int ?? 0) > 1_000_000 })
    }

    @Test(arguments: [nil, 2]) func thePaceEndsWithTheInput(ranks: Int?) async throws {
      let outcome = try await pace([], ranks)
      #expect(outcome.status == 0 && outcome.errorLines.isEmpty, "\(outcome)")
      #expect(outcome.output.split(separator: "\n").count == 1, "\(outcome)")
    }

    @Test(arguments: [nil, 2]) func aPaceWithoutMeaningIsRefused(ranks: Int?) async throws {
      let outcome = try await pace(["stop"], ranks)
      #expect(outcome.status == 64 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errors.contains("'stop' is none of step, evaluation, quit"), "\(outcome)")
    }

    /// A paced benchmark of two steps a round that reads the given lines.
    private func pace(_ lines: [String], _ ranks: Int?) async throws -> Outcome {
      let launch = ranks.map { "mpirun -n \($0) --bind-to none " } ?? ""
      let words = (Self.words + ["--paced", "--steps", "2"]).joined(separator: " ")
      return try await run([
        "sh", "-c",
        "printf '%b' '\(lines.map { $0 + "\\n" }.joined())' | \(launch)'\(Program.dist.path)' "
          + words,
      ])
    }
  }
}
