// A schedule that leaves nothing of the image at its end.

extension NoiseSchedule {
  /// The same schedule with √ᾱ shifted and scaled so that ᾱ_T = 0 and ᾱ_1 stays (Lin et al. 2024,
  /// algorithm 1): √ᾱ'_t = (√ᾱ_t − √ᾱ_T) √ᾱ_1/(√ᾱ_1 − √ᾱ_T).
  ///
  /// x_T is then nothing but noise, as it is when images are drawn, and L_T = 0 exactly. A network
  /// that emits ε says nothing of x_0 there.
  ///
  /// The chain must have two steps or more, as ᾱ_1 stays.
  public func withZeroTerminalSNR() -> NoiseSchedule {
    precondition(steps > 1, "A chain of one step has nothing left if its only ᾱ is 0.")
    if hasZeroTerminalSNR { return self }
    let roots = (0...steps).map { cumulativeAlpha($0).squareRoot() }
    let last = roots[steps]
    var betas = [beta(1)]
    for t in 2...steps {
      // With q = √ᾱ'_t/√ᾱ'_{t−1}, β'_t = (1 − q)(1 + q), and 1 − q holds √ᾱ_{t−1} − √ᾱ_t =
      // √ᾱ_{t−1} β_t/(1 + √α_t), which loses no digits where β_t is small.
      let fall = roots[t - 1] * beta(t) / (1 + alpha(t).squareRoot())
      let rest = t == steps ? 1 : fall / (roots[t - 1] - last)
      betas.append(rest * (2 - rest))
    }
    return NoiseSchedule(betas: betas)
  }
}
