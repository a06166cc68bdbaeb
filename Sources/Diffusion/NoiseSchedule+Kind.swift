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

    /// ᾱ_t falls as a sigmoid: ᾱ_t = (S(3) − S(6t/T − 3))/(S(3) − S(−3)), S the logistic function,
    /// and β_t is clipped at 0.999.
    ///
    /// Source: Jabri, Fleet & Chen 2022, section 2.3 (start −3, end 3, τ = 1). What other programs
    /// call "sigmoid" may be a sigmoid of β instead.
    case sigmoid

    /// √β grows linearly from √β_1 to √β_T (Ho et al. 2020, their code).
    case quadratic(from: Double, to: Double)

    /// Every β is the same (Ho et al. 2020, their code).
    case constant(Double)

    /// β_t = 1/(T − t + 1): 1/T, 1/(T−1), …, 1, so that nothing is left of the image at the end
    /// (Sohl-Dickstein et al. 2015, section 2.4.1: an equal share of the signal goes at each step).
    case jsd

    /// β grows linearly from β_1 to β_T over the first `share` of the steps and then stays (Ho et
    /// al. 2020, their code, with 0.1 and 0.5).
    case warmup(from: Double, to: Double, share: Double)

    /// These β.
    case list([Double])

    /// The schedule of Ho et al. 2020, section 4: linear from 1e-4 to 0.02.
    public static let ho = Kind.linear(from: 1e-4, to: 0.02)

    /// β_1 … β_T by this rule.
    func betas(steps: Int) -> [Double] {
      switch self {
      case .linear(let first, let last):
        return Self.line(from: first, to: last, count: steps)
      case .cosine:
        return Self.betas(steps: steps) { u in
          let cosine = cos((u + 0.008) / 1.008 * Double.pi / 2)
          return cosine * cosine
        }
      case .sigmoid:
        func logistic(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
        return Self.betas(steps: steps) { u in logistic(3) - logistic(6 * u - 3) }
      case .quadratic(let first, let last):
        return Self.line(from: first.squareRoot(), to: last.squareRoot(), count: steps)
          .map { $0 * $0 }
      case .constant(let beta):
        return Array(repeating: beta, count: steps)
      case .jsd:
        return (1...steps).map { 1 / Double(steps - $0 + 1) }
      case .warmup(let first, let last, let share):
        let rising = Int(Double(steps) * share)
        return Self.line(from: first, to: last, count: rising)
          + Array(repeating: last, count: steps - rising)
      case .list(let betas):
        return betas
      }
    }

    /// `count` numbers in equal distances; one of them is the first.
    private static func line(from first: Double, to last: Double, count: Int) -> [Double] {
      let slope = count > 1 ? (last - first) / Double(count - 1) : 0
      return (0..<count).map { first + Double($0) * slope }
    }

    /// β_t = 1 − ᾱ(t/T)/ᾱ((t−1)/T), at most 0.999.
    ///
    /// - Parameter signal: ᾱ up to a factor, of t/T.
    private static func betas(steps: Int, _ signal: (Double) -> Double) -> [Double] {
      (1...steps).map { t in
        min(1 - signal(Double(t) / Double(steps)) / signal(Double(t - 1) / Double(steps)), 0.999)
      }
    }
  }

  /// The schedule of `steps` ≥ 1 steps by a rule whose β all lie in (0, 1).
  public init(_ kind: Kind, steps: Int) {
    precondition(steps >= 1, "A noise schedule has at least 1 step.")
    self.init(betas: kind.betas(steps: steps))
  }

  /// The schedule by a rule, checked: throws when there is no step, a β is not in (0, 1), or a list
  /// has another number of steps.
  public init(validating kind: Kind, steps: Int) throws(DiffusionError) {
    guard steps >= 1 else { throw .noSteps(steps) }
    let betas = kind.betas(steps: steps)
    guard betas.count == steps else { throw .wrongCount(betas: betas.count, steps: steps) }
    try self.init(validating: betas)
  }
}
