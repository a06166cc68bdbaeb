// DDIM backwards: from an image to the x_T that it comes from.

import Diffusion
import Tensors

/// The steps of DDIM with η = 0 in the other direction (Song, Meng, Ermon 2021, section 4.3).
///
/// In x̃ = x_t/√ᾱ_t and σ̃ = √((1−ᾱ)/ᾱ) DDIM is Euler's method for dx̃/dσ̃ = ε̂(x_t, t). Encoding is the
/// same method from small σ̃ to large: x̃_t = x̃_s + (σ̃_t − σ̃_s) ε̂(x_s, s) for s < t. The network does
/// not know the time 0: of the image itself, it is asked at step 1, where √ᾱ_1 x_0 is given to it.
public struct DDIMEncoding: Sendable {
  private let visited: VisitedSteps
  /// √ᾱ_1 and √(1−ᾱ_1) of the whole chain.
  private let first: (x0: Double, noise: Double)

  /// The way back of DDIM over some steps.
  ///
  /// - Parameters:
  ///   - grid: Which steps of the chain are visited.
  ///   - steps: How many; nil: all, or as many as a list has.
  /// - Throws: `DiffusionError` for steps that cannot be chosen.
  public init(
    schedule: NoiseSchedule, grid: TimestepGrid = .trailing, steps: Int? = nil
  ) throws(DiffusionError) {
    visited = try VisitedSteps(grid, steps, of: schedule)
    first = schedule.forwardCoefficients(1)
  }

  /// The steps.
  public var facts: [String: Fact] { visited.facts }

  /// That some steps are the same, where it is so.
  public var notes: [String] { visited.notes }

  /// One for each step.
  public var evaluations: Int { visited.grid.count }

  /// Turns x_0 into x_T, of the last step of the grid, in place.
  ///
  /// - Parameters:
  ///   - x: x_0, later x_T, (n, h, w, c).
  ///   - denoise: What the network sees in noisy images.
  public func run(_ x: Tensor, denoise: Denoise) {
    let (grid, chain) = (visited.grid, visited.chain)
    for i in 1...grid.count {
      let to = chain.forwardCoefficients(i)
      // What the network is asked at, and the level that it stands for.
      let (t, from) =
        i == 1 ? (1, first) : (Double(grid[i - 2]), chain.forwardCoefficients(i - 1))
      if i == 1 {
        for k in x.scalars.indices { x.pointer[k] = Float(from.x0 * Double(x.pointer[k])) }
      }
      let x0 = denoise(x, x.times(t)).x0
      // ε̂ = (x_s − √ᾱ_s x̂_0)/√(1−ᾱ_s); x_t = √ᾱ_t (x̃_s + (σ̃_t − σ̃_s) ε̂), with σ̃_s = 0 for the image.
      let level = i == 1 ? 0 : from.noise / from.x0
      let factor = (to.noise - to.x0 * level) / from.noise
      let (kept, x0Factor) = (to.x0 / from.x0 + factor, -factor * from.x0)
      for k in x.scalars.indices {
        x.pointer[k] = Float(kept * Double(x.pointer[k]) + x0Factor * Double(x0.pointer[k]))
      }
    }
  }
}
