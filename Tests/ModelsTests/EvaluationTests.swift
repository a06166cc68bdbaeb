// The evaluations of denoising diffusion models against the terms that they are made of.

import Diffusion
import Foundation
import Layers
import Models
import Tensors
import TestSupport
import Testing

@Suite struct EvaluationTests {
  private let pool = BufferPool()
  private let dot = ImageShape(height: 1, width: 1, channels: 1)
  /// The noise of these images.
  private let draws = Draws(seed: 9, firstImage: 16)

  private func options(
    _ change: (inout EvaluationOptions) -> Void
  ) -> EvaluationOptions {
    var options = EvaluationOptions()
    change(&options)
    return options
  }

  /// Runs an evaluation on a group of images.
  private func evaluate(
    _ model: DenoisingDiffusion, _ batch: Batch, weights: [Float],
    _ change: (inout EvaluationOptions) -> Void = { _ in }
  ) throws -> EvaluationResults {
    let evaluation = try model.evaluation(options(change))
    var asked = 0
    let rows = try weights.withUnsafeBufferPointer { weights in
      try evaluation.measure(
        batch, draws, { Pass(pool: pool, weights: weights.baseAddress!) }, progress: { asked += 1 })
    }
    #expect(asked == evaluation.evaluations)
    #expect(rows.count == batch.count && rows.allSatisfy { $0.count == evaluation.width })
    return evaluation.results(of: Measurements(rows.flatMap(\.self), width: evaluation.width))
  }

  private func estimate(
    _ name: String, _ results: EvaluationResults
  ) throws -> EvaluationResults.Estimate {
    try #require(results.estimates.first { $0.name == name })
  }

  /// x_t of an image as an evaluation draws it, and what the network says of it, (d, d).
  private func seen(
    _ model: DenoisingDiffusion, _ batch: Batch, _ n: Int, t: Int, weights: [Float]
  ) -> (xt: [Float], output: [Float], variance: [Float]) {
    let shape = batch.images.shape
    let xt = Tensor(shape, in: pool)
    for n in 0..<batch.count {
      let x0 = batch.images.image(n)
      var noise = Array(x0)
      noise.withUnsafeMutableBufferPointer {
        draws.stream(.noise, image: n, index: t).fillNormal($0)
      }
      var span = xt.image(n).mutableSpan
      model.diffusion.forward(t: t, x0: x0.span, noise: noise.span, into: &span)
    }
    let raw = weights.withUnsafeBufferPointer {
      Array(
        model.output(
          xt, times: Array(repeating: t - 1, count: shape.n),
          Pass(pool: pool, weights: $0.baseAddress!)
        ).image(n))
    }
    let channels = raw.count / shape.imageCount
    return (
      Array(xt.image(n)), stride(from: 0, to: raw.count, by: channels).map { raw[$0] },
      stride(from: channels - 1, to: raw.count, by: channels).map { raw[$0] }
    )
  }

  // MARK: The bound

