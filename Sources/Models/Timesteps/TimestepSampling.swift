// How the step t of each training image is drawn.

import Diffusion

extension DenoisingDiffusion {
  /// The rules by which training draws t; each leaves the expected loss as it is.
  public enum TimestepSampling: String, CaseIterable, Sendable {
    /// Each image's by itself, every t as likely as another.
    case uniform
    /// Every t as likely as another, and spread evenly over the whole batch (Kingma et al. 2021,
    /// appendix I.1).
    case lowDiscrepancy = "low_discrepancy"
    /// More often where the loss is large, with a smaller weight (Nichol & Dhariwal 2021, section
    /// 3.3).
    case importance
  }

  /// The step of an image, 1 … T, and the weight of its loss.
  ///
  /// Outside training every image has one t for good, spread evenly over the images: a validation
  /// without the noise of t.
  func timestep(image n: Int, of count: Int, _ draws: Draws) -> (t: Int, weight: Double) {
    let steps = diffusion.schedule.steps
    func spread() -> Int {
      1 + min(steps - 1, Int(draws.spread(.timestep, image: n, of: count) * Double(steps)))
    }
    guard draws.isTraining else { return (spread(), 1) }
    let stream = draws.stream(.timestep, image: n)
    switch timesteps {
    case .uniform: return (1 + stream.integer(below: steps), 1)
    case .lowDiscrepancy: return (spread(), 1)
    case .importance:
      return history.sample(stream.uniform()) ?? (1 + stream.integer(below: steps), 1)
    }
  }
}
