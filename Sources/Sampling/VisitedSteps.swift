// Which steps of a chain a sampler visits, and the shorter chain that these make.

import Diffusion
import Tensors

/// The steps at which a sampler asks the network, and the chain that leads from one to the next
/// (Nichol, Dhariwal 2021, section 4).
struct VisitedSteps: Sendable {
  /// What a solver of a higher order takes where nothing is said.
  static let few = 20

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

  /// The steps of a solver that needs few: 20 of the trailing grid where nothing is said.
  ///
  /// - Throws: `DiffusionError` for steps that cannot be chosen.
  init(fewOf process: SampledProcess, _ options: SamplerOptions) throws(DiffusionError) {
    let grid = options.grid ?? .trailing
    let schedule = process.solved(on: grid).schedule
    // More steps than there are is a fault that is told of the whole chain.
    _ = try grid.steps(options.steps, of: process.schedule)
    let steps = options.steps ?? grid.count(few: Self.few, of: schedule)
    try self.init(grid, steps.map { min($0, schedule.steps) }, of: schedule)
    earlier = process.solverNotes(on: grid)
  }

  /// What was chosen before the grid.
  private var earlier: [String] = []

  /// Whether the rule gave steps twice, so that there are fewer than asked for.
  private var isThinned: Bool { asked.map { $0 > grid.count } ?? false }

  /// How many there are, and how they were chosen: the rule, or all of them where it says too
  /// little.
  var facts: [String: Fact] {
    let list = TimestepGrid.list(grid.reversed())
    return [
      "steps": .integer(grid.count),
      "grid": .text((isThinned || !earlier.isEmpty ? list : rule).name),
    ]
  }

  /// That there are fewer than asked for, where it is so.
  var notes: [String] {
    guard isThinned, let asked else { return earlier }
    return earlier + [
      "The grid \(rule.name) has \(grid.count) different steps where \(asked) were asked for."
    ]
  }
}

extension TimestepGrid {
  /// The number of steps where nothing is said: a few, all where there are not so many, or those of
  /// a list, nil.
  func count(few: Int, of schedule: NoiseSchedule) -> Int? {
    if case .list = self { return nil }
    return min(few, schedule.steps)
  }
}
