// Euler's and Heun's methods in the noise level, on a grid of real times.

import Diffusion
import Tensors

extension SamplerKind {
  static let heun = SamplerKind(
    "heun",
    help: "Heun's method in the noise level, two evaluations a step (Karras et al. 2022, alg. 1)"
  ) { process, options in try NoiseLevelSolver("heun", order: 2, process, options) }

  static let euler = SamplerKind(
    "euler", help: "Euler's method in the noise level: ddim between the steps of the training"
  ) { process, options in try NoiseLevelSolver("euler", order: 1, process, options) }
}

/// Methods of order 1 and 2 for dx̃/dσ̃ = (x̃ − x̂_0)/σ̃, where x̃ = x_t/√ᾱ and σ̃ = √((1−ᾱ)/ᾱ) is the noise
/// in units of the image (Karras et al. 2022, eq. 3 and algorithm 1 without churn).
///
/// The network is asked at real times, at which log ᾱ is linear between the steps of the table
/// (`ContinuousTime`). With the grid `karras`, the default, or `log_snr` the levels are those of the
/// rule itself; the other grids give whole steps. The last step leads to σ̃ = 0 and is Euler's, as is the
/// first where nothing is left of an image at T, where σ̃ is infinite.
package struct NoiseLevelSolver: Sampler {
  /// Karras et al. 2022, table 1: 18 steps.
  private static let few = 18

  private let name: String
  private let grid: TimestepGrid
  /// The times that the network is asked at, falling.
  private let times: [Double]
  /// The levels of these times, and the image's at the end.
  private let levels: [NoiseLevel]
  private let order: Int
  /// Where the way begins, if not at T.
  private let lastStep: Int?
  package let notes: [String]

  /// - Throws: `DiffusionError` for steps that cannot be chosen, `SamplerError.wholeStepsOnly`.
  init(
    _ name: String, order: Int, _ process: SampledProcess, _ options: SamplerOptions
  ) throws {
    try process.requireRealTimes(for: name)
    grid = options.grid ?? .karras
    let schedule = process.solved(on: grid).schedule
    let continuous = ContinuousTime(schedule)
    _ = try grid.steps(options.steps, of: process.schedule)
    let steps = options.steps ?? grid.count(few: Self.few, of: schedule)
    times = try grid.times(steps.map { min($0, schedule.steps) }, of: schedule)
    notes = process.solverNotes(on: grid)
    lastStep = notes.isEmpty ? nil : schedule.steps
    levels =
      times.map { NoiseLevel(continuous.forwardCoefficients($0)) } + [NoiseLevel((1, 0))]
    (self.name, self.order) = (name, order)
  }

  /// Whether the step from the i-th time is Heun's.
  private func isCorrected(_ i: Int) -> Bool {
    order == 2 && i + 1 < times.count && levels[i].x0 > 0
  }

  package var evaluations: Int? {
    times.indices.reduce(times.count) { $0 + (isCorrected($1) ? 1 : 0) }
  }

  package var facts: [String: Fact] {
    var facts: [String: Fact] = [
      "sampler": .text(name), "steps": .integer(times.count), "grid": .text(grid.name),
    ]
    if let lastStep { facts["last_step"] = .integer(lastStep) }
    return facts
  }

  package func run(_ x: Tensor, _ noise: SampleNoise, _ pool: BufferPool, denoise: Denoise) {
    for (i, t) in times.enumerated() {
      let x0 = denoise(x, x.times(t)).x0
      let euler = Self.euler(from: levels[i], to: levels[i + 1])
      guard isCorrected(i) else {
        euler.apply(to: x, [x0], into: x)
        continue
      }
      let trial = Tensor(x.shape, in: pool)
      euler.apply(to: x, [x0], into: trial)
      let end = denoise(trial, x.times(times[i + 1])).x0
      Self.heun(from: levels[i], to: levels[i + 1]).apply(to: x, [end, x0], into: x)
    }
  }

  /// x̃_s = ρ x̃_t + (1 − ρ) x̂_0 with ρ = σ̃_s/σ̃_t, in terms of x.
  package static func euler(from: NoiseLevel, to: NoiseLevel) -> LinearStep {
    let kept = to.noise / from.noise
    return LinearStep(x: kept, x0: [to.x0 - kept * from.x0])
  }

  /// The mean of the slopes at both ends: x̃_s = ρ x̃_t + ½ (1 − ρ) ((2 − 1/ρ) x̂_0 + x̂_0′/ρ), where x̂_0′
  /// is seen where Euler's step ends.
  package static func heun(from: NoiseLevel, to: NoiseLevel) -> LinearStep {
    let kept = to.noise / from.noise
    let inverse = from.noise * to.x0 / (to.noise * from.x0)
    let half = 0.5 * (to.x0 - kept * from.x0)
    return LinearStep(x: kept, x0: [half * inverse, half * (2 - inverse)])
  }
}
