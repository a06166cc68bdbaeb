// Diffusion of latents by the commands: between the halves of an autoencoder, on any ranks.

import Foundation
import HDF5
import Storage
import TestSupport
import Testing

extension CommandTests {
  @Suite struct LatentDiffusionTests {
    /// A VAE of the digits whose latents are maps of 4 × 4 pixels with two channels.
    private static let autoencoder = Task {
      let folder = try TemporaryFolder()
      let run = SmallRun(folder.file("vae"))
      let outcome = try await run.train(
        ["--steps", "30", "--workers", "1"],
        settings: [
          "model=vae", "latent_network=convolutional", "latent_form=map", "latents=[2]",
          "multipliers=[1, 2]",
        ])
      try #require(outcome.status == 0, "\(outcome)")
      return (folder, run)
    }

    private let folder = try! TemporaryFolder()

    private func settings(_ autoencoder: SmallRun, _ more: [String] = []) -> [String] {
      [
        "latent=\(autoencoder.path)", "multipliers=[1, 2]", "attention=[]", "prediction=v",
        "condition=class",
      ] + more
    }

    /// Alone, stopped and gone on with two ranks, and on four: equal weights, metrics and images.
    @Test(arguments: ["mean", "sample"])
    func ranksDoNotShow(_ code: String) async throws {
      let (_, autoencoder) = try await Self.autoencoder.value
      let settings = settings(autoencoder, ["latent_code=\(code)"])
      var (digests, images): (Set<String>, Set<[UInt8]>) = ([], [])
      for ranks in [nil, 2, 4] {
        let small = SmallRun(folder.file("run\(ranks ?? 1)"))
        let first = try await small.train(
          ["--steps", "\(ranks == 2 ? 3 : 6)", "--workers", "1"], settings: settings, ranks: ranks)
        try #require(first.status == 0, "\(first)")
        if ranks == 2 {
          // What is not said of the latents is as the run has it.
          let second = try await small.train(["--resume", "--steps", "6", "--workers", "2"])
          try #require(second.status == 0, "\(second)")
        }
        digests.insert(try small.digest(6))
        guard ranks != 4 else { continue }
        let samples = try await run(
          .sample,
          ["--ckpt", small.path, "--count", "12", "--class", "all", "--guidance", "2"]
            + ["--out", "a.npz"], ranks: ranks, in: small.path)
        try #require(samples.status == 0, "\(samples)")
        images.insert(try [UInt8](contentsOf: "\(small.path)/a.npz"))
      }
      #expect(digests.count == 1 && images.count == 1)
    }

    /// Pictures of what is on the way, variations; and what goes through pixels is refused, as is another
    /// autoencoder in the place of the first, which may have moved.
    @Test func whatIsMadeOfLatents() async throws {
      let (_, autoencoder) = try await Self.autoencoder.value
      let moved = try autoencoder.copy(to: folder.file("moved"))
      let small = SmallRun(folder.file("run"))
      let outcome = try await small.train(
        ["--steps", "4"], settings: settings(moved, ["sample_every=4", "sample_count=4"]))
      try #require(outcome.status == 0, "\(outcome)")
      func sample(_ words: [String]) async throws -> Outcome {
        try await run(
          .sample, ["--ckpt", small.path, "--count", "3", "--out", folder.file("a.h5")] + words)
      }
      let ways = try await sample(["--trajectory", "--sampler", "ddim", "--steps", "5"])
      try #require(ways.status == 0, "\(ways)")
      let root = try File.open(folder.file("a.h5")).root()
      #expect(try root.dataset("samples").shape == [3, 8, 8, 1])
      #expect(try root.dataset("x_0").shape == [3, 8, 8, 8, 1])
      let varied = try await sample(["--from", "digits", "--noise-level", "5"])
      #expect(varied.status == 0, "\(varied)")
      for (words, part) in [
        (["--encode", "digits"], "--encode goes through the pixels"),
        (["--walk", "1,2"], "has none"),
      ] {
        let refused = try await sample(words)
        #expect(refused.status == 64 && refused.errors.contains(part), "\(refused)")
      }
      let cost = try await run(.dist, ["evaluate", "--ckpt", small.path])
      #expect(cost.status == 64 && cost.errorLines.count == 1, "\(cost)")

      try FileManager.default.moveItem(atPath: moved.path, toPath: folder.file("elsewhere"))
      let lost = try await sample([])
      #expect(lost.status == 66 && lost.errors.contains("moved"), "\(lost)")
      let listed = try await run(.dist, ["checkpoint", "ls", small.path])
      #expect(listed.status == 0, "\(listed)")
      let found = try await sample(["--latent", folder.file("elsewhere")])
      #expect(found.status == 0, "\(found)")
      let again = SmallRun(folder.file("elsewhere"))
      let more = try await again.train(["--resume", "--steps", "31"])
      try #require(more.status == 0, "\(more)")
      let other = try await sample(["--latent", again.path])
      #expect(other.status == 65 && other.errors.contains("not the autoencoder"), "\(other)")
    }

    /// What cannot stand between images and a denoiser.
    @Test func whatIsNoCoder() async throws {
      let reference = try await SmallRun.reference.value
      let (_, autoencoder) = try await Self.autoencoder.value
      for (settings, code, part) in [
        (["latent=\(reference.path)"], 65, "one of model=autoencoder or vae"),
        (["latent=\(folder.file("none"))"], 66, "there is no checkpoint"),
        (["latent=\(autoencoder.path)", "model=vae"], 64, "is for model=ddpm"),
        (["latent_shift=[1.0]"], 64, "is needed for the other settings"),
        (["latent=\(autoencoder.path)", "latent_scale=[1.0]"], 64, "latent_scale"),
        (
          ["latent=\(autoencoder.path)", "latent_hash=0123456789abcdef0123456789abcdef"], 65,
          "not the autoencoder"
        ),
        (["latent=\(autoencoder.path)", "latent_extents=[8, 8, 1]"], 64, "latent_extents"),
        (["latent=\(autoencoder.path)", "multipliers=[1, 1, 1, 1]"], 64, "halve"),
      ] as [([String], Int32, String)] {
        let outcome = try await SmallRun(folder.file("run")).train(
          ["--steps", "2"], settings: settings)
        #expect(
          outcome.status == code && outcome.errorLines.count == 1 && outcome.errors.contains(part),
          "\(settings): \(outcome)")
      }
      #expect(try folder.names().isEmpty)
    }
  }
}
