// Products of rounded operands, as commands ask for them.

import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// A network of sixteen channels, which are rounded where eight are not.
  @Suite struct PrecisionTests {
    private static let trained = Task {
      let run = SmallRun("\(sharedFolder.path)/precision")
      let outcome = try await run.train(
        ["--steps", "60", "--workers", "1"],
        settings: ["channels=16", "precision=bfloat16", "learning_rate=0.002"])
      try #require(outcome.status == 0, "\(outcome)")
      return run
    }

    /// Samples are of float32 where nothing is said, whatever the training was; others are the same on
    /// any ranks, and are not taken for those.
    @Test func samples() async throws {
      let folder = try TemporaryFolder()
      let small = try await Self.trained.value
      func draw(_ name: String, _ options: [String], ranks: Int? = nil) async throws -> [UInt8] {
        let outcome = try await run(
          .sample,
          ["--ckpt", small.path, "--weights", "model", "--count", "9", "--out", "\(name).npz"]
            + options,
          ranks: ranks, in: folder.path)
        try #require(outcome.status == 0, "\(outcome)")
        return try [UInt8](contentsOf: folder.file("\(name).npz"))
      }
      let rounded = try await draw("rounded", ["--precision", "bfloat16"])
      #expect(
        try await draw("ranks", ["--precision", "bfloat16", "--workers", "1"], ranks: 2) == rounded)
      #expect(try await draw("float32", []) != rounded)

      let begun = try await run(
        .sample, ["--ckpt", small.path, "--count", "9", "--out", "a.h5", "--resume"],
        in: folder.path)
      try #require(begun.status == 0, "\(begun)")
      let other = try await run(
        .sample,
        [
          "--ckpt", small.path, "--count", "9", "--out", "a.h5", "--resume", "--precision",
          "bfloat16",
        ],
        in: folder.path)
      #expect(other.status == 73 && other.errors.contains("holds other samples"), "\(other)")
    }

    /// The bound of rounded products is close to that of others, and the report says which it is.
    @Test func evaluation() async throws {
      let folder = try TemporaryFolder()
      let small = try await Self.trained.value
      func bound(_ precision: String) async throws -> (Double, precision: String?) {
        let path = folder.file("\(precision).json")
        let outcome = try await run(
          .dist,
          [
            "evaluate", "--ckpt", small.path, "--count", "8", "--precision", precision, "--output",
            path,
          ])
        try #require(outcome.status == 0, "\(outcome)")
        let data = try Data(contentsOf: URL(filePath: path))
        let report = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        let estimates = try #require(report["estimates"] as? [[String: Any]])
        let facts = try #require(report["facts"] as? [String: Any])
        return (try #require(estimates[0]["total"] as? Double), facts["precision"] as? String)
      }
      let (exact, rounded) = (try await bound("float32"), try await bound("bfloat16"))
      #expect(exact.0 != rounded.0 && abs(exact.0 - rounded.0) < 0.01 * abs(exact.0))
      #expect(exact.precision == nil && rounded.precision == "bfloat16")
    }

    @Test func otherWordsAreRefused() async throws {
      let small = try await Self.trained.value
      let sampled = try await run(.sample, ["--ckpt", small.path, "--precision", "float16"])
      #expect(sampled.status == 64 && sampled.errors.contains("float32"), "\(sampled)")
      let trained = try await run(.dist, ["train", "--dry-run", "--set", "precision=half"])
      #expect(trained.status == 64 && trained.errors.contains("bfloat16"), "\(trained)")
    }
  }
}
