// The sub-sequence of K steps with the best bound, by dynamic programming.

/// The steps S_1 < … < S_K of a chain, S_1 = 1 and S_K = T, that give the least bound (Bao et al.
/// 2022, section 5; the idea is of Watson et al. 2021).
///
/// The bound is a sum of costs of neighbouring steps, so that the best path to a step over k others
/// is the best of all paths over k − 1 to each earlier one. Where all costs are infinite or no
/// numbers, any steps are as good as others.
///
/// - Parameters:
///   - count: K, 2 … T.
///   - last: T.
///   - cost: What the step from t to s < t adds to the bound, s ≥ 1.
/// - Returns: The steps, rising.
public func optimalSteps(
  _ count: Int, of last: Int, cost: (_ s: Int, _ t: Int) -> Double
) -> [Int] {
  precondition(2 <= count && count <= last, "The first step and the last one are always visited.")
  // best[t]: the least cost of a path from 1 to t over k steps; before[k][t]: where it came from.
  var best = [Double](repeating: .infinity, count: last + 1)
  best[1] = 0
  var before: [[Int32]] = []
  let costs = (0...last).map { t in t < 2 ? [] : (0..<t).map { $0 < 1 ? 0 : cost($0, t) } }
  for k in 2...count {
    var next = [Double](repeating: .infinity, count: last + 1)
    // What stays where no cost is finite: a path through the steps just before.
    var origin = (0...Int32(last)).map { k == 2 ? 1 : $0 - 1 }
    // The last step alone is of interest in the end.
    for t in (k == count ? last : k)...last {
      for s in (k - 1)..<t where best[s] + costs[t][s] < next[t] {
        (next[t], origin[t]) = (best[s] + costs[t][s], Int32(s))
      }
    }
    best = next
    before.append(origin)
  }
  var steps = [last]
  for origin in before.reversed() { steps.append(Int(origin[steps.last!])) }
  return steps.reversed()
}
