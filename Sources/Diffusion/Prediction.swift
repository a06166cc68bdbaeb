// What a network may emit: each quantity is one row, from which every conversion follows.

/// What the network's raw output stands for.
///
/// Each is an affine function of x_0 and x_t, so that a network that emits one emits all.
public enum Prediction: String, Sendable, CaseIterable {
  /// The noise ε of x_t = √ᾱ_t x_0 + √(1−ᾱ_t) ε.
  case epsilon
  /// The image x_0.
  case x0 = "clean"
  /// The mean μ of the reverse step p_θ(x_{t−1} | x_t), which is to be near μ̃_t(x_t, x_0).
  case mean
  /// The velocity v = √ᾱ_t ε − √(1−ᾱ_t) x_0 (Salimans & Ho 2022, section 4).
  case v

  /// The quantity at step t as `x0` · x_0 + `xt` · x_t: what the network is trained towards.
  ///
  /// | prediction | target |
  /// | --- | --- |
  /// | `epsilon` | (x_t − √ᾱ_t x_0)/√(1−ᾱ_t) |
  /// | `x0` | x_0 |
  /// | `mean` | μ̃_t(x_t, x_0) (Ho et al. 2020, eq. 7) |
  /// | `v` | (√ᾱ_t x_t − x_0)/√(1−ᾱ_t) |
  public func definition(_ t: Int, _ schedule: NoiseSchedule) -> (x0: Double, xt: Double) {
    definition(schedule.forwardCoefficients(t)) ?? schedule.posteriorMeanCoefficients(t)
  }

  /// The affine map that turns this quantity at step t into another one.
  public func conversion(
    to target: Prediction, at t: Int, of schedule: NoiseSchedule
  ) -> AffineConversion {
    if self == target { return AffineConversion(scale: 1, xt: 0) }
    return AffineConversion(from: definition(t, schedule), to: target.definition(t, schedule))
  }
}

/// A function value ↦ `scale` · value + `xt` · x_t, the same for every scalar of an image.
public struct AffineConversion: Sendable, Equatable {
  /// The factor of the value that is converted.
  public let scale: Double
  /// The factor of x_t.
  public let xt: Double

  /// The converted value of one scalar.
  ///
  /// - Parameter xt: The same scalar of x_t.
  @inline(__always)
  public func callAsFunction(_ value: Double, xt: Double) -> Double {
    scale * value + self.xt * xt
  }
}
