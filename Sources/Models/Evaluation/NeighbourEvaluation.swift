// Both decompositions of the bound along the same trajectories, and how much each of them scatters.

import Diffusion
import Layers
import Tensors

extension DenoisingDiffusion.EvaluationMethod {
  /// The bound from posteriors and from neighbouring steps, of the same x_0, x_1, …, x_T.
  static let neighbours = Self(
    "neighbours",
    help: "the bound from neighbouring steps (eq. 3) beside that from posteriors (eq. 5)",
    options: ["variance", "steps", "grid", "draws"]
  ) { model, options in
    try NeighbourEvaluation(model, options)
  }
}

/// L_T + ΣL_{t−1} + L_0 and KL(q(x_T | x_{T−1}) ‖ p(x_T)) + ΣC_t + L_0 along trajectories.
///
/// Both have the same expectation. Several trajectories of one image tell how much each scatters by
/// the noise alone.
private struct NeighbourEvaluation: Evaluation {
  private let model: DenoisingDiffusion
  /// The process over the steps that are visited, with the variance that is asked for.
  private let diffusion: GaussianDiffusion
  private let grid: TimestepGrid
  private let draws: Int

  init(_ model: DenoisingDiffusion, _ options: EvaluationOptions) throws {
    self.model = model
    let own = model.diffusion.variance
    let variance =
      options.variances.first ?? (ReverseVariance.fixed.contains(own) ? own : .fixedSmall)
    guard options.variances.count < 2, ReverseVariance.fixed.contains(variance) else {
      throw EvaluationError.unfitVariance(options.variances.last!, method: "neighbours")
    }
    guard case .rule(let rule) = options.grid ?? .rule(.linspace) else {
      throw EvaluationError.noOptimum("belongs to the method bound")
    }
    draws = options.draws ?? 2
    guard (2...1000).contains(draws) else {
      throw EvaluationError.invalid(option: "draws", needs: "a number from 2 to 1000")
    }
    let steps = try model.visitedSteps(rule, options)
    grid = rule
    diffusion = GaussianDiffusion(
      schedule: steps.count == model.diffusion.schedule.steps
        ? model.diffusion.schedule : model.diffusion.schedule.respaced(to: steps),
      prediction: model.diffusion.prediction, variance: variance, levels: model.diffusion.levels)
  }

  private var steps: Int { diffusion.schedule.steps }
  private var dimensions: Int { model.network.images.count }

  var evaluations: Int? { draws * steps }
  /// For each trajectory the T + 1 terms of either decomposition, from L_0 on.
  var width: Int { draws * 2 * (steps + 1) }
  var facts: [String: Fact] {
    [
      "method": .text("neighbours"), "grid": .text(grid.name), "steps": .integer(steps),
      "variance": .text(diffusion.variance.rawValue), "draws": .integer(draws),
      "clipping": .integer(0),
    ]
  }
  var notes: [String] { [] }

  func measure(
    _ batch: Batch, _ draws: Draws, _ makePass: () -> Pass, progress: () -> Void
  ) -> [[Double]] {
    var numbers = [[Double]](repeating: [], count: batch.count)
    for draw in 0..<self.draws {
      let terms = trajectory(batch, draws, number: draw, makePass, progress: progress)
      for n in 0..<batch.count { numbers[n] += terms[n] }
    }
    return numbers
  }

  /// Both decompositions of each image along one trajectory.
  private func trajectory(
    _ batch: Batch, _ draws: Draws, number: Int, _ makePass: () -> Pass, progress: () -> Void
  ) -> [[Double]] {
    let (schedule, shape) = (diffusion.schedule, batch.images.shape)
    var posterior = [[Double]](repeating: [], count: batch.count)
    var neighbours = posterior
    // x_{t−2}, x_{t−1}; before the first step there is none.
    var (before, previous) = (batch.images, batch.images)
    for t in 1...steps {
      let pass = makePass()
      let xt = Tensor(shape, in: pass.pool)
      let root = schedule.alpha(t).squareRoot()
      let deviation = schedule.beta(t).squareRoot()
      for n in 0..<batch.count {
        let (image, last) = (xt.image(n), previous.image(n))
        draws.stream(.noise, image: n, index: number * (steps + 1) + t).fillNormal(image)
        for k in image.indices {
          image[k] = Float(root * Double(last[k]) + deviation * Double(image[k]))
        }
      }
      let times = Array(repeating: schedule.timestep(t), count: batch.count)
      let output = model.meanOutput(
        xt, Conditioning(times: times, conditions: batch.conditions), pass)
      for n in 0..<batch.count {
        let (x0, current) = (batch.images.image(n).span, xt.image(n).span)
        let term = diffusion.boundTerm(
          t: t, x0: x0, xt: current, output: output.image(n).span)
        posterior[n].append(term)
        neighbours[n].append(
          t == 1
            ? term
            : diffusion.neighbourTerm(
              t: t - 1, previous: before.image(n).span, current: previous.image(n).span,
              next: current, output: output.image(n).span))
        if t == steps {
          posterior[n].append(diffusion.terminalTerm(x0: x0))
          neighbours[n].append(
            diffusion.neighbourTerminalTerm(previous: previous.image(n).span))
        }
      }
      (before, previous) = (previous, xt)
      progress()
    }
    return (0..<batch.count).map { posterior[$0] + neighbours[$0] }
  }

  func results(of measurements: Measurements) -> EvaluationResults {
    let (draws, terms) = (draws, steps + 1)
    let names = (["L_0"] + (1...steps).map { "L_\($0)" }, ["L_0"] + (1...steps).map { "C_\($0)" })
    func value(_ n: Int, _ i: Int, kind: Int, draw: Int) -> Double {
      measurements[n, (2 * draw + kind) * terms + i]
    }
    func estimate(_ name: String, _ terms: [String], kind: Int) -> EvaluationResults.Estimate {
      .init(name, terms: terms, images: measurements.count) { n, i in
        (0..<draws).reduce(0) { $0 + value(n, i, kind: kind, draw: $1) } / Double(draws)
      }
    }
    let isDiscrete = model.diffusion.levels != nil
    /// The standard deviation, for an image that stays the same, of some sum of terms of one
    /// trajectory, or the root of the sum of such variances.
    func scatter(kind: Int, of sums: [Range<Int>]) -> Double {
      var total = 0.0
      for n in 0..<measurements.count {
        for sum in sums {
          var moments = Moments()
          for draw in 0..<draws {
            moments.add(sum.reduce(0) { $0 + value(n, $1, kind: kind, draw: draw) })
          }
          total += moments.variance
        }
      }
      let nats = (total / Double(measurements.count)).squareRoot()
      return isDiscrete ? bitsPerDimension(nats: nats, dimensions: dimensions) : nats
    }
    let estimates = [
      estimate("posteriors", names.0, kind: 0), estimate("neighbours", names.1, kind: 1),
    ]
    var results = EvaluationResults(estimates)
    let (whole, single) = ([0..<terms], (0..<terms).map { $0..<$0 + 1 })
    results.tables = [
      (
        "standard deviation of the bound of one trajectory, for the same image, in "
          + (isDiscrete ? "bits/dim" : "nats"), whole
      ),
      ("the same if each term were of a trajectory of its own", single),
    ].map { title, sums in
      .init(
        title, columns: estimates.map(\.name),
        rows: [[scatter(kind: 0, of: sums), scatter(kind: 1, of: sums)]])
    }
    return results
  }
}
