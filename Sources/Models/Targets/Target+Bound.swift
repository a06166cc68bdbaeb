// The variational bound as an objective: one of its terms, times their number.

import Diffusion

extension DenoisingDiffusion.Target {
  /// The variational bound itself, an unbiased estimate in bits per dimension (Ho, Jain, Abbeel
  /// 2020, equation 5): L_T, and T times the term of a uniform t, which is one of the L_{t−1} or
  /// L_0.
  public static let bound = Self(
    "bound", terms: ["prior", "diffusion", "reconstruction"], unit: "bits/dim",
    teachesVariance: true
  ) { image, diffusion in
    let (t, x0) = (image.t, image.x0.span)
    func bits(_ nats: Double) -> Double { bitsPerDimension(nats: nats, dimensions: x0.count) }
    let steps = Double(diffusion.schedule.steps)
    let (prior, estimate) = (
      bits(diffusion.terminalTerm(x0: x0)), bits(steps * image.boundTerm(diffusion))
    )
    return .init(
      terms: [prior, t > 1 ? estimate : 0, t == 1 ? estimate : 0], factor: bits(steps),
      varianceFactor: bits(steps))
  }
}
