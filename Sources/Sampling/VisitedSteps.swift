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

  /// Chooses `count` steps of a chain, or all, or as many as a list has.
  ///
  /// - Throws: `DiffusionError` for steps that cannot be chosen.
  init(_ rule: TimestepGrid, _ count: Int?, of schedule: NoiseSchedule) throws(DiffusionError) {
    grid = try rule.steps(count, of: schedule)
    chain = schedule.respaced(to: grid)
    self.rule = rule
  }

  /// How many there are, and how they were chosen.
  var facts: [String: Fact] { ["steps": .integer(grid.count), "grid": .text(rule.name)] }
}
