// The reverse process with corrections: at each level, Langevin dynamics, and then a random step.

import Diffusion
import Foundation
import Tensors

extension SamplerKind {
  static let predictorCorrector = SamplerKind(
    "predictor-corrector",
    help: "a step of Langevin dynamics before each step of ancestral (Song et al. 2021b, alg. 3)",
    options: ["variance", "snr"]
  ) { process, options in try PredictorCorrector(process, options) }
}

/// At each visited step t, the corrector and then the predictor, as in Song's code (Song et al. 2021b,
/// algorithms 3 and 5). The predictor is the ancestral step. The corrector is
///
///     x ← x + e g + √(2e) z,    e = 2 α_t (r ‖z‖/‖g‖)²
///
/// with the score g = (√ᾱ_t x̂_0 − x_t)/(1−ᾱ_t), and α_t of the visited chain. The norms are those of each
/// image, where Song's code takes means over the batch: an image does not depend on others.
struct PredictorCorrector: Sampler {
  private let steps: ReverseSteps
  private let snr: Double

  /// - Throws: `DiffusionError` for steps that cannot be chosen, `SamplerError` for a variance that
  ///   the model does not have.
  init(_ process: SampledProcess, _ options: SamplerOptions) throws {
    steps = try ReverseSteps(
      of: process, grid: options.grid ?? .trailing, steps: options.steps,
      variance: options.variance)
    snr = options.snr ?? 0.16
  }

  /// Two for each step.
  var evaluations: Int? { 2 * steps.visited.grid.count }

  var notes: [String] { steps.notes }

  var facts: [String: Fact] {
    steps.facts.merging(["sampler": .text("predictor-corrector"), "snr": .number(snr)]) { $1 }
  }

  func run(_ x: Tensor, _ noise: SampleNoise, _ pool: BufferPool, denoise: Denoise) {
    let z = Tensor(Shape(1, x.shape.h, x.shape.w, x.shape.c), in: pool)
    let grid = steps.visited.grid
    for i in (1...grid.count).reversed() {
      let t = x.times(Double(grid[i - 1]))
      let seen = denoise(x, t).x0
      for n in 0..<x.shape.n {
        noise.fill(z.scalars, image: n, step: 2 * i)
        correct(x.image(n), seen.image(n), i, z.scalars)
      }
      steps.step(i, x, denoise(x, t), z: z) { noise.fill($0, image: $1, step: 2 * i + 1) }
    }
  }

  /// One step of Langevin dynamics for an image at step i of the visited chain.
  private func correct(
    _ x: UnsafeMutableBufferPointer<Float>, _ x0: UnsafeMutableBufferPointer<Float>, _ i: Int,
    _ z: UnsafeMutableBufferPointer<Float>
  ) {
    let chain = steps.visited.chain
    let (variance, root) = (chain.noiseVariance(i), chain.cumulativeAlpha(i).squareRoot())
    func score(_ k: Int) -> Double { (root * Double(x0[k]) - Double(x[k])) / variance }
    var (scores, noises) = (0.0, 0.0)
    for k in x.indices {
      scores += score(k) * score(k)
      noises += Double(z[k]) * Double(z[k])
    }
    guard scores > 0 else { return }
    let size = 2 * chain.alpha(i) * snr * snr * noises / scores
    let deviation = (2 * size).squareRoot()
    for k in x.indices {
      x[k] = Float(Double(x[k]) + size * score(k) + deviation * Double(z[k]))
    }
  }
}
