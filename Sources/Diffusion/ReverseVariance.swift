// The two fixed variances of the reverse process.

/// The fixed variance σ_t² of the reverse step p_θ(x_{t−1} | x_t) = N(μ_θ, σ_t² I).
///
/// The two choices bound the best one from above and below: β_t is optimal for x_0 ~ N(0, I),
/// β̃_t for an x_0 that is one point (Ho et al. 2020, section 3.2).
public enum ReverseVariance: String, Sendable, CaseIterable {
  /// σ_t² = β_t.
  case fixedLarge = "fixed_large"
  /// σ_t² = β̃_t.
  case fixedSmall = "fixed_small"

  /// σ_t² for t in 1 … T.
  ///
  /// At t = 1, where β̃_1 = 0, both kinds give β̃_2, as in Ho's code
  /// (`diffusion_utils_2.py: p_mean_variance`); a chain of one step has no β̃_2 and gives β_1.
  public func value(at t: Int, of schedule: NoiseSchedule) -> Double {
    if t == 1 {
      return schedule.steps > 1 ? schedule.posteriorVariance(2) : schedule.beta(1)
    }
    return switch self {
    case .fixedLarge: schedule.beta(t)
    case .fixedSmall: schedule.posteriorVariance(t)
    }
  }
}
