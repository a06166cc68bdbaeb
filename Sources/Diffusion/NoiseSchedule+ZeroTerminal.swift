// A schedule that leaves nothing of the image at its end.

extension NoiseSchedule {
  /// The same schedule with √ᾱ shifted and scaled so that ᾱ_T = 0 and ᾱ_1 stays (Lin et al. 2024,
  /// algorithm 1): √ᾱ'_t = (√ᾱ_t − √ᾱ_T) √ᾱ_1/(√ᾱ_1 − √ᾱ_T).
  ///
  /// x_T is then nothing but noise, as it is when images are drawn, and L_T = 0 exactly. A network
  /// that emits ε says nothing of x_0 there.
  ///
  /// The chain must have two steps or more, as ᾱ_1 stays.
  ///
  /// - Throws: `DiffusionError` where the last β are so small that before T nothing is left, too.
  public func withZeroTerminalSNR() throws(DiffusionError) -> NoiseSchedule {
    precondition(steps > 1, "A chain of one step has nothing left if its only ᾱ is 0.")
    if hasZeroTerminalSNR { return self }
    // √ᾱ_{t−1} − √ᾱ_t = √ᾱ_{t−1} β_t/(1 + √α_t) loses no digits where β_t is small, and
    // √ᾱ_{t−1} − √ᾱ_T, their sum from t to T, none at the end of the chain.
    var betas = betas
    var above = 0.0
    for t in (2...steps).reversed() {
      let root = cumulativeAlpha(t - 1).squareRoot()
      let fall = root * beta(t) / (1 + alpha(t).squareRoot())
      above += fall
      // With q = √ᾱ'_t/√ᾱ'_{t−1} = 1 − fall/above, β'_t = 1 − q² = (1 − q)(1 + q). Of a step
      // beside which the later ones are nothing, something is left all the same.
      let rest = fall / above
      betas[t - 1] = t == steps ? 1 : min(rest * (2 - rest), 1.0.nextDown)
    }
    return try NoiseSchedule(validating: betas)
  }
}
