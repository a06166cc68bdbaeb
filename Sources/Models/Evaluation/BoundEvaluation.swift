// The variational bound, term by term, of every variance at once.

import Diffusion
import Foundation
import Layers
import Tensors

extension DenoisingDiffusion.EvaluationMethod {
  /// L_T + ΣL_{t−1} + L_0, each for one x_t of its own.
  static let bound = Self(
    "bound", help: "the variational bound, term by term (Ho et al. 2020, eq. 5)",
    options: ["variance", "steps", "grid", "clip"]
  ) { model, options in
    try BoundEvaluation(model, options)
  }
}

/// The bound of the chain that visits some steps, or the best of them.
///
/// The network is asked once at each step; what it says there is an error ‖x_0 − x̂_0‖², from which
/// the terms of all variances follow, and those of all sub-sequences (`ReverseChain`).
private struct BoundEvaluation: Evaluation {
  /// The most steps of a chain whose best sub-sequence is sought: pairs of them are compared.
  private static let longestSearch = 4096

  private let model: DenoisingDiffusion
  private let variances: [ReverseVariance]
  /// The steps at which the network is asked.
  private let steps: [Int]
  /// K of the best sub-sequence; nil: all of `steps`.
  private let optimalCount: Int?
  private let rule: String
  private let clipping: Bool
  private let dimensions: Int
  /// σ² for which L_0 is evaluated, none twice.
  private let decoderVariances: [Double]

  init(_ model: DenoisingDiffusion, _ options: EvaluationOptions) throws {
    self.model = model
    let asked = try model.variances(options)
    dimensions = model.network.images.count
    clipping = options.clipping ?? (model.diffusion.levels != nil)
    let last = model.diffusion.schedule.steps
    if options.grid == .optimal, let count = options.steps, count != last {
      guard model.diffusion.prediction != .mean else {
        throw DiffusionError.meanPredictionNeedsEveryStep
      }
      guard (1...last).contains(count) else {
        throw DiffusionError.invalidSubset(steps: count, available: last)
      }
      guard count > 1 else {
        throw EvaluationError.noOptimum("visits the first step and the last: ask for 2 --steps")
      }
      guard last <= Self.longestSearch else {
        throw EvaluationError.noOptimum(
          "compares all pairs of steps, of at most \(Self.longestSearch); this chain has \(last)")
      }
      guard !options.variances.contains(.learned) else {
        throw EvaluationError.noOptimum(
          "needs a variance that is one number a step: choose others with --variance")
      }
      variances = asked.filter { $0 != .learned }
      (optimalCount, rule, steps) = (count, "optimal", Array(1...last))
    } else {
      let grid = if case .rule(let rule) = options.grid { rule } else { TimestepGrid.linspace }
      variances = asked
      (optimalCount, rule) = (nil, grid.name)
      steps = try model.visitedSteps(grid, options)
    }
    var needed: [Double] = []
    for variance in variances where variance != .learned {
      needed += try Self.decoderVariances(model, variance, steps, isSearch: optimalCount != nil)
    }
    decoderVariances = Set(needed).sorted()
  }

  var evaluations: Int? { steps.count }

  var facts: [String: Fact] {
    [
      "method": .text("bound"), "grid": .text(rule),
      "steps": .integer(optimalCount ?? steps.count), "clipping": .integer(clipping ? 1 : 0),
      "variances": .text(variances.map(\.rawValue).joined(separator: ",")),
    ]
  }

  var notes: [String] {
    guard optimalCount != nil, model.diffusion.variance == .learned else { return [] }
    return [
      "The best steps are sought for variances that are one number a step, not for the learned."
    ]
  }

  // MARK: Columns: the errors of x̂_0 · L_T · L_0 of each variance · the terms of the learned one

  var width: Int {
    steps.count + 1 + decoderVariances.count + (variances.contains(.learned) ? steps.count : 0)
  }

  private func chain(_ variance: ReverseVariance, visiting steps: [Int]) -> ReverseChain {
    ReverseChain(
      model.diffusion.schedule, visiting: steps, variance: variance, noiseNorms: model.noiseNorms,
      levels: model.diffusion.levels)
  }

  /// The variances that L_0 may have: of a fixed one it depends on the second step.
  private static func decoderVariances(
    _ model: DenoisingDiffusion, _ variance: ReverseVariance, _ steps: [Int], isSearch: Bool
  ) throws -> [Double] {
    func first(visiting steps: [Int]) -> Double {
      ReverseChain(
        model.diffusion.schedule, visiting: steps, variance: variance,
        noiseNorms: model.noiseNorms, levels: model.diffusion.levels
      ).variances[0]
    }
    guard isSearch, variance != .analytic, model.diffusion.levels != nil else {
      return [first(visiting: isSearch ? [1, 2] : steps)]
    }
    return steps.dropFirst().map { first(visiting: [1, $0]) }
  }

