// Fewer steps for a network that was trained on many.

extension NoiseSchedule {
  /// The chain that visits only some steps.
  ///
  /// With S_1 < … < S_K the chosen steps, the new chain has ᾱ'_i = ᾱ_{S_i}, that is
  /// β'_i = 1 − ᾱ_{S_i}/ᾱ_{S_{i−1}}, and gives the network the times of the chosen steps.
  /// Source: Nichol & Dhariwal 2021, section 4.
  ///
  /// - Parameter chosen: S_1 < … < S_K, each of 1 … T.
  public func respaced(to chosen: [Int]) -> NoiseSchedule {
    precondition(
      chosen.first.map { $0 >= 1 && chosen.last! <= steps } ?? false
        && zip(chosen, chosen.dropFirst()).allSatisfy(<), "A subset has rising steps of 1 to T.")
    var newBetas: [Double] = []
    var previous = 0
    for t in chosen {
      // 1 − Π α over the steps that are jumped, accumulated as a variance: the ratio of two ᾱ
      // taken from 1 would lose digits where few, small steps are joined.
      var variance = previous == 0 ? noiseVariance(t) : 0
      if previous > 0 {
        for s in (previous + 1)...t { variance = alpha(s) * variance + beta(s) }
      }
      // Of a long jump over much noise nothing is left that a Double could tell from 1 − β = 0;
      // β is 1 only where the chain itself ends so.
      newBetas.append(cumulativeAlpha(t) == 0 ? 1 : min(variance, 1.0.nextDown))
      previous = t
    }
    return NoiseSchedule(betas: newBetas, clock: clock.choosing(chosen))
  }
}
