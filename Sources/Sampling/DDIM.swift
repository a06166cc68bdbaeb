// Denoising diffusion implicit models: the same network, a process with less noise or none.

import Diffusion
import Tensors

extension SamplerKind {
  static let ddim = SamplerKind(
    "ddim", help: "with eta 0 (the default) without noise after x_T (Song et al. 2021, eq. 12)",
    options: ["eta"]
  ) { process, options in
    let eta = options.eta ?? 0
    guard (0...1).contains(eta) else { throw SamplerError.invalidEta(eta) }
    return try DDIM(
      schedule: process.schedule, grid: options.grid ?? .trailing, steps: options.steps, eta: eta)
  }
}

/// From step t to the next one of the grid, s (Song, Meng, Ermon 2021, eqs. 12 and 16):
///
///     x_s = √ᾱ_s x̂_0 + √(1−ᾱ_s−η̂²) ε̂ + η̂ z,    η̂² = η² (1−ᾱ_s)/(1−ᾱ_t) (1−ᾱ_t/ᾱ_s)
///
/// ε̂ = (x_t − √ᾱ_t x̂_0)/√(1−ᾱ_t) is what x̂_0 leaves of x_t, after clipping too. η = 1 is the
/// ancestral sampler with `fixed_small`; with η = 0 the image is a function of x_T.
public struct DDIM: Sampler {
  private let visited: VisitedSteps
  private let eta: Double

  /// One for each step.
  public var evaluations: Int? { visited.grid.count }

  /// That some steps are the same, where it is so.
  public var notes: [String] { visited.notes }

  /// The steps and η.
  public var facts: [String: Fact] {
    visited.facts.merging(["sampler": .text("ddim"), "eta": .number(eta)]) { $1 }
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
    precondition((0...1).contains(eta), "η lies in [0, 1].")
    visited = try VisitedSteps(grid, steps, of: schedule)
    self.eta = eta
  }

  /// Goes from each step of the grid to the next one, and from the last to x̂_0.
  public func run(
    _ x: Tensor, _ noise: SampleNoise, _ pool: BufferPool,
    denoise: (_ x: Tensor, _ t: Double) -> Denoised
  ) {
    let z = Tensor(Shape(1, x.shape.h, x.shape.w, x.shape.c), in: pool)
    let (grid, chain) = (visited.grid, visited.chain)
    for i in (1...grid.count).reversed() {
      let x0 = denoise(x, Double(grid[i - 1])).x0
      let (from, to) = (chain.forwardCoefficients(i), chain.forwardCoefficients(i - 1))
      // β̃ of the chain of the grid is η̂² for η = 1.
      let variance = eta * eta * chain.posteriorVariance(i)
      let kept = max(0, chain.noiseVariance(i - 1) - variance).squareRoot() / from.noise
      let (x0Factor, deviation) = (to.x0 - kept * from.x0, variance.squareRoot())
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
