// Wrong calls of ddpm-sample: samplers, grids and tasks that cannot be.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport

extension RefusalTests {
  /// Everything that is refused of `ddpm-sample` beyond what all commands refuse.
  static var sampling: [Case] { samplerWords + samplerRuns + tasks }

  private static func words(
    _ name: String, _ words: [String], _ parts: [String]
  ) -> Case {
    Case(
      name: "sample: \(name)", program: .sample, words: ["--ckpt", "x"] + words, code: 64,
      parts: parts, ranks: [nil])
  }

  /// What needs no checkpoint to be refused.
  private static let samplerWords = [
    words("a sampler's near name", ["--sampler", "dpmsolver++"], ["Did you mean dpm-solver++?"]),
    words("a grid's near name", ["--grid", "trailin"], ["'trailin'", "Did you mean trailing?"]),
    words("no steps", ["--steps", "0"], ["--steps", "at least 1"]),
    words("a fourth order", ["--sampler", "unipc", "--order", "4"], ["--order", "1, 2 or 3"]),
    words("no tolerance", ["--sampler", "rk45", "--tolerance", "0"], ["--tolerance", "1e-12"]),
    words("a tolerance of nothing", ["--tolerance", "nan"], ["--tolerance"]),
    words("a ratio below nothing", ["--snr=-1"], ["--snr", "0 to 1"]),
    words("a threshold of all", ["--dynamic-threshold", "1.5"], ["--dynamic-threshold", "1.5"]),
    words(
      "two ways to clip", ["--no-clip", "--dynamic-threshold", "0.9"],
      ["--no-clip and --dynamic-threshold exclude each other"]),
    words("numbers backwards", ["--images", "5-4"], ["'5-4'", "--images"]),
    words("numbers of nothing", ["--images", "a-b"], ["'a-b'"]),
    words("two numbers of images", ["--count", "3", "--images", "0-3"], ["leave one out"]),
    words("two tasks", ["--encode", "digits", "--init", "x.h5"], ["--init and --encode exclude"]),
    words("frames of nothing", ["--frames", "3"], ["--walk or --trajectory"]),
    words("one frame", ["--trajectory", "--frames", "1"], ["at least 2"]),
    words("one seed", ["--interpolate", "3"], ["'3'", "--interpolate"]),
    words("a mask of nothing", ["--mask", "m.png"], ["--mask goes with --inpaint"]),
    words("painting without a mask", ["--inpaint", "digits"], ["needs a --mask"]),
    words("variations of no level", ["--from", "digits"], ["needs a --noise-level"]),
    words("a level of nothing", ["--noise-level", "3"], ["goes with --from"]),
    words("a group of nothing", ["--group", "train"], ["--group goes with"]),
    words(
      "no repeats", ["--inpaint", "digits", "--mask", "m.png", "--repeats", "0"],
      ["--repeats", "1 to 1000"]),
  ]

  private static func run(
    _ name: String, _ words: [String], code: Int32 = 64, ranks: [Int?] = [nil], _ parts: [String]
  ) -> Case {
    Case(
      name: "sample: \(name)", program: .sample, words: ["--ckpt", "@run"] + words, code: code,
      parts: parts, ranks: ranks, prepare: things)
  }

  /// What the model or its checkpoint does not have.
  private static let samplerRuns =
    [
      "ddim", "analytic-ddim", "dpm-solver++", "sde-dpm-solver++", "unipc", "heun", "euler",
      "predictor-corrector",
    ].map { run("more steps than T of \($0)", ["--sampler", $0, "--steps", "21"], ["21 of 20"]) }
    + [
      run(
        "a variance that was not estimated", ["--variance", "analytic"], ranks: [nil, 2],
        ["no analytic variance", "estimate-variance"]),
      run(
        "analytic-ddim without it", ["--sampler", "analytic-ddim"],
        ["no analytic variance", "estimate-variance"]),
      run(
        "a variance that was not learned", ["--variance", "learned"],
        ["no learned variance"]),
      run("a list twice the same", ["--sampler", "heun", "--grid", "3,3"], ["[3, 3]", "1 to 20"]),
      run("a grid of rk45", ["--sampler", "rk45", "--grid", "karras"], ["rk45", "--grid"]),
      run("an order of heun", ["--sampler", "heun", "--order", "2"], ["heun", "--order"]),
      run(
        "too few steps of rk45",
        ["--sampler", "rk45", "--tolerance", "1e-8", "--steps", "2", "--count", "1"],
        ["Image 0", "evaluations"]),
    ]

  private static let tasks = [
    run(
      "a level beyond T", ["--from", "digits", "--noise-level", "21"], ranks: [nil, 2],
      ["--noise-level", "1 to 20"]),
    run(
      "more steps than the level",
      ["--from", "digits", "--noise-level", "4", "--sampler", "ddim", "--steps", "5"],
      ["5 of 4"]),
    run(
      "encoding by another sampler", ["--encode", "digits", "--sampler", "heun"],
      ["--encode", "ddim", "heun"]),
    run(
      "encoding with noise", ["--encode", "digits", "--sampler", "ddim", "--eta", "0.5"],
      ["--eta", "--encode"]),
    run(
      "painting by another sampler",
      ["--inpaint", "digits", "--mask", "@mask.png", "--sampler", "ddim"],
      ["--inpaint", "ancestral", "ddim"]),
    run(
      "a mask of another shape", ["--inpaint", "digits", "--mask", "@wide.png"], code: 65,
      ranks: [nil, 2], ["wide.png", "8 × 9", "8 × 8"]),
    run(
      "a mask that keeps all", ["--inpaint", "digits", "--mask", "@black.png"], code: 65,
      ["black.png", "no white pixel"]),
    run(
      "a mask that is none", ["--inpaint", "digits", "--mask", "@small.h5"], code: 65,
      ["small.h5", "not a PNG file"]),
    run(
      "no mask there", ["--inpaint", "digits", "--mask", "@no.png"], code: 66, ["no.png"]),
    run("no data there", ["--encode", "@no.h5"], code: 66, ["no.h5"]),
    run(
      "data of another shape", ["--encode", "@small.h5"], code: 65,
      ["small.h5", "2×2×1", "8×8×1"]),
    run(
      "more than there are", ["--encode", "digits", "--images", "1790-1797"], code: 65,
      ["1797 images", "0 to 1796"]),
  ]

  /// A run, masks, a small dataset.
  @Sendable private static func things(_ folder: TemporaryFolder) async throws {
    _ = try await SmallRun.reference.value.copy(to: folder.file("run"))
    for (name, width, grey) in [
      ("mask.png", 8, UInt8(255)), ("wide.png", 9, 255), ("black.png", 8, 0),
    ] {
      try Picture(
        shape: ImageShape(height: 8, width: width, channels: 1),
        pixels: Array(repeating: grey, count: 8 * width)
      ).writePNG(to: folder.file(name))
    }
    let writer = try ImageDatasetWriter(
      output: folder.file("small.h5"), shape: ImageShape(height: 2, width: 2, channels: 1),
      name: "x")
    try writer.append(images: [1, 2, 3, 4])
    _ = try writer.finish()
  }
}
