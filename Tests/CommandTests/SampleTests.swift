// ddpm-sample: which images come out, whatever the way they were computed.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

extension CommandTests {
  @Suite struct SampleTests {
    let folder = try! TemporaryFolder()

    /// Draws images and returns them, (count, 8, 8, 1), as an HDF5 file holds them.
    private func sample(
      _ options: [String], ranks: Int? = nil, from checkpoint: String? = nil
    ) async throws -> [UInt8] {
      let path = folder.file("\(UUID().uuidString).h5")
      let source = if let checkpoint { checkpoint } else { try await SmallRun.reference.value.path }
      let outcome = try await run(
        .sample, ["--ckpt", source, "--out", path] + options, ranks: ranks)
      try #require(outcome.status == 0, "\(outcome)")
      let images = try File.open(path).root().dataset("samples")
      #expect(images.shape.dropFirst() == [8, 8, 1])
      return try images.values(as: UInt8.self)
    }

    @Test func batchWorkersAndRanksDoNotShow() async throws {
      let reference = try await SmallRun.reference.value.path
      var first: [String: [UInt8]]?
      for (ranks, options) in [
        (nil, ["--batch", "1", "--workers", "1"]), (nil, ["--batch", "8", "--workers", "2"]),
        (nil, ["--batch", "64"]), (1, []), (2, []), (2, ["--batch", "8", "--workers", "2"]),
        (3, []),
      ] as [(Int?, [String])] {
        let place = try TemporaryFolder()
        let outcome = try await run(
          .sample,
          ["--ckpt", reference, "--count", "20", "--seed", "7"] + options
            + ["--out", "a.png", "--out", "a.h5", "--out", "a.npz"],
          ranks: ranks, in: place.path)
        try #require(outcome.status == 0, "\(outcome)")
        #expect(outcome.output == "a.png\na.h5\na.npz\n")
        let files = try snapshot(place.path)
        #expect(files.keys.sorted() == ["a.h5", "a.npz", "a.png"])
        #expect(files == first ?? files, "\(String(describing: ranks)) ranks, \(options)")
        first = first ?? files
      }
      let files = try #require(first)
      // 5 × 4 images, magnified; a zip archive; 17 levels.
      let grid = ImageGrid(shape: ImageShape(height: 8, width: 8, channels: 1), count: 20)
      let png = try folder.write(try #require(files["a.png"]), to: "a.png")
      #expect(try Picture(png: png).shape == grid.pictureShape)
      #expect(files["a.npz"]?.prefix(2) == [0x50, 0x4B])
      let archive = try File.open(folder.write(try #require(files["a.h5"]), to: "a.h5"))
      let root = try archive.root()
      #expect(try root.string("format") == "ddpm-samples")
      #expect(try root.integer("step") == 20)
      #expect(try root.dataset("samples").integer("levels") == 17)
      let images = try root.dataset("samples").values(as: UInt8.self)
      #expect(images.allSatisfy { $0 < 17 } && Set(images).count > 2)
    }

    @Test func fewerImagesAreTheFirstOfMore() async throws {
      let many = try await sample(["--count", "20"])
      for count in [1, 8, 13] {
        let few = try await sample(["--count", "\(count)"])
        #expect(few == Array(many.prefix(count * 64)))
      }
    }

    @Test func eachOptionChangesTheImages() async throws {
      let reference = try await SmallRun.reference.value
      let plain = try await sample(["--count", "8"])
      #expect(
        try await sample(["--count", "8"], from: reference.checkpoint(20)) == plain,
        "A run's folder stands for its newest checkpoint.")
      #expect(
        try await sample(["--count", "8", "--sampler", "ancestral", "--variance", "fixed_small"])
          == plain, "These are the defaults.")
      let others = [
        ["--seed", "2"], ["--steps", "5"], ["--variance", "fixed_large"], ["--weights", "model"],
        ["--sampler", "ddim"], ["--sampler", "ddim", "--eta", "0.5"],
        ["--sampler", "ddim", "--steps", "5"], ["--grid", "1,7,20"],
        ["--sampler", "ddim", "--steps", "5", "--grid", "quadratic"],
      ]
      for other in others {
        let images = try await sample(["--count", "8"] + other)
        #expect(images.count == plain.count && images != plain, "\(other)")
      }
      #expect(try await sample(["--count", "8", "--steps", "20"]) == plain)
    }

    /// How images were made stands in their file, and few steps of a fixed_large model are told of.
    @Test func fewStepsTakeTheSmallVarianceAndSaySo() async throws {
      let small = SmallRun(folder.file("run"))
      let trained = try await small.train(
        ["--steps", "2", "--workers", "1"], settings: ["variance=fixed_large"])
      try #require(trained.status == 0, "\(trained)")
      func facts(_ options: [String]) async throws -> (variance: String?, notes: Bool) {
        let path = folder.file("\(UUID().uuidString).h5")
        let outcome = try await drawHere(
          ["--ckpt", small.path, "--count", "8", "--out", path] + options)
        try #require(outcome.status == 0, "\(outcome)")
        let root = try File.open(path).root()
        return (try root.string("variance"), outcome.errors.contains("would leave grain"))
      }
      for (options, variance, notes) in [
        ([], "fixed_large", false), (["--steps", "5"], "fixed_small", true),
        (["--steps", "5", "--variance", "fixed_large"], "fixed_large", false),
      ] as [([String], String, Bool)] {
        let found = try await facts(options)
        #expect(found.variance == variance && found.notes == notes, "\(options)")
      }
    }

    /// A network trained on continuous images draws continuous images in their range.
    @Test func continuousImagesStayContinuous() async throws {
      let data = folder.file("data.h5")
      do {
        let file = try File.create(data)
        let root = try file.root()
        let values = (0..<40 * 64).map { 100 + Float(($0 * 37) % 101) }
        try root.write("images", values, shape: [40, 8, 8, 1])
        let images = try root.dataset("images")
        try images.setAttribute("value_range", .doubles([100, 200]))
        try images.close()
        try root.close()
        try file.close()
      }
      let small = SmallRun(folder.file("run"))
      let trained = try await small.train(
        ["--data", data, "--steps", "2", "--workers", "1"], settings: ["prediction=v"])
      try #require(trained.status == 0, "\(trained)")
      let outcome = try await drawHere(
        ["--ckpt", small.path, "--count", "5", "--out", "a.h5", "--out", "a.npz", "--out", "a.png"])
      try #require(outcome.status == 0, "\(outcome)")
      let samples = try File.open(folder.file("a.h5")).root().dataset("samples")
      #expect(samples.shape == [5, 8, 8, 1])
      #expect(try samples.doubles("value_range") == [100, 200])
      let values = try samples.values(as: Float.self)
      #expect(values.allSatisfy { $0 >= 100 && $0 <= 200 } && Set(values).count > 100)
      _ = try Picture(png: folder.file("a.png"))
    }

    /// `ddpm-sample` in this test's folder.
    private func drawHere(_ words: [String]) async throws -> Outcome {
      try await run(.sample, words, in: folder.path)
    }

    @Test func aGivenStartReplacesTheDrawnOne() async throws {
      func start(_ name: String, _ scale: Float) throws -> String {
        let values = (0..<10 * 64).map { scale * Float(($0 * 37) % 101 - 50) / 25 }
        let file = try File.create(folder.file(name))
        try file.root().write("x_T", values, shape: [10, 8, 8, 1])
        try file.close()
        return folder.file(name)
      }
      let (one, other) = (try start("one.h5", 1), try start("other.h5", -1))
      let all = try await sample(["--init", one])
      #expect(all.count == 10 * 64)
      let few = try await sample(["--init", one, "--count", "3", "--batch", "1"])
      #expect(few == Array(all.prefix(3 * 64)))
      #expect(try await sample(["--init", one], ranks: 2) == all)
      #expect(try await sample(["--init", other]) != all)
      #expect(try await sample(["--count", "10"]) != all)
    }

    @Test func aDamagedNewestCheckpointIsPassedOver() async throws {
      let reference = try await SmallRun.reference.value
      let run = try reference.copy(to: folder.file("run"))
      try FileManager.default.copyItem(atPath: run.checkpoint(20), toPath: run.checkpoint(21))
      try run.damage(21)
      #expect(try await sample(["--count", "8"], from: run.path) == sample(["--count", "8"]))
    }
  }
}
