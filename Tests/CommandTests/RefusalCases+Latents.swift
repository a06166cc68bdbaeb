// Wrong calls about models with latents: what an autoencoder cannot say, and what no chain can be.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport

extension RefusalTests {
  /// Everything that is refused of latents.
  static var latents: [Case] { latentSettings + autoencoder + variational + diffusion }

  private static let latentSettings =
    [
      (
        "more latents than scalars", ["model=vae", "latents=[65]"],
        ["latents", "65", "64 of an image"]
      ),
      ("two layers of a VAE", ["model=vae", "latents=[4, 2]"], ["latents", "hierarchical_vae"]),
      ("one layer of several", ["model=hierarchical_vae"], ["latents", "model=vae"]),
      ("too many widths", ["model=vae", "hidden=[8, 8]"], ["hidden needs one width"]),
      ("maps of linear layers", ["model=vae", "latent_form=map"], ["convolutional"]),
      (
        "grey images as black and white", ["model=vae", "decoder=bernoulli"],
        ["decoder", "17 grey levels", "binarization"]
      ),
      ("drawing pixels of a normal", ["model=vae", "binarization=dynamic"], ["decoder=bernoulli"]),
      ("classes of a VAE", ["model=vae", "condition=class"], ["condition", "none"]),
      ("an unknown decoder", ["decoder=laplace"], ["decoder", "bernoulli"]),
      ("a deviation of nothing", ["decoder_sigma=0"], ["decoder_sigma"]),
      ("no latents", ["latents=[]", "model=vae"], ["latents"]),
    ].map { name, settings, parts in
      Case(
        name: "latents: \(name)", words: ["train", "--run", "@run", "--set"] + settings, code: 64,
        parts: parts, ranks: [nil])
    } + [
      continuous("black and white", "decoder=bernoulli", "[-2.0, 6.0]"),
      continuous("bins of what has no levels", "decoder=discretized_logistic", "continuous"),
    ]

  /// Images between −2 and 6.
  private static func continuous(_ name: String, _ decoder: String, _ part: String) -> Case {
    Case(
      name: "latents: \(name)",
      words: [
        "train", "--run", "@run", "--data", "@real.h5", "--set", "model=vae", decoder, "batch=4",
      ], code: 64, parts: ["decoder", part],
      prepare: { folder in
        let file = try File.create(folder.file("real.h5"))
        let root = try file.root()
        let values = (0..<256).map { Float($0 % 9) - 2 }
        try root.write("images", values, shape: [4, 8, 8, 1])
        try root.dataset("images").setAttribute("value_range", .doubles([-2, 6]))
        try root.close()
        try file.close()
      })
  }

  private static func trained(_ family: String) -> Task<SmallRun, any Error> {
    Task {
      let run = SmallRun("\(sharedFolder.path)/\(family)")
      let outcome = try await run.train(
        ["--steps", "2", "--workers", "1"], settings: ["model=\(family)", "latents=[3]"])
      guard outcome.status == 0 else { throw CocoaError(.featureUnsupported) }
      return run
    }
  }

  private static let codes = trained("autoencoder")
  private static let chain = trained("vae")

  private static func of(
    _ run: Task<SmallRun, any Error>, _ name: String, _ program: Program, _ words: [String],
    _ code: Int32, _ parts: [String]
  ) -> Case {
    Case(
      name: "latents: \(name)", program: program, words: words, code: code, parts: parts,
      ranks: [nil],
      prepare: { folder in
        _ = try await run.value.copy(to: folder.file("run"))
        let writer = try ImageDatasetWriter(
          output: folder.file("wide.h5"), shape: ImageShape(height: 8, width: 9, channels: 1),
          format: .levels(17), name: "wide")
        try writer.append(images: [UInt8](repeating: 0, count: 72))
        _ = try writer.finish()
      })
  }

  private static let autoencoder = [
    of(
      codes, "an autoencoder's likelihood", .dist, ["evaluate", "--ckpt", "@run"], 64,
      ["no distribution of images", "--reconstruct"]),
    of(
      codes, "images from an autoencoder", .sample, ["--ckpt", "@run"], 64,
      ["no distribution of images", "--reconstruct"]),
    of(
      codes, "a walk through an autoencoder", .sample, ["--ckpt", "@run", "--walk", "1,2"], 64,
      ["no distribution of images"]),
    of(
      codes, "images of another shape", .sample, ["--ckpt", "@run", "--reconstruct", "@wide.h5"],
      65, ["wide.h5", "8×9"]),
    of(
      codes, "a prediction of noise", .dist,
      ["predict", "--ckpt", "@run", "--input", "@wide.h5", "--output", "@y.h5"], 64,
      ["cannot predict noise"]),
  ]

  private static let variational = [
    of(
      chain, "a sampler of noise", .sample, ["--ckpt", "@run", "--sampler", "ddim"], 64,
      ["no sampler 'ddim'", "mean"]),
    of(
      chain, "steps", .sample, ["--ckpt", "@run", "--steps", "5"], 64, ["no use for --steps"]),
    of(
      chain, "variations", .sample,
      ["--ckpt", "@run", "--from", "digits", "--noise-level", "3"], 64, ["no use for --from"]),
    of(
      chain, "a latent beyond the last", .sample, ["--ckpt", "@run", "--walk", "1,4"], 64,
      ["no latent 4", "1 to 3"]),
    of(
      chain, "a walk along one latent", .sample, ["--ckpt", "@run", "--walk", "2,2"], 64,
      ["'2,2'"]),
    of(
      chain, "a class", .sample, ["--ckpt", "@run", "--class", "7"], 64, ["without a condition"]),
    of(
      chain, "a method of others", .dist, ["evaluate", "--ckpt", "@run", "--method", "flow"], 64,
      ["no use for --method flow"]),
    of(
      chain, "no importance samples", .dist,
      ["evaluate", "--ckpt", "@run", "--importance-samples", "0"], 64,
      ["--importance-samples needs", "1 to 1000000"]),
    of(
      chain, "draws beside importance samples", .dist,
      ["evaluate", "--ckpt", "@run", "--importance-samples", "5", "--draws", "5"], 64,
      ["leave --draws out"]),
    of(
      chain, "a variance", .dist,
      ["estimate-variance", "--ckpt", "@run", "--output", "@y.h5"], 64, ["cannot"]),
  ]

  private static let diffusion = [
    of(
      SmallRun.reference, "a walk through noise", .sample, ["--ckpt", "@run", "--walk", "1,2"], 64,
      ["--walk", "has none", "--interpolate"]),
    of(
      SmallRun.reference, "importance samples of noise", .dist,
      ["evaluate", "--ckpt", "@run", "--importance-samples", "5"], 64,
      ["--importance-samples is for"]),
    of(
      SmallRun.reference, "a decoder's mean of noise", .sample,
      ["--ckpt", "@run", "--sampler", "mean"], 64, ["no sampler 'mean'"]),
  ]
}
