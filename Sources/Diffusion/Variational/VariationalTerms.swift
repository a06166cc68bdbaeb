// The three parts of the bound of a variational diffusion model, and what its ends do to them.

import Foundation

/// The bound −log p(x) ≤ KL(q(z_1|x) ‖ N(0, I)) + E[−log p(x|z_0)] + L_diffusion of one image (Kingma et
/// al. 2021, section 3.5), in nats, summed over its d scalars.
public struct VariationalTerms: Equatable, Sendable {
  /// γ of every time.
  public let schedule: GammaSchedule
  /// The decoder of grey levels; nil for continuous images.
  private let decoder: LevelSoftmax?

  /// The terms of images with so many grey levels, or of continuous ones.
  public init(_ schedule: GammaSchedule, levels: Int?) {
    self.schedule = schedule
    decoder = levels.map { LevelSoftmax(levels: $0, gamma: schedule.first) }
  }

  /// KL(q(z_1|x) ‖ N(0, I)) = ½ Σ (α_1² x² + σ_1² − log σ_1² − 1), and its derivative with respect to
  /// γ_1, ½ Σ α_1² (σ_1² (1 − x²) − 1).
  public func prior(x: Span<Float>) -> (nats: Double, derivative: Double) {
    var squares = 0.0
    for i in x.indices { squares += Double(x[i]) * Double(x[i]) }
    let (kept, noise) = (sigmoid(-schedule.last), sigmoid(schedule.last))
    let d = Double(x.count)
    return (
      klNormal(
        squaredDistance: kept * squares, variance: noise, reference: 1, dimensions: x.count),
      0.5 * kept * (noise * (d - squares) - d)
    )
  }

  /// −log p(x|z_0) for z_0 = α_0 x + σ_0 ε, and its derivative with respect to γ_0 for this ε.
  ///
  /// Grey levels have the decoder `LevelSoftmax`, continuous images the density N(x; z_0/α_0, e^{γ_0} I):
  /// ½ Σ (log 2π + γ_0 + ε²).
  public func reconstruction(
    x: Span<Float>, noise: Span<Float>
  ) -> (nats: Double, derivative: Double) {
    precondition(x.count == noise.count, "x and ε have one size.")
    var (nats, derivative) = (0.0, 0.0)
    for i in x.indices {
      let epsilon = Double(noise[i])
      if let decoder {
        let cost = decoder.cost(
          ofLevel: nearestLevel(to: Double(x[i]), of: decoder.levels), noise: epsilon)
        nats += cost.nats
        derivative += cost.derivative
      } else {
        nats += 0.5 * (log(2 * Double.pi) + schedule.first + epsilon * epsilon)
        derivative += 0.5
      }
    }
    return (nats, derivative)
  }

  /// One time of the diffusion term: where the network is asked, and what ‖ε − ε̂‖² counts.
  public struct Moment: Equatable, Sendable {
    /// The noise there.
    public let point: GammaSchedule.Point
    /// The factor of ‖ε − ε̂‖² whose mean over u is the term.
    public let weight: Double
  }

  /// The time that a uniform number u of [0, 1) stands for.
  ///
  /// In continuous time it is u, with the weight ½ γ'(u); of T steps it is t = i/T with i = ⌊uT⌋ + 1, and
  /// the weight ½ T (e^{γ(t)−γ(s)} − 1) with s = (i−1)/T.
  ///
  /// - Parameter steps: T; 0: continuous time.
  public func moment(_ u: Double, steps: Int) -> Moment {
    guard steps > 0 else {
      let point = schedule.point(u)
      return Moment(point: point, weight: 0.5 * point.slope)
    }
    let (i, count) = (min(steps - 1, Int(u * Double(steps))) + 1, Double(steps))
    let point = schedule.point(Double(i) / count)
    let rise = point.gamma - schedule.point(Double(i - 1) / count).gamma
    return Moment(point: point, weight: 0.5 * count * expm1(rise))
  }
}
