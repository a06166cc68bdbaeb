// The variances of the reverse process: their names, and the two fixed ones.

/// The rule for the variance σ_t² of the reverse step p_θ(x_{t−1} | x_t) = N(μ_θ, σ_t²).
///
/// The two fixed ones bound the best one from above and below: β_t is optimal for x_0 ~ N(0, I),
/// β̃_t for an x_0 that is one point (Ho et al. 2020, section 3.2).
public enum ReverseVariance: String, Sendable, CaseIterable {
  /// σ_t² = β_t.
  case fixedLarge = "fixed_large"
  /// σ_t² = β̃_t.
  case fixedSmall = "fixed_small"
  /// Each scalar's own, between β̃_t and β_t on a scale of logarithms, from the network (Nichol &
  /// Dhariwal 2021, eq. 15).
  case learned
  /// The best one for each t, from the mean square of ε̂ over the data (Bao et al. 2022, theorem 1).
  case analytic

  /// Those that need neither a network that emits them nor numbers of the data.
  public static let fixed: [ReverseVariance] = [.fixedLarge, .fixedSmall]
}

extension NoiseSchedule {
  /// β̃_t, and β̃_2 at t = 1 where β̃_1 = 0, as Ho's code has it
  /// (`diffusion_utils_2.py: p_mean_variance`); a chain of one step has no β̃_2 and gives β_1.
  public func smallVariance(_ t: Int) -> Double {
    if t > 1 { return posteriorVariance(t) }
    return steps > 1 ? posteriorVariance(2) : beta(1)
  }

  /// The variance of a reverse step by one of the two fixed rules, for t in 1 … T.
  ///
  /// At t = 1 both give β̃_2, as in Ho's code.
  public func fixedVariance(_ variance: ReverseVariance, _ t: Int) -> Double {
    switch variance {
    case .fixedLarge: t > 1 ? beta(t) : smallVariance(1)
    case .fixedSmall: smallVariance(t)
    case .learned, .analytic:
      preconditionFailure("The variance \(variance.rawValue) is not a function of the schedule.")
    }
  }
}