  func measure(
    _ batch: Batch, _ draws: Draws, _ makePass: () -> Pass, progress: () -> Void
  ) -> [[Double]] {
    let (diffusion, x0) = (model.diffusion, batch.images)
    let visited = diffusion.schedule.respaced(to: steps)
    var errors = [[Double]](repeating: [], count: batch.count)
    var decoder = errors
    var learned = errors
    for (index, t) in steps.enumerated() {
      let pass = makePass()
      let xt = Tensor(x0.shape, in: pass.pool)
      for n in 0..<batch.count {
        model.diffuse(
          x0.image(n), t: t, draws.stream(.noise, image: n, index: t), into: xt.image(n),
          pass.pool)
      }
      let output = model.output(
        xt, t: Array(repeating: t, count: batch.count), batch.conditions, pass)
      for n in 0..<batch.count {
        let clean = x0.image(n).span
        let predicted = diffusion.predictedX0(
          t: t, xt: xt.image(n).span, output: output.mean.value.image(n).span, clipping: clipping)
        errors[n].append(squaredError(clean, predicted))
        if index == 0 {
          decoder[n] = decoderVariances.map {
            diffusion.decoderTerm(x0: clean, predicted: predicted, variance: $0)
          }
        }
        if variances.contains(.learned), let v = output.variance?.value {
          learned[n].append(
            diffusion.learnedTerm(
              index + 1, of: visited, x0: clean, predicted: predicted, variance: v.image(n).span))
        }
      }
      progress()
    }
    return (0..<batch.count).map { n in
      let prior = visited.terminalTerm(x0: x0.image(n).span)
      return errors[n] + [prior] + decoder[n] + learned[n]
    }
  }

  // MARK: Results

  func results(of measurements: Measurements) -> EvaluationResults {
    let errors = steps.indices.map { measurements.mean($0) }
    let estimates = variances.map { estimate($0, measurements, errors) }
    var results = EvaluationResults(estimates)
    results.tables = [progressiveCoding(estimates[0], errors), errorTable(errors)]
    return results
  }

  private func estimate(
    _ variance: ReverseVariance, _ measurements: Measurements, _ errors: [Double]
  ) -> EvaluationResults.Estimate {
    let visited = optimalCount.map { best($0, variance, measurements, errors) } ?? steps
    let names = (["0"] + visited.map(String.init)).map { "L_\($0)" }
    let prior = steps.count
    if variance == .learned {
      let first = steps.count + 1 + decoderVariances.count
      return .init(variance.rawValue, terms: names, images: measurements.count) { n, i in
        measurements[n, i < steps.count ? first + i : prior]
      }
    }
    let chain = chain(variance, visiting: visited)
    let decoder = prior + 1 + decoderVariances.firstIndex(of: chain.variances[0])!
    let columns = visited.map { steps.firstIndex(of: $0)! }
    return .init(variance.rawValue, terms: names, images: measurements.count) { n, i in
      if i == 0 { return measurements[n, decoder] }
      if i == visited.count { return measurements[n, prior] }
      return chain.term(
        i + 1, squaredError: measurements[n, columns[i]], dimensions: dimensions)
    }
  }

  /// The best K steps for a variance, by the mean errors.
  private func best(
    _ count: Int, _ variance: ReverseVariance, _ measurements: Measurements, _ errors: [Double]
  ) -> [Int] {
    optimalSteps(count, of: steps.count) { s, t in
      let step = chain(variance, visiting: [s, t])
      let cost = step.term(2, squaredError: errors[t - 1], dimensions: dimensions)
      guard s == 1, let decoder = decoderVariances.firstIndex(of: step.variances[0]) else {
        return cost
      }
      return cost + measurements.mean(steps.count + 1 + decoder)
    }
  }

  /// What an image costs until some x_t is known, and how well x̂_0 then shows it (Ho, Jain, Abbeel
  /// 2020, section 4.3).
  private func progressiveCoding(
    _ estimate: EvaluationResults.Estimate, _ errors: [Double]
  ) -> EvaluationResults.Table {
    // Continuous images are told in nats, on the network's scale; levels as bytes, as papers do, and more of
    // them as they are.
    let isDiscrete = model.diffusion.levels != nil
    let white = max(255, (model.diffusion.levels ?? 0) - 1)
    // Of the best sub-sequence, the steps are in the names of the terms.
    let visited = estimate.terms.dropFirst().map { Int($0.dropFirst(2))! }
    var (rate, rows) = (0.0, [[Double]]())
    for (i, t) in visited.enumerated().reversed() {
      // The terms from L_T down to L_t tell x_t.
      rate += estimate.means[i + 1]
      let error = errors[steps.firstIndex(of: t)!] / Double(dimensions)
      rows.append(
        [
          Double(t), isDiscrete ? bitsPerDimension(nats: rate, dimensions: dimensions) : rate,
          (isDiscrete ? Double(white) / 2 : 1) * error.squareRoot(),
        ])
    }
    return .init(
      "progressive coding (\(estimate.name)): the rate until x_t is known, and the distortion of "
        + "x_0 predicted from it",
      columns: [
        "t", isDiscrete ? "bits/dim" : "nats",
        isDiscrete ? "RMSE of 0…\(white)" : "RMSE in −1…1",
      ], rows: rows)
  }

  private func errorTable(_ errors: [Double]) -> EvaluationResults.Table {
    let schedule = model.diffusion.schedule
    return .init(
      "errors of the predictions: means over scalars",
      columns: ["t", "squared error of x_0", "squared error of the noise"],
      rows: zip(steps, errors).map { t, error in
        let error = error / Double(dimensions)
        let snr = schedule.cumulativeAlpha(t) / schedule.noiseVariance(t)
        return [Double(t), error, snr * error]
      })
  }
}
