// The reverse process itself: one random step of the chain at a time.

import Diffusion
import Tensors

extension SamplerKind {
  static let ancestral = SamplerKind(
    "ancestral", help: "one random step of the chain at a time (Ho et al. 2020, algorithm 2)",
    options: ["variance"]
  ) { process, options in
    try Ancestral(
      of: process, grid: options.grid ?? .linspace, steps: options.steps,
      variance: options.variance)
  }
}

/// The reverse process: x_{t−1} = μ̃_t(x_t, x̂_0) + σ_t z (Ho, Jain, Abbeel 2020, algorithm 2).
public struct Ancestral: Sampler {
  private let steps: ReverseSteps

  /// One for each step.
  public var evaluations: Int? { steps.visited.grid.count }

  /// That few steps take the small variance, and that some are the same, where it is so.
  public var notes: [String] { steps.notes }

  /// The steps and the variance.
  public var facts: [String: Fact] {
    steps.facts.merging(["sampler": .text("ancestral")]) { $1 }
  }

  /// The reverse process over some steps of a chain.
  ///
  /// - Parameters:
  ///   - process: The whole process.
  ///   - grid: Which of its steps are visited.
  ///   - steps: How many; nil: all, or as many as a list has.
  ///   - variance: The variance of a step; nil: the process's own, but `fixed_small` for
  ///     `fixed_large` over few steps.
  /// - Throws: `DiffusionError` for steps that cannot be chosen, `SamplerError` for a variance that
  ///   the model does not have.
  public init(
    of process: SampledProcess, grid: TimestepGrid = .linspace, steps: Int? = nil,
    variance: ReverseVariance? = nil
  ) throws {
    self.steps = try ReverseSteps(of: process, grid: grid, steps: steps, variance: variance)
  }

  /// Samples x_{t−1}, then x_{t−2}, down to x_0.
  public func run(_ x: Tensor, _ noise: SampleNoise, _ pool: BufferPool, denoise: Denoise) {
    let z = Tensor(Shape(1, x.shape.h, x.shape.w, x.shape.c), in: pool)
    let grid = steps.visited.grid
    for i in (1...grid.count).reversed() {
      let denoised = denoise(x, x.times(Double(grid[i - 1])))
      steps.step(i, x, denoised, z: z) { noise.fill($0, image: $1, step: i) }
    }
  }
}
