// The schedules that have a formula.

import Foundation

extension NoiseSchedule {
  /// A rule that gives β_1 … β_T for any T.
  public enum Kind: Sendable, Equatable {
    /// β grows linearly from β_1 to β_T; Ho et al. 2020 take 1e-4 to 0.02 with T = 1000.
    case linear(from: Double, to: Double)

    /// ᾱ_t falls as a squared cosine.
    ///
    /// ᾱ_t = f(t)/f(0), f(t) = cos²((t/T + s)/(1 + s) · π/2), s = 0.008, and β_t = 1 − ᾱ_t/ᾱ_{t−1}
    /// is clipped at 0.999. Source: Nichol & Dhariwal 2021, eq. 17.
    case cosine

    /// The schedule of Ho et al. 2020, section 4: linear from 1e-4 to 0.02.
    public static let ho = Kind.linear(from: 1e-4, to: 0.02)

    /// β_1 … β_T by this rule.
    func betas(steps: Int) -> [Double] {
      switch self {
      case .linear(let first, let last):
        // T = 1 has no slope: its one step takes the first value.
        let slope = steps > 1 ? (last - first) / Double(steps - 1) : 0
        return (0..<steps).map { first + Double($0) * slope }
      case .cosine:
        func signal(_ t: Int) -> Double {
          let angle = (Double(t) / Double(steps) + 0.008) / 1.008 * Double.pi / 2
          return cos(angle) * cos(angle)
        }
        return (1...steps).map { min(1 - signal($0) / signal($0 - 1), 0.999) }
      }
    }
  }

  /// The schedule of `steps` ≥ 1 steps by a rule whose β all lie in (0, 1).
  public init(_ kind: Kind, steps: Int) {
    precondition(steps >= 1, "A noise schedule has at least 1 step.")
    self.init(betas: kind.betas(steps: steps))
  }

  /// The schedule by a rule, checked: throws when there is no step or a β is not in (0, 1).
  public init(validating kind: Kind, steps: Int) throws(DiffusionError) {
    guard steps >= 1 else { throw .noSteps(steps) }
    try self.init(validating: kind.betas(steps: steps))
  }
}
