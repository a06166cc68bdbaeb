// Which steps of a chain a sampler visits, and the shorter chain that these make.

import Diffusion
import Tensors

/// The steps at which a sampler asks the network, and the chain that leads from one to the next
/// (Nichol, Dhariwal 2021, section 4).
struct VisitedSteps: Sendable {
  /// The steps of the whole chain, rising.
  let grid: [Int]
  /// The chain of these steps; its step i is `grid[i − 1]`.
  let chain: NoiseSchedule
  private let rule: TimestepGrid
  private let asked: Int?

  /// Chooses `count` steps of a chain, or all, or as many as a list has.
  ///
  /// - Throws: `DiffusionError` for steps that cannot be chosen.
  init(_ rule: TimestepGrid, _ count: Int?, of schedule: NoiseSchedule) throws(DiffusionError) {
    grid = try rule.steps(count, of: schedule)
    chain = schedule.respaced(to: grid)
    self.rule = rule
    if case .list = rule { asked = nil } else { asked = count ?? schedule.steps }
  }

  /// Whether the rule gave steps twice, so that there are fewer than asked for.
  private var isThinned: Bool { asked.map { $0 > grid.count } ?? false }

  /// How many there are, and how they were chosen: the rule, or all of them where it says too
  /// little.
  var facts: [String: Fact] {
    let list = TimestepGrid.list(grid.reversed())
    return ["steps": .integer(grid.count), "grid": .text((isThinned ? list : rule).name)]
  }

  /// That there are fewer than asked for, where it is so.
  var notes: [String] {
    guard isThinned, let asked else { return [] }
    return [
      "The grid \(rule.name) has \(grid.count) different steps where \(asked) were asked for."
    ]
  }
}
