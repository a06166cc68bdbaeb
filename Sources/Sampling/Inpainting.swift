// Painting a part of an image anew, such that it fits the rest.

import Diffusion
import Tensors

/// RePaint (Lugmayr et al. 2022, algorithm 1): a reverse step for what is painted, and for what is kept
/// the image itself, with as much noise as there is at that step.
///
/// So that both parts fit each other, the process goes back now and then: after every j steps, noise is
/// added again for j steps, `repeats − 1` times (appendix B). j is 10, or a fifth of fewer than 50 steps.
public struct Inpainting: Sendable {
  private let steps: ReverseSteps
  private let repeats: Int
  /// Whether each scalar of an image, (h, w, c), is painted anew.
  private let mask: [Bool]
  /// The levels of the visited chain, from K to 0, with jumps upwards between.
  private let path: [Int]

  /// Painting by the reverse process over some steps of a chain.
  ///
  /// - Parameters:
  ///   - process: The whole process.
  ///   - options: Steps, grid and variance, as `Ancestral` takes them.
  ///   - mask: Whether each scalar of an image, (h, w, c), is painted anew.
  ///   - repeats: How often each part of the way is gone, at least once.
  /// - Throws: `DiffusionError` and `SamplerError` for options that cannot be followed.
  public init(
    of process: SampledProcess, _ options: SamplerOptions, mask: [Bool], repeats: Int
  ) throws {
    precondition(repeats >= 1, "Each part of the way is gone at least once.")
    try options.check()
    steps = try ReverseSteps(
      of: process, grid: options.grid ?? .linspace, steps: options.steps,
      variance: options.variance)
    (self.mask, self.repeats) = (mask, repeats)
    path = Self.path(steps: steps.visited.grid.count, repeats: repeats)
  }

  /// The levels, from K to 0: back by j from 1, 1 + j, …, as often as it is to be.
  package static func path(steps: Int, repeats: Int) -> [Int] {
    let jump = min(10, max(1, steps / 5))
    var jumps: [Int: Int] = [:]
    for level in stride(from: 1, to: steps - jump + 1, by: jump) { jumps[level] = repeats - 1 }
    var path = [steps]
    while let level = path.last, level > 0 {
      if let left = jumps[level], left > 0 {
        jumps[level] = left - 1
        path.append(level + jump)
      } else {
        path.append(level - 1)
      }
    }
    return path
  }

  /// One for each step downwards.
  public var evaluations: Int { zip(path, path.dropFirst()).count { $1 < $0 } }

  /// That few steps take the small variance, and that some are the same, where it is so.
  public var notes: [String] { steps.notes }

  /// The steps, the variance and the repeats.
  public var facts: [String: Fact] {
    steps.facts.merging(["sampler": .text("ancestral"), "repeats": .integer(repeats)]) { $1 }
  }

  /// Turns x_T into x_0 in place, which outside the mask is the known image.
  ///
  /// - Parameters:
  ///   - x: x_T, later x_0, (n, h, w, c).
  ///   - known: x_0 outside the mask, (n, h, w, c).
  ///   - noise: The random numbers of these images.
  ///   - pool: The memory of the calling worker.
  ///   - denoise: What the network sees in noisy images.
  public func run(
    _ x: Tensor, known: Tensor, _ noise: SampleNoise, _ pool: BufferPool, denoise: Denoise
  ) {
    let z = Tensor(Shape(1, x.shape.h, x.shape.w, x.shape.c), in: pool)
    let (grid, chain) = (steps.visited.grid, steps.visited.chain)
    for (move, (from, to)) in zip(path, path.dropFirst()).enumerated() {
      guard to < from else {
        // q(x_t | x_s) for s < t.
        let (start, end) = (chain.cumulativeAlpha(from), chain.cumulativeAlpha(to))
        let kept = (end / start).squareRoot()
        let added = (chain.noiseVariance(to) - end / start * chain.noiseVariance(from))
          .squareRoot()
        for n in 0..<x.shape.n {
          noise.fill(z.scalars, image: n, step: 2 * move)
          mix(x.image(n), kept, x.image(n), added, z.scalars) { _ in true }
        }
        continue
      }
      let denoised = denoise(x, x.times(Double(grid[from - 1])))
      steps.step(from, x, denoised, z: z) { noise.fill($0, image: $1, step: 2 * move) }
      let level = chain.forwardCoefficients(to)
      for n in 0..<x.shape.n {
        if to > 0 { noise.fill(z.scalars, image: n, step: 2 * move + 1) }
        mix(x.image(n), level.x0, known.image(n), level.noise, z.scalars) { !mask[$0] }
      }
    }
  }

  /// Writes a · `source` + b · z where it is wanted.
  private func mix(
    _ x: UnsafeMutableBufferPointer<Float>, _ a: Double,
    _ source: UnsafeMutableBufferPointer<Float>, _ b: Double,
    _ z: UnsafeMutableBufferPointer<Float>, where isWanted: (Int) -> Bool
  ) {
    for k in x.indices where isWanted(k) {
      x[k] = Float(a * Double(source[k]) + (b == 0 ? 0 : b * Double(z[k])))
    }
  }
}
