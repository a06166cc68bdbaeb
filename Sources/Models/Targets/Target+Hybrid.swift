// The simple objective for the mean, and a little of the bound for a learned variance.

import Diffusion

extension DenoisingDiffusion.Target {
  /// L_simple + 0.001 L_vlb, where the mean's gradient is stopped in L_vlb (Nichol & Dhariwal 2021,
  /// section 3.1).
  ///
  /// L_vlb is the bound's estimate in bits per dimension: T times the term of a uniform t. Its
  /// gradient reaches the variance alone: L_simple says nothing of the variance, and the bound is
  /// the noisier guide for the mean.
  public static let hybrid = Self(
    "hybrid", terms: ["simple", "bound"], takesWeighting: true, teachesVariance: nil
  ) { image, diffusion in
    let nats = image.boundTerm(diffusion)
    // The simple objective writes its gradient over that of the bound.
    let simple = simple.loss(image, diffusion)
    let factor = bitsPerDimension(
      nats: 0.001 * Double(diffusion.schedule.steps), dimensions: image.x0.count)
    return .init(
      terms: simple.terms + [factor * nats], factor: simple.factor, varianceFactor: factor)
  }
}
