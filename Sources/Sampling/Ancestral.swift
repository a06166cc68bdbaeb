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
  private let visited: VisitedSteps
  private let variance: ReverseVariance
  /// σ² of each step of the visited chain; nil where each scalar has its own.
  private let variances: [Double]?
  /// That few steps take the small variance, and that some are the same, where it is so.
  public let notes: [String]

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
  ///   - process: The whole process.
  ///   - grid: Which of its steps are visited.
  ///   - steps: How many; nil: all, or as many as a list has.
  ///   - chosen: The variance of a step; nil: the process's own, but `fixed_small` for
  ///     `fixed_large` over few steps.
  /// - Throws: `DiffusionError` for steps that cannot be chosen, `SamplerError` for a variance that
  ///   the model does not have.
  public init(
    of process: SampledProcess, grid: TimestepGrid = .linspace, steps: Int? = nil,
    variance chosen: ReverseVariance? = nil
  ) throws {
    let visited = try VisitedSteps(grid, steps, of: process.schedule)
    var (variance, notes) = (chosen ?? process.variance, visited.notes)
    let (count, all) = (visited.grid.count, process.schedule.steps)
    if chosen == nil, variance == .fixedLarge, count < all {
      // β of a long jump is far above what x_{t−1} varies by: it would leave grain in the image.
      variance = .fixedSmall
      notes += [
        "With \(count) of \(all) steps the variance is fixed_small, since fixed_large would leave "
          + "grain; --variance fixed_large takes it all the same."
      ]
    }
    variances = try process.variances(variance, visited)
    (self.visited, self.variance, self.notes) = (visited, variance, notes)
  }

  /// Samples x_{t−1}, then x_{t−2}, down to x_0.
  public func run(
    _ x: Tensor, _ noise: SampleNoise, _ pool: BufferPool,
    denoise: (_ x: Tensor, _ t: Double) -> Denoised
  ) {
    let z = Tensor(Shape(1, x.shape.h, x.shape.w, x.shape.c), in: pool)
    let (grid, chain) = (visited.grid, visited.chain)
    for i in (1...grid.count).reversed() {
      let denoised = denoise(x, Double(grid[i - 1]))
      for n in 0..<x.shape.n {
        if i > 1 { noise.fill(z.scalars, image: n, step: i) }
        var image = x.image(n).mutableSpan
        let (x0, z) = (denoised.x0.image(n).span, z.scalars.span)
        if let variances {
          chain.reverseStep(t: i, x0: x0, variance: variances[i - 1], noise: z, x: &image)
        } else {
          guard let learned = denoised.variance else {
            preconditionFailure("A learned variance comes from the network.")
          }
          chain.reverseStep(t: i, x0: x0, learned: learned.image(n).span, noise: z, x: &image)
        }
      }
    }
  }
}

extension SampledProcess {
  /// σ² of each step of the chain that visits some steps; nil where each scalar has its own.
  ///
  /// - Throws: `SamplerError.missingVariance`.
  fileprivate func variances(
    _ rule: ReverseVariance, _ visited: VisitedSteps
  ) throws(SamplerError) -> [Double]? {
    let chain = visited.chain
    switch rule {
    case .fixedLarge, .fixedSmall:
      return (1...chain.steps).map { chain.fixedVariance(rule, $0) }
    case .learned:
      guard variance == .learned else { throw .missingVariance(rule) }
      return nil
    case .analytic:
      guard let noiseNorms else { throw .missingVariance(rule) }
      // More noise than two grey levels in the last noisy step would be seen in the image (Bao et
      // al. 2022, appendix F.2).
      let limit = levels.map { 2 * 2 / Double($0 - 1) * (Double.pi / 2).squareRoot() }
      return (1...chain.steps).map { i in
        let t = visited.grid[i - 1]
        let variance = chain.reverseVariance(
          x0Variance: schedule.x0Variance(noiseNorm: noiseNorms[t - 1], t), i)
        guard i == 2, let limit else { return variance }
        return min(variance, limit * limit)
      }
    }
  }
}
