// Denoising diffusion implicit models: the same network, a process with less noise or none.

import Diffusion
import Tensors

extension SamplerKind {
  static let ddim = SamplerKind(
    "ddim", help: "with eta 0 (the default) without noise after x_T (Song et al. 2021, eq. 12)",
    options: ["eta"]
  ) { process, options in
    try DDIM(
      schedule: process.schedule, grid: options.grid ?? .trailing, steps: options.steps,
      eta: options.eta ?? 0)
  }

  static let analyticDDIM = SamplerKind(
    "analytic-ddim",
    help: "ddim with the best noise for a few steps, after estimate-variance (Bao et al. 2022)",
    options: ["eta"]
  ) { process, options in
    try DDIM(
      analytic: process, grid: options.grid ?? .trailing, steps: options.steps,
      eta: options.eta ?? 0)
  }
}

/// From step t to the next one of the grid, s (Song, Meng, Ermon 2021, eqs. 12 and 16):
///
///     x_s = √ᾱ_s x̂_0 + √(1−ᾱ_s−η̂²) ε̂ + σ z,    η̂² = η² (1−ᾱ_s)/(1−ᾱ_t) (1−ᾱ_t/ᾱ_s)
///
/// ε̂ = (x_t − √ᾱ_t x̂_0)/√(1−ᾱ_t) is what x̂_0 leaves of x_t, after clipping too. η = 1 is the
/// ancestral sampler with `fixed_small`; with η = 0 the image is a function of x_T.
///
/// σ² is η̂². The analytic one is larger by what the mean varies by with x_0 (Bao et al. 2022,
/// eq. 6): η̂² + (√ᾱ_s − √((1−ᾱ_s−η̂²) ᾱ_t/(1−ᾱ_t)))² Var(x_0 | x_t).
public struct DDIM: Sampler {
  private let visited: VisitedSteps
  private let name: String
  private let eta: Double
  /// Each step of the visited chain: the factors of x̂_0 and x_t, and σ.
  private let steps: [(x0: Double, xt: Double, deviation: Double)]

  /// One for each step.
  public var evaluations: Int? { visited.grid.count }

  /// That some steps are the same, where it is so.
  public var notes: [String] { visited.notes }

  /// The steps and η.
  public var facts: [String: Fact] {
    visited.facts.merging(["sampler": .text(name), "eta": .number(eta)]) { $1 }
  }

  /// DDIM over some steps of a chain.
  ///
  /// - Parameters:
  ///   - schedule: The whole chain.
  ///   - grid: Which of its steps are visited.
  ///   - steps: How many; nil: all, or as many as a list has.
  ///   - eta: η, 0 … 1.
  /// - Throws: `DiffusionError` for steps that cannot be chosen.
  public init(
    schedule: NoiseSchedule, grid: TimestepGrid = .trailing, steps: Int? = nil, eta: Double
  ) throws(DiffusionError) {
    self.init("ddim", try VisitedSteps(grid, steps, of: schedule), eta) { variance, _, _ in
      variance
    }
  }

  /// DDIM with the analytic variance.
  ///
  /// - Parameters:
  ///   - process: The whole process, with Γ.
  ///   - grid: Which of its steps are visited.
  ///   - steps: How many; nil: all, or as many as a list has.
  ///   - eta: η, 0 … 1.
  /// - Throws: `DiffusionError` for steps that cannot be chosen, `SamplerError.missingVariance`.
  public init(
    analytic process: SampledProcess, grid: TimestepGrid = .trailing, steps: Int? = nil,
    eta: Double
  ) throws {
    let visited = try VisitedSteps(grid, steps, of: process.schedule)
    let x0Variances = try process.x0Variances(visited)
    self.init("analytic-ddim", visited, eta) { variance, x0Factor, i in
      // The last step emits its mean.
      if i == 1 { return 0 }
      return process.limited(variance + x0Factor * x0Factor * x0Variances[i - 1], i)
    }
  }

  /// - Parameter variance: σ² from η̂², the factor of x̂_0, and the step of the visited chain.
  private init(
    _ name: String, _ visited: VisitedSteps, _ eta: Double,
    variance: (_ eta: Double, _ x0Factor: Double, _ i: Int) -> Double
  ) {
    precondition((0...1).contains(eta), "η lies in [0, 1].")
    let chain = visited.chain
    steps = (1...chain.steps).map { i in
      let (from, to) = (chain.forwardCoefficients(i), chain.forwardCoefficients(i - 1))
      // β̃ of the chain of the grid is η̂² for η = 1.
      let etaVariance = eta * eta * chain.posteriorVariance(i)
      let kept = max(0, chain.noiseVariance(i - 1) - etaVariance).squareRoot() / from.noise
      let x0Factor = to.x0 - kept * from.x0
      return (x0Factor, kept, variance(etaVariance, x0Factor, i).squareRoot())
    }
    (self.name, self.visited, self.eta) = (name, visited, eta)
  }

  /// Goes from each step of the grid to the next one, and from the last to x̂_0.
  public func run(_ x: Tensor, _ noise: SampleNoise, _ pool: BufferPool, denoise: Denoise) {
    let z = Tensor(Shape(1, x.shape.h, x.shape.w, x.shape.c), in: pool)
    for i in (1...steps.count).reversed() {
      let x0 = denoise(x, x.times(Double(visited.grid[i - 1]))).x0
      let (x0Factor, kept, deviation) = steps[i - 1]
      for n in 0..<x.shape.n {
        if deviation > 0 { noise.fill(z.scalars, image: n, step: i) }
        let (image, start) = (x.image(n), x0.image(n))
        for k in image.indices {
          let mean = x0Factor * Double(start[k]) + kept * Double(image[k])
          image[k] = Float(deviation > 0 ? mean + deviation * Double(z.pointer[k]) : mean)
        }
      }
    }
  }
}
