/// Fewer steps for a network that was trained on many.
extension NoiseSchedule {
  /// The chain that visits only `count` evenly strided steps, the first and the last included.
  ///
  /// With S_1 < … < S_K the chosen steps, the new chain has ᾱ'_i = ᾱ_{S_i}, that is
  /// β'_i = 1 − ᾱ_{S_i}/ᾱ_{S_{i−1}}, and hands the network the times of the chosen steps.
  /// S_i = 1 + (i−1)(T−1)/(K−1), rounded (ties to even); for K = 1 the last step alone.
  /// Source: Nichol & Dhariwal 2021, section 4.
  ///
  /// - Parameter count: The number of steps K, 1 … T.
  public func respaced(to count: Int) -> NoiseSchedule {
    precondition(count >= 1 && count <= steps, "A subset has 1 to T steps.")
    let chosen = strided(count)
    var newBetas: [Double] = []
    var previous = 0
    for t in chosen {
      // 1 − Π α over the steps that are jumped, accumulated as a variance: the ratio of two ᾱ
      // taken from 1 would lose digits where few, small steps are joined.
      var variance = 0.0
      for s in (previous + 1)...t {
        variance = alpha(s) * variance + beta(s)
      }
      newBetas.append(variance)
      previous = t
    }
    return NoiseSchedule(betas: newBetas, networkTimes: chosen.map(networkTime))
  }

  /// The subset, checked: throws when it cannot be chosen from this chain.
  public func respaced(validating count: Int) throws(DiffusionError) -> NoiseSchedule {
    guard count >= 1 && count <= steps else {
      throw .invalidSubset(steps: count, available: steps)
    }
    return respaced(to: count)
  }

  /// The steps, numbered from 1, of an evenly strided subset.
  private func strided(_ count: Int) -> [Int] {
    if count == 1 { return [steps] }
    return (0..<count).map { i in
      1 + Int((Double(i * (steps - 1)) / Double(count - 1)).rounded(.toNearestOrEven))
    }
  }
}