  /// Without clipping, the bound of each variance is the sum of the terms that training sees.
  @Test(arguments: Prediction.allCases, [nil, [1, 3, 4, 8]] as [[Int]?])
  func theBoundIsTheSumOfItsTerms(prediction: Prediction, list: [Int]?) throws {
    if prediction == .mean, list != nil { return }
    for levels in [nil, 17] {
      let model = tinyModel(.bound, prediction: prediction, variance: .learned, levels: levels)
      let (weights, batch) = (model.randomWeights(), greyImages(8, in: pool))
      let results = try evaluate(model, batch, weights: weights) {
        $0.clipping = false
        $0.grid = list.map { .rule(.list($0)) }
      }
      #expect(results.estimates.map(\.name) == ["learned", "fixed_large", "fixed_small"])
      let steps = list ?? Array(1...8)
      for estimate in results.estimates {
        #expect(estimate.terms == (["0"] + steps.map(String.init)).map { "L_\($0)" })
        let variance = try #require(ReverseVariance(rawValue: estimate.name))
        let diffusion = try GaussianDiffusion(
          schedule: model.diffusion.schedule, prediction: prediction, variance: variance,
          levels: levels
        ).respaced(to: steps)
        var means = [Double](repeating: 0, count: steps.count + 1)
        for n in 0..<8 {
          let x0 = batch.images.image(n).span
          var terms: [Double] = []
          for (i, t) in steps.enumerated() {
            let (xt, output, v) = seen(model, batch, n, t: t, weights: weights)
            terms.append(
              variance == .learned
                ? diffusion.boundTerm(
                  t: i + 1, x0: x0, xt: xt.span, output: output.span, variance: v.span)
                : diffusion.boundTerm(t: i + 1, x0: x0, xt: xt.span, output: output.span))
          }
          terms.append(diffusion.terminalTerm(x0: x0))
          #expect(difference(estimate.totals[n], terms.reduce(0, +)) < 1e-9)
          for (i, term) in terms.enumerated() { means[i] += term / 8 }
        }
        for (a, b) in zip(estimate.means, means) { #expect(difference(a, b) < 1e-9) }
        #expect(difference(estimate.total.mean, means.reduce(0, +)) < 1e-9)
      }
    }
  }

  /// With clipping: x̂_0 in [−1, 1], the posterior's mean, and the KL, written out.
  @Test(arguments: [ReverseVariance.fixedLarge, .fixedSmall, .learned, .analytic])
  func clippedTermsAreWrittenOut(variance: ReverseVariance) throws {
    let norms = (1...8).map { 1 - 0.08 * Double(9 - $0) }
    let model = tinyModel(.bound, prediction: .epsilon, variance: .learned).knowing(norms)
    let (weights, batch) = (model.randomWeights(scale: 0.6), greyImages(8, in: pool))
    let bars = (0...8).map(model.diffusion.schedule.cumulativeAlpha)
    for steps in [Array(1...8), [1, 2, 5, 8], [2, 7]] {
      let results = try evaluate(model, batch, weights: weights) {
        $0.variances = [variance]
        $0.grid = .rule(.list(steps))
      }
      let estimate = try estimate(variance.rawValue, results)
      var clipped = 0
      /// β̃ of step i of the chain.
      func small(_ i: Int) -> Double {
        let (bar, before) = (bars[steps[i]], i > 0 ? bars[steps[i - 1]] : 1)
        return (1 - before) / (1 - bar) * (1 - bar / before)
      }
      for n in 0..<8 {
        let x0 = batch.images.image(n).map(Double.init)
        var total = 0.0
        for (i, t) in steps.enumerated() {
          let (bar, before) = (bars[t], i > 0 ? bars[steps[i - 1]] : 1)
          let beta = 1 - bar / before
          let (xt, output, v) = seen(model, batch, n, t: t, weights: weights)
          for k in x0.indices {
            let raw =
              (Double(xt[k]) - (1 - bar).squareRoot() * Double(output[k])) / bar.squareRoot()
            let predicted = min(max(raw, -1), 1)
            if predicted != raw { clipped += 1 }
            let own = i == 0 ? small(1) : small(i)
            let factor = before.squareRoot() * beta / (1 - bar)
            let sigma2: Double
            switch variance {
            case .fixedLarge: sigma2 = i == 0 ? own : beta
            case .fixedSmall: sigma2 = own
            case .learned:
              let f = (Double(v[k]) + 1) / 2
              sigma2 = exp(f * log(beta) + (1 - f) * log(own))
            case .analytic:
              let ofX0 = min((1 - bar) / bar * (1 - norms[t - 1]), 1)
              sigma2 = (i == 0 ? 0 : own) + factor * factor * ofX0
            }
            if i == 0 {
              total -= DiscretizedNormal(levels: 17, standardDeviation: sigma2.squareRoot())
                .logProbability(ofLevel: Int(((x0[k] + 1) * 8).rounded()), mean: predicted)
            } else {
              let e = factor * (x0[k] - predicted)
              total += 0.5 * (log(sigma2 / own) + (own + e * e) / sigma2 - 1)
            }
          }
        }
        let last = bars[steps.last!]
        for x in x0 { total += 0.5 * (last * x * x + 1 - last - 1 - log(1 - last)) }
        #expect(difference(estimate.totals[n], total) < 1e-6, "\(variance) \(steps)")
      }
      #expect(clipped > 100)
    }
  }

  /// The best K steps, against the bounds of all lists of K steps.
  @Test(arguments: [2, 3, 5])
  func theBestStepsAreTheBest(count: Int) throws {
    let schedule = NoiseSchedule(.linear(from: 0.05, to: 0.4), steps: 7)
    for levels in [nil, 17] {
      let model = tinyModel(prediction: .v, levels: levels, schedule: schedule)
        .knowing([0.2, 0.3, 0.4, 0.6, 0.8, 0.9, 0.95])
      let (weights, batch) = (model.randomWeights(), greyImages(8, in: pool))
      let best = try evaluate(model, batch, weights: weights) {
        ($0.grid, $0.steps) = (.optimal, count)
      }
      #expect(best.estimates.map(\.name) == ["fixed_small", "fixed_large", "analytic"])
      for estimate in best.estimates {
        let chosen = estimate.terms.dropFirst().map { Int($0.dropFirst(2))! }
        #expect(chosen.count == count && chosen.first == 1 && chosen.last == 7)
        var (least, own) = (Double.infinity, Double.nan)
        for mask in 0..<1 << 5 where mask.nonzeroBitCount == count - 2 {
          let list = [1] + (2...6).filter { mask >> ($0 - 2) & 1 == 1 } + [7]
          let others = try evaluate(model, batch, weights: weights) {
            $0.grid = .rule(.list(list))
            $0.variances = [try! #require(ReverseVariance(rawValue: estimate.name))]
          }
          let total = others.estimates[0].total.mean
          least = min(least, total)
          if list == chosen { own = total }
        }
        #expect(difference(estimate.total.mean, own) < 1e-10, "\(estimate.name)")
        #expect(difference(own, least) < 1e-10, "\(estimate.name) \(chosen)")
        let even = try evaluate(model, batch, weights: weights) {
          ($0.grid, $0.steps) = (.rule(.linspace), count)
        }
        let linspace = try self.estimate(estimate.name, even).total.mean
        #expect(estimate.total.mean <= linspace + 1e-10)
      }
    }
  }

  /// All steps are the whole chain, under any name.
  @Test func allStepsAreTheChain() throws {
    let model = tinyModel()
    let (weights, batch) = (model.randomWeights(), greyImages(8, in: pool))
    let whole = try evaluate(model, batch, weights: weights)
    for (grid, steps) in [
      (EvaluationGrid.optimal, 8), (.optimal, nil), (.rule(.trailing), 8), (.rule(.linspace), nil),
    ] as [(EvaluationGrid, Int?)] {
      let other = try evaluate(model, batch, weights: weights) {
        ($0.grid, $0.steps) = (grid, steps)
      }
      #expect(other.estimates.map(\.totals) == whole.estimates.map(\.totals))
    }
  }

  /// The tables: the rate falls from the whole bound without L_0, errors are those of x̂_0 and ε̂.
  ///
  /// Grey levels are told in bits and of 0 … 255, continuous images in nats and on their own scale.
  @Test(arguments: [nil, 17]) func tablesFollowFromTheTerms(levels: Int?) throws {
    let model = tinyModel(prediction: .epsilon, levels: levels)
    let (weights, batch) = (model.randomWeights(), greyImages(8, in: pool))
    let results = try evaluate(model, batch, weights: weights) { $0.clipping = false }
    let estimate = results.estimates[0]
    let (coding, errors) = (results.tables[0], results.tables[1])
    #expect(coding.rows.map { $0[0] } == (1...8).reversed().map(Double.init))
    #expect(errors.rows.map { $0[0] } == (1...8).map(Double.init))
    let (bits, scale) = levels == nil ? (1, 1) : (1 / (16 * log(2.0)), 127.5)
    #expect(coding.columns[1] == (levels == nil ? "nats" : "bits/dim"))
    #expect(difference(coding.rows[0][1], estimate.means[8] * bits) < 1e-12)
    #expect(
      difference(coding.rows[7][1], (estimate.total.mean - estimate.means[0]) * bits) < 1e-12)
    for t in 1...8 {
      var (ofX0, ofNoise) = (0.0, 0.0)
      for n in 0..<8 {
        let (xt, output, _) = seen(model, batch, n, t: t, weights: weights)
        let toX0 = Prediction.epsilon.conversion(to: .x0, at: t, of: model.diffusion.schedule)
        let x0 = batch.images.image(n)
        ofNoise +=
          model.diffusion.simpleTerm(t: t, x0: x0.span, xt: xt.span, output: output.span) / 8
        for k in 0..<16 {
          let e = Double(x0[k]) - toX0(Double(output[k]), xt: Double(xt[k]))
          ofX0 += e * e / 128
        }
      }
      #expect(difference(errors.rows[t - 1][1], ofX0) < 1e-10)
      #expect(difference(errors.rows[t - 1][2], ofNoise) < 1e-9)
      #expect(difference(coding.rows[8 - t][2], scale * ofX0.squareRoot()) < 1e-10)
    }
  }

  /// The numbers of an image do not depend on its neighbours.
  @Test(arguments: ["bound", "neighbours"])
  func anImageIsMeasuredAlone(method: String) throws {
    let model = tinyModel(images: dot)
    let weights = model.randomWeights()
    let whole = greyImages(8, dot, in: pool)
    let evaluation = try model.evaluation(options { $0.method = method })
    try weights.withUnsafeBufferPointer { weights in
      func rows(_ batch: Batch, first: Int) throws -> [[Double]] {
        try evaluation.measure(
          batch, Draws(seed: 9, firstImage: first),
          { Pass(pool: pool, weights: weights.baseAddress!) }, progress: {})
      }
      let all = try rows(whole, first: 0)
      #expect(Set(all.map { $0[0] }).count == 8)
      let half = Batch(
        images: Tensor(Shape(4, 1, 1, 1), Array(whole.images.scalars[4...]), in: pool))
      for (a, b) in zip(try rows(half, first: 4), all[4...]) {
        for (x, y) in zip(a, b) { #expect(abs(x - y) < 1e-5 * max(1, abs(y))) }
      }
    }
  }

  // MARK: Both decompositions

  /// The two bounds of the same trajectories agree to within their standard errors.
  @Test(arguments: [Prediction.v, .mean], ReverseVariance.fixed)
  func decompositionsAgree(prediction: Prediction, variance: ReverseVariance) throws {
    let schedule = NoiseSchedule(.linear(from: 0.1, to: 0.5), steps: 4)
    let model = tinyModel(
      prediction: prediction, levels: 5, schedule: schedule, images: dot)
    let weights = model.randomWeights()
    let batch = greyImages(2000, dot, levels: 5, in: pool)
    let results = try evaluate(model, batch, weights: weights) {
      ($0.method, $0.variances, $0.draws) = ("neighbours", [variance], 2)
    }
    let (posteriors, neighbours) = (results.estimates[0], results.estimates[1])
    #expect([posteriors.name, neighbours.name] == ["posteriors", "neighbours"])
    #expect(posteriors.terms == (0...4).map { "L_\($0)" })
    #expect(neighbours.terms == ["L_0"] + (1...4).map { "C_\($0)" })
    // Of the same trajectories: their difference has an error of its own.
    var difference = Moments()
    for (a, b) in zip(posteriors.totals, neighbours.totals) { difference.add(a - b) }
    #expect(difference.standardError > 0)
    #expect(abs(difference.mean) < 4 * difference.standardError, "\(difference)")
    #expect(posteriors.means[0] == neighbours.means[0] && posteriors.totals != neighbours.totals)
    // And with the bound of x_t drawn directly.
    let bound = try evaluate(model, batch, weights: weights) {
      ($0.clipping, $0.variances) = (false, [variance])
    }.estimates[0].total
    let total = posteriors.total
    let error = (bound.error * bound.error + total.error * total.error).squareRoot()
    #expect(abs(bound.mean - total.mean) < 4 * error, "\(bound) \(total)")
  }

  /// Of data that is one point, with the best network and `fixed_small`, every L_{t−1} is 0 on every
  /// trajectory; what neighbours say of the same scatters.
  @Test func neighboursScatter() throws {
    let schedule = NoiseSchedule(.linear(from: 0.1, to: 0.5), steps: 4)
    let model = tinyModel(prediction: .x0, levels: nil, schedule: schedule)
    let weights = model.constantWeights([0.25])
    let batch = Batch(
      images: Tensor(Shape(64, 4, 4, 1), Array(repeating: Float(0.25), count: 1024), in: pool))
    let results = try evaluate(model, batch, weights: weights) {
      ($0.method, $0.draws) = ("neighbours", 4)
    }
    let (posteriors, neighbours) = (results.estimates[0], results.estimates[1])
    // L_0 = ½ d log(2π β_1) and L_T are numbers, too.
    #expect(posteriors.means[1...3].allSatisfy { abs($0) < 1e-9 })
    #expect(posteriors.errors.allSatisfy { $0 < 1e-9 })
    #expect(abs(posteriors.means[0] - 8 * log(2 * Double.pi * 0.1)) < 1e-9)
    let scatter = results.tables[0]
    #expect(scatter.columns == ["posteriors", "neighbours"])
    #expect(scatter.rows[0][0] < 1e-9 && scatter.rows[0][1] > 0.1)
    let (mean, error) = neighbours.total
    #expect(error > 0.01 && abs(mean - posteriors.total.mean) < 4 * error)
    // One trajectory scatters √4 times as much as the mean of four, over 64 images.
    let expected = scatter.rows[0][1] / (64.0 * 4).squareRoot()
    #expect(abs(error - expected) < 0.35 * expected)
  }

  // MARK: What cannot be

  @Test func optionsThatCannotBeFollowed() throws {
    let model = tinyModel(images: dot)
    let (learned, mean) = (
      tinyModel(.hybrid, variance: .learned, images: dot), tinyModel(prediction: .mean, images: dot)
    )
    func refuses(
      _ error: EvaluationError, _ model: DenoisingDiffusion,
      _ change: (inout EvaluationOptions) -> Void
    ) {
      #expect(throws: error) { try model.evaluation(options(change)) }
      #expect(!error.description.contains("\n") && error.description.hasSuffix("."))
    }
    refuses(.unknown("magic"), model) { $0.method = "magic" }
    refuses(.foreignOption("draws", method: "bound"), model) { $0.draws = 3 }
    refuses(.foreignOption("tolerance", method: "bound"), model) { $0.tolerance = 0.1 }
    refuses(.foreignOption("clip", method: "neighbours"), model) {
      ($0.method, $0.clipping) = ("neighbours", true)
    }
    refuses(.missingVariance(.learned), model) { $0.variances = [.fixedSmall, .learned] }
    refuses(.missingVariance(.analytic), learned) { $0.variances = [.analytic] }
    for variance in [ReverseVariance.learned, .analytic] {
      refuses(.unfitVariance(variance, method: "neighbours"), learned) {
        ($0.method, $0.variances) = ("neighbours", [variance])
      }
    }
    refuses(.unfitVariance(.fixedSmall, method: "neighbours"), model) {
      ($0.method, $0.variances) = ("neighbours", ReverseVariance.fixed)
    }
    for draws in [1, 0, -3, 1001] {
      refuses(.invalid(option: "draws", needs: "a number from 2 to 1000"), model) {
        ($0.method, $0.draws) = ("neighbours", draws)
      }
    }
    func refusesOptimum(
      _ model: DenoisingDiffusion, _ change: (inout EvaluationOptions) -> Void
    ) {
      let error = #expect(throws: EvaluationError.self) {
        try model.evaluation(
          options {
            $0.grid = .optimal
            change(&$0)
          })
      }
      guard case .noOptimum(let reason)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(error!.description == "The grid optimal \(reason).")
    }
    refusesOptimum(model) { ($0.method, $0.steps) = ("neighbours", 3) }
    refusesOptimum(model) { $0.steps = 1 }
    refusesOptimum(learned) { ($0.steps, $0.variances) = (3, [.fixedSmall, .learned]) }
    let found = try learned.evaluation(options { ($0.grid, $0.steps) = (.optimal, 3) })
    #expect(found.facts["variances"] == .text("fixed_large,fixed_small") && found.notes.count == 1)
    let long = tinyModel(schedule: NoiseSchedule(.cosine, steps: 4097), images: dot)
    refusesOptimum(long) { $0.steps = 3 }

    for grid in [EvaluationGrid.optimal, .rule(.trailing)] {
      for method in ["bound", "neighbours"] where method == "bound" || grid != .optimal {
        for steps in [0, 9, -1] {
          #expect(throws: DiffusionError.invalidSubset(steps: steps, available: 8)) {
            try model.evaluation(
              options { ($0.method, $0.grid, $0.steps) = (method, grid, steps) })
          }
        }
        #expect(throws: DiffusionError.meanPredictionNeedsEveryStep) {
          try mean.evaluation(options { ($0.method, $0.grid, $0.steps) = (method, grid, 4) })
        }
        #expect(
          try mean.evaluation(options { ($0.method, $0.grid, $0.steps) = (method, grid, 8) })
            .evaluations == (method == "bound" ? 8 : 16))
      }
    }
    #expect(throws: DiffusionError.invalidGrid(steps: [3, 3], available: 8)) {
      try model.evaluation(options { $0.grid = .rule(.list([3, 3])) })
    }
  }

  /// Weights and Γ of a file may be anything: there is a result, if it is no number.
  @Test(arguments: [Float.nan, .infinity, 1e30])
  func nothingTraps(weight: Float) throws {
    for norm in [0.5, Double.nan, -.infinity, 1e300] {
      let model = tinyModel(.hybrid, prediction: .epsilon, variance: .learned, images: dot)
        .knowing(Array(repeating: norm, count: 8))
      let weights = Array(repeating: weight, count: model.parameters.layout.count)
      let batch = greyImages(8, dot, in: pool)
      #expect(try evaluate(model, batch, weights: weights).estimates.count == 4)
      for variance in [ReverseVariance.fixedSmall, .fixedLarge, .analytic] {
        let best = try evaluate(model, batch, weights: weights) {
          ($0.grid, $0.steps, $0.variances) = (.optimal, 4, [variance])
        }
        #expect(best.estimates[0].terms.count == 5)
      }
      #expect(
        try evaluate(model, batch, weights: weights) { $0.method = "neighbours" }.estimates.count
          == 2)
    }
  }

  /// A chain that leaves nothing at its end, and parts of it, have a bound.
  @Test func chainsThatEndInNoise() throws {
    let schedule = try NoiseSchedule(.linear(from: 0.05, to: 0.4), steps: 8).withZeroTerminalSNR()
    let model = tinyModel(.bound, variance: .learned, schedule: schedule)
      .knowing(Array(repeating: 0.5, count: 8))
    let (weights, batch) = (model.randomWeights(), greyImages(8, in: pool))
    for (grid, steps) in [
      (EvaluationGrid.rule(.linspace), 8), (.rule(.linspace), 3), (.rule(.trailing), 1),
      (.rule(.logSNR), 4), (.rule(.karras), 4), (.optimal, 3), (.optimal, 2),
    ] {
      let results = try evaluate(model, batch, weights: weights) {
        ($0.grid, $0.steps) = (grid, steps)
        if grid == .optimal { $0.variances = [.fixedSmall, .fixedLarge, .analytic] }
      }
      for estimate in results.estimates {
        #expect(estimate.totals.allSatisfy(\.isFinite) && estimate.means.last == 0)
      }
    }
    let results = try evaluate(model, batch, weights: weights) { $0.method = "neighbours" }
    #expect(results.estimates.allSatisfy { $0.totals.allSatisfy(\.isFinite) })
    #expect(results.estimates.allSatisfy { $0.means.last == 0 })
  }

  // MARK: Moments

  @Test func momentsAreThoseOfTheFormulas() {
    for offset in [0.0, -3, 1e9] {
      let values = normals(50, seed: 4).map { Double($0) * 2 + offset }
      var moments = Moments()
      #expect(moments.mean == 0 && moments.variance == 0 && moments.standardError == 0)
      for (n, value) in values.enumerated() {
        moments.add(value)
        let part = values[...n].map { $0 - offset }
        let mean = part.reduce(0, +) / Double(n + 1)
        #expect(abs(moments.mean - offset - mean) < 1e-14 * (1 + abs(offset)) * 10)
        guard n > 0 else {
          #expect(moments.variance == 0 && moments.standardError == 0)
          continue
        }
        let variance = part.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(n)
        #expect(abs(moments.variance - variance) < 1e-6 * variance)
        #expect(
          abs(moments.standardError - (variance / Double(n + 1)).squareRoot()) < 1e-6 * variance)
      }
    }
  }

  @Test func estimatesAddUpTheirTerms() {
    let values = [[1.0, 10], [2, 20], [6, 60]]
    let estimate = EvaluationResults.Estimate("e", terms: ["a", "b"], images: 3) { values[$0][$1] }
    #expect(estimate.means == [3, 30] && estimate.totals == [11, 22, 66])
    #expect(difference(estimate.errors[0], (7.0 / 3).squareRoot()) < 1e-14)
    #expect(estimate.total.mean == 33)
    #expect(difference(estimate.total.error, 11 * (7.0 / 3).squareRoot()) < 1e-14)
    let measurements = Measurements([1, 2, 3, 4, 5, 6], width: 2)
    #expect(measurements.count == 3 && measurements[1, 0] == 3 && measurements.mean(1) == 4)
  }
}
