// Models with latents by the commands: the same bytes on any ranks, and everything that is made of them.

import Foundation
import HDF5
import Storage
import TestSupport
import Testing

extension CommandTests {
  @Suite struct LatentModelTests {
    /// Settings of each family, and what else is asked of it.
    static let families = [
      ["model=autoencoder", "latents=[4]", "decoder=normal"],
      ["model=vae", "latents=[4]", "kl_warmup=5"],
      ["model=vae", "latents=[2]", "decoder=bernoulli", "binarization=static"],
      ["model=vae", "latents=[2]", "latent_network=convolutional", "multipliers=[1, 2]"],
      [
        "model=hierarchical_vae", "latents=[4, 2]", "inference=top_down", "decoder_deviation=image",
      ],
    ]

    private let folder = try! TemporaryFolder()

    /// Alone, stopped and gone on with two ranks, and on eight: equal weights, metrics, images and costs.
    @Test(arguments: families)
    func ranksDoNotShow(_ settings: [String]) async throws {
      var (digests, images, costs): (Set<String>, Set<[UInt8]>, Set<String>) = ([], [], [])
      let isAutoencoder = settings[0] == "model=autoencoder"
      for ranks in [nil, 2, 8] {
        let small = SmallRun(folder.file("run\(ranks ?? 1)"))
        let first = try await small.train(
          ["--steps", "\(ranks == 2 ? 3 : 8)", "--workers", "1"], settings: settings, ranks: ranks)
        try #require(first.status == 0, "\(first)")
        if ranks == 2 {
          let second = try await small.train(
            ["--resume", "--steps", "8", "--workers", "2"], settings: settings)
          try #require(second.status == 0, "\(second)")
        }
        digests.insert(try small.digest(8))
        guard ranks != 8 else { continue }
        let task = isAutoencoder ? ["--reconstruct", "digits"] : ["--sampler", "draw"]
        let samples = try await run(
          .sample, ["--ckpt", small.path, "--count", "20", "--out", "a.npz"] + task, ranks: ranks,
          in: small.path)
        try #require(samples.status == 0, "\(samples)")
        images.insert(try [UInt8](contentsOf: "\(small.path)/a.npz"))
        guard !isAutoencoder else { continue }
        let cost = try await run(
          .dist,
          ["evaluate", "--ckpt", small.path, "--count", "20", "--importance-samples", "3"]
            + ["--output", "c.csv"], ranks: ranks, in: small.path)
        try #require(cost.status == 0, "\(cost)")
        costs.insert(try String(contentsOfFile: "\(small.path)/c.csv", encoding: .utf8))
      }
      #expect(digests.count == 1 && images.count == 1 && costs.count == (isAutoencoder ? 0 : 1))
    }

    /// One sum over all ranks instead of a tree.
    @Test func anAllreduceTrainsThem() async throws {
      for settings in Self.families {
        let small = SmallRun(folder.file("run-\(settings.count)-\(settings[0])"))
        let outcome = try await small.train(
          ["--steps", "2", "--workers", "1"], settings: settings + ["reduction=allreduce"], ranks: 2
        )
        #expect(outcome.status == 0, "\(outcome)")
        try? FileManager.default.removeItem(atPath: small.path)
      }
    }

    /// From training to pictures, files and costs.
    @Test func whatIsMadeOfAHierarchicalVAE() async throws {
      let small = SmallRun(folder.file("run"))
      let outcome = try await small.train(
        ["--steps", "4"],
        settings: [
          "model=hierarchical_vae", "latents=[5, 3]", "hidden=[12, 8]", "validation=0.2",
          "validation_every=2", "sample_every=4", "sample_count=9",
        ])
      try #require(outcome.status == 0, "\(outcome)")
      let last = try #require(try small.metrics().last)
      for key in [
        "terms.reconstruction", "terms.kl", "sums.kl_of_layers.1", "sums.active_units.1",
        "validation_terms.kl",
      ] { #expect(last[key] != nil, "\(key)") }
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: small.path + "/samples").count == 1)

      let cost = try await run(
        .dist, ["evaluate", "--ckpt", small.path, "--part", "validation", "--count", "16"])
      try #require(cost.status == 0, "\(cost)")
      for words in ["elbo", "kl of z_2", "nats of an image", "active latents"] {
        #expect(cost.output.contains(words), "\(cost)")
      }

      let file = folder.file("back.h5")
      let back = try await run(
        .sample,
        ["--ckpt", small.path, "--reconstruct", "digits", "--count", "11", "--out", file]
          + [folder.file("back.png")])
      try #require(back.status == 0, "\(back)")
      let root = try File.open(file).root()
      #expect(try root.dataset("z_1").shape == [11, 5] && root.dataset("z_2").shape == [11, 3])
      let lost = try root.dataset("squared_error").values(as: Float.self)
      let (made, given) = (
        try root.dataset("samples").values(as: UInt8.self),
        try ImageReader(.digits(), range: 0..<11)
      )
      var digits = [Float](repeating: 0, count: 11 * 64)
      try digits.withUnsafeMutableBufferPointer {
        try given.read(Array(0..<11), into: $0.baseAddress!)
      }
      for n in 0..<11 {
        // Of the images before they were rounded to levels.
        let squares = (n * 64..<n * 64 + 64).reduce(0.0) {
          $0 + pow(Double(made[$1]) / 8 - 1 - Double(digits[$1]), 2)
        }
        #expect(abs(Double(lost[n]) - squares / 64) < 0.02)
      }

      let walk = try await run(
        .sample,
        ["--ckpt", small.path, "--walk", "3,1", "--frames", "4", "--out", folder.file("walk.png")])
      try #require(walk.status == 0, "\(walk)")
      let picture = try Picture(png: folder.file("walk.png"))
      #expect(picture.shape.height == picture.shape.width)
      let between = try await run(
        .sample,
        ["--ckpt", small.path, "--interpolate", "1,2", "--frames", "5", "--out"]
          + [folder.file("between.npz")])
      #expect(between.status == 0, "\(between)")
    }
  }
}
