import Foundation

/// What the network's raw output stands for.
///
/// Given x_t and t each of the three is an affine function of each other, so that a network that
/// emits one emits all.
public enum Prediction: String, Sendable, CaseIterable {
  /// The noise ε of x_t = √ᾱ_t x_0 + √(1−ᾱ_t) ε.
  case epsilon
  /// The clean image x_0.
  case clean
  /// The mean μ of the reverse step p_θ(x_{t−1} | x_t), which is to be near μ̃_t(x_t, x_0).
  case mean
}

/// A function value ↦ `scale` · value + `noisy` · x_t, the same for every scalar of an image.
public struct AffineConversion: Sendable, Equatable {
  /// The factor of the value that is converted.
  public let scale: Double
  /// The factor of x_t.
  public let noisy: Double

  /// The function with these two factors.
  public init(scale: Double, noisy: Double) {
    self.scale = scale
    self.noisy = noisy
  }

  /// The converted value of one scalar whose noisy version is `x`.
  public func callAsFunction(_ value: Double, noisy x: Double) -> Double {
    scale * value + noisy * x
  }
}

extension Prediction {
  /// The affine map that turns this quantity at step t into another one.
  ///
  /// | from → to | formula |
  /// | --- | --- |
  /// | ε → x_0 | x_t/√ᾱ_t − √((1−ᾱ_t)/ᾱ_t) ε (Ho et al. 2020, eq. 15) |
  /// | ε → μ | (x_t − β_t/√(1−ᾱ_t) ε)/√α_t (eq. 11) |
  /// | x_0 → μ | μ̃_t(x_t, x_0) (eq. 7) |
  ///
  /// The other three are their inverses.
  public func conversion(
    to target: Prediction, at t: Int, of schedule: NoiseSchedule
  ) -> AffineConversion {
    let (clean, noise) = schedule.forwardCoefficients(t)
    switch (self, target) {
    case (.epsilon, .epsilon), (.clean, .clean), (.mean, .mean):
      return AffineConversion(scale: 1, noisy: 0)
    case (.epsilon, .clean):
      return AffineConversion(scale: -noise / clean, noisy: 1 / clean)
    case (.clean, .epsilon):
      return AffineConversion(scale: -clean / noise, noisy: 1 / noise)
    case (.clean, .mean):
      let posterior = schedule.posteriorMeanCoefficients(t)
      return AffineConversion(scale: posterior.clean, noisy: posterior.noisy)
    case (.mean, .clean):
      let posterior = schedule.posteriorMeanCoefficients(t)
      return AffineConversion(
        scale: 1 / posterior.clean, noisy: -posterior.noisy / posterior.clean)
    case (.epsilon, .mean):
      let root = schedule.alpha(t).squareRoot()
      return AffineConversion(scale: -schedule.beta(t) / (noise * root), noisy: 1 / root)
    case (.mean, .epsilon):
      let root = schedule.alpha(t).squareRoot()
      return AffineConversion(
        scale: -noise * root / schedule.beta(t), noisy: noise / schedule.beta(t))
    }
  }

  /// One scalar of this quantity at step t, turned into another one.
  ///
  /// - Parameter x: The same scalar of x_t.
  public func converted(
    _ value: Double, to target: Prediction, noisy x: Double, at t: Int, of schedule: NoiseSchedule
  ) -> Double {
    conversion(to: target, at: t, of: schedule)(value, noisy: x)
  }
}
