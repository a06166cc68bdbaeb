// How much the error at each step counts in the simple objective.

import Foundation

/// A weight of the squared error at step t, in terms of SNR_t = ᾱ_t/(1−ᾱ_t).
public enum LossWeighting: Sendable, Equatable {
  /// 1 for the squared error of what the network emits (Ho et al. 2020, eq. 14).
  case none
  /// min(SNR, γ) for the squared error of x̂_0 (Hang et al. 2023, section 3.4).
  case minSNR(gamma: Double)
  /// 1/(k + SNR)^γ for the squared error of ε̂ (Choi et al. 2022, eq. 8).
  case p2(k: Double, gamma: Double)

  /// The factor of the squared error of the network's raw output.
  ///
  /// The weights are made for x̂_0 or ε̂. For an output o with x̂_0 = a o + b x_t the squared error of
  /// x̂_0 is a² times that of o, and that of ε̂ is SNR times that of x̂_0. So min-SNR-γ becomes
  /// min(SNR, γ)/SNR for ε and min(SNR, γ)/(SNR + 1) for v; at SNR = 0 nothing is divided by it.
  public func weight(at t: Int, of schedule: NoiseSchedule, for prediction: Prediction) -> Double {
    if self == .none { return 1 }
    let a = prediction.conversion(to: .x0, at: t, of: schedule).scale
    let snr = schedule.cumulativeAlpha(t) / schedule.noiseVariance(t)
    return switch self {
    case .none: 1
    case .minSNR(let gamma): min(snr, gamma) * a * a
    case .p2(let k, let gamma): snr * a * a / pow(k + snr, gamma)
    }
  }

  /// The mean of the weights over t = 1 … T: by so much the loss changes against an unweighted one.
  public func mean(of schedule: NoiseSchedule, for prediction: Prediction) -> Double {
    let sum = (1...schedule.steps).reduce(0) { $0 + weight(at: $1, of: schedule, for: prediction) }
    return sum / Double(schedule.steps)
  }
}
