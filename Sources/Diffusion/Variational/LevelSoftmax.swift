// The decoder of a variational diffusion model: which grey level is nearest to z_0.

import Foundation

/// p(x = v_k | z_0) = softmax_k(−½ e^{−γ_0} (z_0/α_0 − v_k)²) of one scalar with K grey levels v_k =
/// −1 + 2k/(K−1) (Kingma et al. 2021, section 3.3): what the forward process itself says of x where all
/// levels are as likely.
public struct LevelSoftmax: Equatable, Sendable {
  /// How much smaller than e^{−½ε²} what is left out may be, as an exponent: of 256 levels nothing is
  /// left out that a Double could hold.
  private static let negligible = 40.0

  /// The number of levels K ≥ 2.
  public let levels: Int
  /// The most levels: where the least noise leaves thousands of them in question, each pixel would cost so many
  /// exponentials.
  public static let mostLevels = 1024
  /// The distance of two levels in deviations of z_0/α_0.
  private let distance: Double

  /// The decoder of K levels at γ_0.
  public init(levels: Int, gamma: Double) {
    precondition(
      2...Self.mostLevels ~= levels, "A softmax over levels has 2 to \(Self.mostLevels).")
    self.levels = levels
    distance = exp(-gamma / 2) * 2 / Double(levels - 1)
  }

  /// −log p(x = v_k | z_0) in nats for z_0 = α_0 v_k + σ_0 ε, and its derivative with respect to γ_0 for
  /// this ε.
  ///
  /// With z_0/α_0 = v_k + e^{γ_0/2} ε the logit of a level v_k − 2j/(K−1) is −½ (a j + ε)², a =
  /// 2 e^{−γ_0/2}/(K−1), with the derivative ½ a j (a j + ε).
  ///
  /// - Parameters:
  ///   - k: The level, 0 … K − 1.
  ///   - noise: ε.
  public func cost(
    ofLevel k: Int, noise: Double
  ) -> (nats: Double, derivative: Double) {
    precondition(k >= 0 && k < levels, "A level is numbered 0 to K − 1.")
    let reach = (abs(noise) + (noise * noise + 2 * Self.negligible).squareRoot()) / distance
    let most = reach < Double(levels) ? Int(reach) : levels - 1
    let own = -0.5 * noise * noise
    var (sum, slope) = (0.0, 0.0)
    // j = 0 adds 1 to the sum, and nothing to the slope.
    for j in max(-most, k - levels + 1)...min(most, k) where j != 0 {
      let way = distance * Double(j)
      let place = way + noise
      let mass = exp(-0.5 * place * place - own)
      sum += mass
      slope += mass * 0.5 * way * place
    }
    // log Σ exp(logit) − logit_k.
    return (log1p(sum), slope / (1 + sum))
  }
}
