// The random steps of the reverse process over some steps of a chain.

import Diffusion
import Tensors

/// The steps x_t → x_s of the reverse process: x_s = μ̃(x_t, x̂_0) + σ z, with σ² by one of the rules.
struct ReverseSteps: Sendable {
  let visited: VisitedSteps
  /// The rule for σ².
  let variance: ReverseVariance
  /// That few steps take the small variance, where it is so.
  let notes: [String]
  /// σ² of each step of the visited chain; nil where each scalar has its own.
  private let variances: [Double]?

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
  init(
    of process: SampledProcess, grid: TimestepGrid, steps: Int?, variance chosen: ReverseVariance?
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

  /// The steps and the variance.
  var facts: [String: Fact] {
    visited.facts.merging(["variance": .text(variance.rawValue)]) { $1 }
  }

  /// Turns x_t into x_s, for step i of the visited chain, in place; for i = 1 it is x̂_0.
  ///
  /// - Parameters:
  ///   - draw: Fills z of an image; not called for i = 1.
  ///   - z: Memory for the noise of one image.
  func step(
    _ i: Int, _ x: Tensor, _ denoised: Denoised, z: Tensor,
    draw: (UnsafeMutableBufferPointer<Float>, _ image: Int) -> Void
  ) {
    for n in 0..<x.shape.n {
      if i > 1 { draw(z.scalars, n) }
      var image = x.image(n).mutableSpan
      let (x0, z) = (denoised.x0.image(n).span, z.scalars.span)
      if let variances {
        visited.chain.reverseStep(t: i, x0: x0, variance: variances[i - 1], noise: z, x: &image)
      } else {
        guard let learned = denoised.variance else {
          preconditionFailure("A learned variance comes from the network.")
        }
        visited.chain.reverseStep(
          t: i, x0: x0, learned: learned.image(n).span, noise: z, x: &image)
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
      let x0Variances = try x0Variances(visited)
      return (1...chain.steps).map { i in
        limited(chain.reverseVariance(x0Variance: x0Variances[i - 1], i), i)
      }
    }
  }

  /// Var(x_0 | x_t) at each visited step, from Γ (`NoiseSchedule.x0Variance`).
  ///
  /// - Throws: `SamplerError.missingVariance`.
  func x0Variances(_ visited: VisitedSteps) throws(SamplerError) -> [Double] {
    guard let noiseNorms else { throw .missingVariance(.analytic) }
    return visited.grid.map { schedule.x0Variance(noiseNorm: noiseNorms[$0 - 1], $0) }
  }

  /// An analytic variance of step i: more noise than two grey levels in the last noisy step would be
  /// seen in the image (Bao et al. 2022, appendix F.2).
  func limited(_ variance: Double, _ i: Int) -> Double {
    guard i == 2, let levels else { return variance }
    let limit = 2 * 2 / Double(levels - 1) * (Double.pi / 2).squareRoot()
    return min(variance, limit * limit)
  }
}
