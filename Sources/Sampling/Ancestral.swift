// The reverse process itself: one random step of the chain at a time.

import Diffusion
import Tensors

extension SamplerKind {
  static let ancestral = SamplerKind(
    "ancestral", help: "one random step of the chain at a time (Ho et al. 2020, algorithm 2)",
    options: ["variance"]
  ) { schedule, trained, options in
    var sampler = try Ancestral(
      schedule: schedule, grid: options.grid ?? .linspace, steps: options.steps,
      variance: options.variance ?? trained)
    let count = sampler.visited.grid.count
    if options.variance == nil, trained == .fixedLarge, count < schedule.steps {
      // β of a long jump is far above what x_{t−1} varies by: it would leave grain in the image.
      sampler.variance = .fixedSmall
      sampler.notes += [
        "With \(count) of \(schedule.steps) steps the variance is fixed_small, since fixed_large "
          + "would leave grain; --variance fixed_large takes it all the same."
      ]
    }
    return sampler
  }
}

/// The reverse process: x_{t−1} = μ̃_t(x_t, x̂_0) + σ_t z (Ho, Jain, Abbeel 2020, algorithm 2).
public struct Ancestral: Sampler {
  fileprivate let visited: VisitedSteps
  fileprivate var variance: ReverseVariance
  /// That few steps take the small variance, and that some are the same, where it is so.
  public fileprivate(set) var notes: [String]

  /// One for each step.
  public var evaluations: Int? { visited.grid.count }

  /// The steps and the variance.
  public var facts: [String: Fact] {
    visited.facts.merging(
      ["sampler": .text("ancestral"), "variance": .text(variance.rawValue)]) { $1 }
  }

  /// The reverse process over some steps of a chain.
  ///
  /// - Parameters:
  ///   - schedule: The whole chain.
  ///   - grid: Which of its steps are visited.
  ///   - steps: How many; nil: all, or as many as a list has.
  ///   - variance: The variance of a step.
  /// - Throws: `DiffusionError` for steps that cannot be chosen.
  public init(
    schedule: NoiseSchedule, grid: TimestepGrid = .linspace, steps: Int? = nil,
    variance: ReverseVariance
  ) throws(DiffusionError) {
    visited = try VisitedSteps(grid, steps, of: schedule)
    notes = visited.notes
    self.variance = variance
  }

  /// Samples x_{t−1}, then x_{t−2}, down to x_0.
  public func run(
    _ x: Tensor, _ noise: SampleNoise, _ pool: BufferPool,
    denoise: (_ x: Tensor, _ t: Double) -> Denoised
  ) {
    let z = Tensor(Shape(1, x.shape.h, x.shape.w, x.shape.c), in: pool)
    let (grid, chain) = (visited.grid, visited.chain)
    for i in (1...grid.count).reversed() {
      let x0 = denoise(x, Double(grid[i - 1])).x0
      let variance = variance.value(at: i, of: chain)
      for n in 0..<x.shape.n {
        if i > 1 { noise.fill(z.scalars, image: n, step: i) }
        var image = x.image(n).mutableSpan
        chain.reverseStep(
          t: i, x0: x0.image(n).span, variance: variance, noise: z.scalars.span, x: &image)
      }
    }
  }
}
