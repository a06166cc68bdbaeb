// The rules that choose steps, against lists by hand and against their definitions.

import Diffusion
import Foundation
import Testing

@Suite struct TimestepGridTests {
  private let ho = NoiseSchedule(.ho, steps: 1000)

  private func steps(_ grid: TimestepGrid, _ count: Int?, of last: Int = 1000) throws -> [Int] {
    try grid.steps(count, of: NoiseSchedule(.ho, steps: last))
  }

  @Test func gridsByHand() throws {
    #expect(try steps(.trailing, 4) == [250, 500, 750, 1000])
    // 1000 − 333.3…, 1000 − 666.6…
    #expect(try steps(.trailing, 3) == [333, 667, 1000])
    // 10 − 10/4 and 10 − 30/4 lie between two numbers: halves go to the even one.
    #expect(try steps(.trailing, 4, of: 10) == [2, 5, 8, 10])
    #expect(try steps(.leading, 4) == [1, 251, 501, 751])
    #expect(try steps(.leading, 3) == [1, 334, 667])
    #expect(try steps(.linspace, 4) == [1, 334, 667, 1000])
    #expect(try steps(.linspace, 1) == [1000] && steps(.trailing, 1) == [1000])
    #expect(try steps(.quadratic, 4) == [62, 250, 562, 1000])
    #expect(try steps(.list([7, 1000, 3]), nil) == [3, 7, 1000])
  }

  @Test(arguments: TimestepGrid.named.map(\.name), [1, 2, 5, 10, 37, 999, 1000])
  func everyGridIsASubset(name: String, count: Int) throws {
    let grid = try #require(TimestepGrid.named.first { $0.name == name }).grid
    let steps = try steps(grid, count)
    #expect(steps == Array(Set(steps)).sorted() && steps.count <= count)
    #expect(steps.first! >= 1 && steps.last! <= 1000)
    if grid != .leading { #expect(steps.last == 1000) }
    if [.trailing, .leading, .linspace].contains(grid) { #expect(steps.count == count) }
  }

  @Test(arguments: [TimestepGrid.trailing, .leading, .linspace])
  func allStepsAreTheWholeChain(grid: TimestepGrid) throws {
    #expect(try steps(grid, nil) == Array(1...1000))
    #expect(try steps(grid, 50, of: 50) == Array(1...50))
  }

  /// Ho's table: λ_1 = 4.605120, λ_1000 = −5.058837; σ̃ = exp(−λ) from 0.010001 to 157.41.
  @Test func logSNRIsHos() {
    #expect(abs(ho.logSNR(1) - 4.605120) < 1e-6 && abs(ho.logSNR(1000) + 5.058837) < 1e-6)
    #expect(abs(exp(-ho.logSNR(1)) - 0.010001) < 1e-6 && abs(exp(-ho.logSNR(1000)) - 157.41) < 0.01)
    #expect((2...1000).allSatisfy { ho.logSNR($0) < ho.logSNR($0 - 1) })
  }

  /// Each chosen step is as near to its wanted level as its neighbours allow.
  @Test func levelsAreTheNearest() throws {
    for (grid, transform) in [
      (TimestepGrid.logSNR, { $0 }), (.karras, { exp(-$0 / 7) }),
    ] as [(TimestepGrid, (Double) -> Double)] {
      let chosen = try steps(grid, 12)
      #expect(chosen.first == 1 && chosen.count == 12)
      let (first, last) = (transform(ho.logSNR(1000)), transform(ho.logSNR(1)))
      for (i, t) in chosen.reversed().enumerated() {
        let wanted = first + Double(i) / 11 * (last - first)
        let level = inverse(grid, wanted)
        let own = abs(ho.logSNR(t) - level)
        for other in [t - 1, t + 1] where (1...1000).contains(other) {
          #expect(own <= abs(ho.logSNR(other) - level), "\(grid) \(t)")
        }
      }
    }
  }

  private func inverse(_ grid: TimestepGrid, _ value: Double) -> Double {
    grid == .logSNR ? value : -7 * log(value)
  }

  @Test func whatIsNoGridIsRefused() {
    for count in [0, 1001, -1] {
      #expect(throws: DiffusionError.invalidSubset(steps: count, available: 1000)) {
        try steps(.trailing, count)
      }
    }
    for (list, count) in [
      ([], nil), ([0, 3], nil), ([3, 1001], nil), ([3, 3], nil), ([1, 2, 3], 2),
    ] as [([Int], Int?)] {
      #expect(throws: DiffusionError.invalidGrid(steps: list, available: 1000)) {
        try steps(.list(list), count)
      }
    }
  }
}
