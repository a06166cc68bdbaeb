// The best sub-sequence against all sub-sequences.

import Diffusion
import Testing

@Suite struct OptimalStepsTests {
  /// All rising lists of `count` steps from 1 to `last`.
  private func lists(_ count: Int, _ last: Int) -> [[Int]] {
    (0..<1 << last).filter { $0.nonzeroBitCount == count && $0 & 1 == 1 && $0 >> (last - 1) == 1 }
      .map { mask in (1...last).filter { mask >> ($0 - 1) & 1 == 1 } }
  }

  private func total(_ steps: [Int], _ cost: (Int, Int) -> Double) -> Double {
    zip(steps, steps.dropFirst()).reduce(0) { $0 + cost($1.0, $1.1) }
  }

  @Test(arguments: 2...9)
  func noOtherStepsAreBetter(last: Int) {
    for seed in 0..<20 {
      let table = scattered(last * last, seed: UInt32(seed)).map(Double.init)
      func cost(_ s: Int, _ t: Int) -> Double { table[(s - 1) * last + t - 1] }
      for count in 2...last {
        let steps = optimalSteps(count, of: last) { s, t in
          #expect(1 <= s && s < t && t <= last)
          return cost(s, t)
        }
        #expect(steps.count == count && steps.first == 1 && steps.last == last)
        #expect(zip(steps, steps.dropFirst()).allSatisfy(<))
        let best = lists(count, last).map { total($0, cost) }.min()!
        #expect(abs(total(steps, cost) - best) < 1e-12)
      }
    }
  }

  /// The bound of the steps that it chooses is that of no grid, and grows as steps are taken away.
  @Test(arguments: ReverseVariance.fixed)
  func noGridIsBetter(variance: ReverseVariance) throws {
    let schedule = NoiseSchedule(.ho, steps: 200)
    func error(_ t: Int) -> Double {
      let rest = schedule.noiseVariance(t)
      return 0.25 * rest / (schedule.cumulativeAlpha(t) * 0.25 + rest)
    }
    func cost(_ s: Int, _ t: Int) -> Double {
      ReverseChain(schedule, visiting: [s, t], variance: variance, levels: nil)
        .term(2, squaredError: error(t), dimensions: 1)
    }
    var before = Double.infinity
    for count in [2, 3, 5, 10, 50, 200] {
      let steps = optimalSteps(count, of: 200, cost: cost)
      let best = total(steps, cost)
      #expect(best <= before)
      before = best
      for (name, grid) in TimestepGrid.named {
        let others = try grid.steps(count, of: schedule)
        guard others.first == 1, others.last == 200, others.count == count else { continue }
        #expect(best <= total(others, cost) + 1e-12, "\(name)")
      }
      // A whole chain's terms are those of its pairs.
      let chain = ReverseChain(schedule, visiting: steps, variance: variance, levels: nil)
      let sum = (2...count).reduce(0) {
        $0 + chain.term($1, squaredError: error(steps[$1 - 1]), dimensions: 1)
      }
      #expect(difference(sum, best, floor: 0) < 1e-8)
    }
  }

  /// A network that gives no numbers leads somewhere all the same.
  @Test(arguments: [Double.nan, .infinity])
  func costsThatAreNoNumbers(cost: Double) {
    for last in [2, 3, 8] {
      for count in 2...last {
        let none = optimalSteps(count, of: last) { _, _ in cost }
        #expect(none.count == count && none.first == 1 && none.last == last)
        #expect(zip(none, none.dropFirst()).allSatisfy(<))
        let some = optimalSteps(count, of: last) { s, t in s == 2 ? cost : 1 }
        #expect(some.count == count && some.first == 1 && some.last == last)
        #expect(count == last || !some.contains(2))
      }
    }
  }
}
