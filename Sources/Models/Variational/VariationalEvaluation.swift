// The bound of a variational diffusion model on images: three terms, at several times of each image.

import Diffusion
import Layers
import Tensors

extension VariationalDiffusion: Likelihood {
  /// The bound, or the likelihood by the flow.
  public func evaluation(_ options: EvaluationOptions) throws -> any Evaluation {
    switch options.method ?? "bound" {
    case "bound": return try told(VariationalEvaluation(self, options), options)
    case "flow": return try asDenoisingDiffusion().evaluation(options)
    case let other: throw VariationalDiffusionError.method(other)
    }
  }
}

/// The bound in continuous time, and beside it that of T steps where they are asked for.
///
/// The times of an image are frac(u + j/J), j = 0 … J − 1, with a u that is spread evenly over the images
/// (`Draws.spread`).
private struct VariationalEvaluation: Evaluation {
  private let model: VariationalDiffusion
  private let bound: VariationalTerms
  /// J.
  private let draws: Int
  /// T of each estimate; 0: continuous time.
  private let ways: [Int]

  init(_ model: VariationalDiffusion, _ options: EvaluationOptions) throws {
    if let option = options.names.subtracting(["steps", "draws"]).sorted().first {
      throw VariationalDiffusionError.option(option)
    }
    draws = options.draws ?? 16
    guard (1...1000).contains(draws) else {
      throw VariationalDiffusionError.invalid(option: "draws", needs: "a number from 1 to 1000")
    }
    let steps = options.steps ?? model.steps
    guard (options.steps == nil ? 0 : 1)...1_000_000 ~= steps else {
      throw VariationalDiffusionError.invalid(
        option: "steps", needs: "a number from 1 to 1000000")
    }
    ways = steps == 0 ? [0] : [0, steps]
    self.model = model
    bound = VariationalTerms(model.schedule, levels: model.levels)
    // A schedule of a hostile file is refused here, as where images are drawn.
    _ = try model.asDenoisingDiffusion()
  }

  var evaluations: Int? { ways.count * draws }

  var facts: [String: Fact] {
    [
      "method": .text("bound"), "draws": .integer(draws), "steps": .integer(ways.last!),
      "gamma_first": .number(bound.schedule.first), "gamma_last": .number(bound.schedule.last),
    ]
  }

  var notes: [String] {
    [
      "The bound is estimated at \(draws) \(draws == 1 ? "time" : "times") of each image, spread evenly; "
        + "--draws takes another number."
    ]
  }

  // MARK: Columns: reconstruction · prior · the diffusion term at each time, of each way

  var width: Int { 2 + ways.count * draws }

  func measure(
    _ batch: Batch, _ draws: Draws, _ makePass: () -> Pass, progress: () -> Void
  ) -> [[Double]] {
    let x = batch.images
    var numbers = (0..<batch.count).map { n in
      [reconstruction(batch, draws, n, makePass().pool), bound.prior(x: x.image(n).span).nats]
    }
    for steps in ways {
      for j in 0..<self.draws {
        let pass = makePass()
        let (z, noise) = (Tensor(x.shape, in: pass.pool), Tensor(x.shape, in: pass.pool))
        let moments = (0..<batch.count).map { n in
          let place =
            draws.spread(.timestep, image: n, of: batch.count) + Double(j) / Double(self.draws)
          return bound.moment(place - place.rounded(.down), steps: steps)
        }
        for n in 0..<batch.count {
          draws.stream(.noise, image: n, index: 1 + j).fillNormal(noise.image(n))
          model.diffuse(x.image(n), noise.image(n), gamma: moments[n].point.gamma, into: z.image(n))
        }
        let output = model.predictedNoise(z, moments.map(\.point.gamma), batch.conditions, pass)
          .value
        for n in 0..<batch.count {
          let error = squaredError(noise.image(n).span, output.image(n).map(Double.init))
          numbers[n].append(moments[n].weight * error)
        }
        progress()
      }
    }
    return numbers
  }

  /// −log p(x|z_0), the mean over as many z_0 as there are times.
  private func reconstruction(
    _ batch: Batch, _ draws: Draws, _ n: Int, _ pool: BufferPool
  ) -> Double {
    let x = batch.images.image(n).span
    let noise = Tensor(Shape(1, 1, 1, x.count), in: pool)
    var sum = 0.0
    for j in 0..<self.draws {
      draws.stream(.noise, image: n, index: 1 + self.draws + j).fillNormal(noise.scalars)
      sum += bound.reconstruction(x: x, noise: noise.scalars.span).nats
    }
    return sum / Double(self.draws)
  }

  // MARK: Results

  func results(of measurements: Measurements) -> EvaluationResults {
    func time(_ n: Int, _ way: Int, _ j: Int) -> Double { measurements[n, 2 + way * draws + j] }
    let estimates = ways.enumerated().map { way, steps in
      EvaluationResults.Estimate(
        steps == 0 ? "continuous time" : "\(steps) steps",
        terms: ["reconstruction", "diffusion", "prior"], images: measurements.count
      ) { n, term in
        switch term {
        case 0: measurements[n, 0]
        case 1: (0..<draws).reduce(0) { $0 + time(n, way, $1) } / Double(draws)
        default: measurements[n, 1]
        }
      }
    }
    var results = EvaluationResults(estimates)
    guard draws > 1 else { return results }
    let scatter = ways.indices.map { way in
      let variances = (0..<measurements.count).map { n in
        var moments = Moments()
        for j in 0..<draws { moments.add(time(n, way, j)) }
        return moments.variance
      }
      let mean = variances.reduce(0, +) / Double(variances.count)
      let dimensions = model.network.images.count
      return model.levels == nil
        ? mean.squareRoot() : bitsPerDimension(nats: mean.squareRoot(), dimensions: dimensions)
    }
    results.tables = [
      .init(
        "standard deviation of the diffusion term at one time, for the same image, in "
          + (model.levels == nil ? "nats" : "bits/dim"), columns: estimates.map(\.name),
        rows: [scatter])
    ]
    return results
  }
}
