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
      ]
      for other in others {
        let images = try await sample(["--count", "8"] + other)
        #expect(images.count == plain.count && images != plain, "\(other)")
      }
      #expect(try await sample(["--count", "8", "--steps", "20"]) == plain)
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
