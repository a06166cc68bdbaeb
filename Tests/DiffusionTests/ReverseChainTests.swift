// The bound of chains that visit some steps: recorded terms, fixed and analytic variances.

import Diffusion
import Foundation
import Testing

@Suite struct ReverseChainTests {
  private static let visited: [String: [Int]] = [
    "full": Array(1...1000), "four": [1, 334, 667, 1000], "late": [3, 40, 1000],
  ]
  private let ho = NoiseSchedule(.ho, steps: 1000)

  /// Terms of three chains, with and without clipping, for three variances.
  @Test func termsAreRecorded() throws {
    let rows = rows(of: RecordedLearned.evaluatedTerms, width: 13)
    #expect(rows.count == 44)
    let (x0, v) = (RecordedLearned.clean[17]!, RecordedLearned.variance)
    for row in rows {
      let steps = try #require(Self.visited[row[0]])
      let diffusion = GaussianDiffusion(
        schedule: ho, prediction: try #require(Prediction(rawValue: row[2])), variance: .learned,
        levels: 17)
      let (i, xt) = (Int(row[1])!, row[4..<10].map { Float($0)! })
      let predicted = diffusion.predictedX0(
        t: steps[i - 1], xt: xt.span, output: RecordedLearned.output.span, clipping: row[3] == "1")
      for (variance, expected) in zip(ReverseVariance.fixed, row[10..<12]) {
        let chain = ReverseChain(ho, visiting: steps, variance: variance, levels: 17)
        let nats =
          i == 1
          ? diffusion.decoderTerm(
            x0: x0.span, predicted: predicted, variance: chain.variances[0])
          : chain.term(i, squaredError: squaredError(x0.span, predicted), dimensions: 6)
        #expect(difference(nats, Double(expected)!, floor: 1e-4) < 1e-6, "\(variance) \(row)")
      }
      let learned = diffusion.learnedTerm(
        i, of: ho.respaced(to: steps), x0: x0.span, predicted: predicted, variance: v.span)
      #expect(difference(learned, Double(row[12])!, floor: 1e-4) < 1e-6, "learned \(row)")
    }
  }

  /// Without clipping the terms are those that training sees, on the whole chain and on parts.
  @Test(arguments: Prediction.allCases, [nil, 17])
  func termsAreThoseOfTraining(prediction: Prediction, levels: Int?) throws {
    let whole = NoiseSchedule(.linear(from: 0.01, to: 0.3), steps: 12)
    for steps in [Array(1...12), [1, 5, 6, 12], [2, 9], [7], [1, 12]] {
      if prediction == .mean, steps.count < 12 { continue }
      let chain = whole.respaced(to: steps)
      for variance in ReverseVariance.fixed {
        let reverse = ReverseChain(whole, visiting: steps, variance: variance, levels: levels)
        let short = try GaussianDiffusion(
          schedule: whole, prediction: prediction, variance: variance, levels: levels
        ).respaced(to: steps)
        let learned = try GaussianDiffusion(
          schedule: whole, prediction: prediction, variance: .learned, levels: levels
        ).respaced(to: steps)
        #expect(reverse.schedule == chain && reverse.steps == steps)
        for i in 1...steps.count {
          let top = Float((levels ?? 65) - 1)
          let x0 = scattered(12, seed: 8).map { (($0 + 1) / 2 * top).rounded() / top * 2 - 1 }
          let (xt, output) = (scattered(12, seed: 9), scattered(12, seed: 10))
          let v = scattered(12, seed: 11)
          let predicted = short.predictedX0(
            t: i, xt: xt.span, output: output.span, clipping: false)
          let ours =
            i == 1
            ? short.decoderTerm(
              x0: x0.span, predicted: predicted, variance: reverse.variances[0])
            : reverse.term(i, squaredError: squaredError(x0.span, predicted), dimensions: 12)
          let theirs = short.boundTerm(t: i, x0: x0.span, xt: xt.span, output: output.span)
          #expect(difference(ours, theirs) < 1e-10, "\(steps) \(i)")
          #expect(
            difference(
              learned.learnedTerm(
                i, of: chain, x0: x0.span, predicted: predicted, variance: v.span),
              learned.boundTerm(
                t: i, x0: x0.span, xt: xt.span, output: output.span, variance: v.span)) < 1e-10)
        }
      }
    }
  }

  /// x̂_0 in Double is the one that samplers see.
  @Test func predictedImagesAreThoseOfTheSamplers() {
    let diffusion = GaussianDiffusion(schedule: ho, prediction: .v)
    let (xt, output) = (scattered(9, seed: 1), scattered(9, seed: 2).map { 2 * $0 })
    for clipping in [false, true] {
      var x0 = xt
      var span = x0.mutableSpan
      diffusion.predictedX0(
        t: 300, xt: xt.span, output: output.span, clipping: clipping, into: &span)
      let ours = diffusion.predictedX0(
        t: 300, xt: xt.span, output: output.span, clipping: clipping)
      #expect(ours.map(Float.init) == x0)
      #expect(ours.contains { abs($0) > 1 } == !clipping)
    }
  }

  // MARK: Gaussian data, for which Γ is known: σ_t²/(α_t² s² + σ_t²)

  private let world = GaussianWorld(mean: 0.2, deviation: 0.5)

  private func noiseNorms(_ schedule: NoiseSchedule) -> [Double] {
    (1...schedule.steps).map { t in
      let rest = schedule.noiseVariance(t)
      return rest / (schedule.cumulativeAlpha(t) * 0.25 + rest)
    }
  }

  /// E over data and noise of the bound, with the best network, minus the data's entropy.
  private func excess(
    _ schedule: NoiseSchedule, visiting steps: [Int], _ variance: ReverseVariance
  ) -> Double {
    let chain = ReverseChain(
      schedule, visiting: steps, variance: variance, noiseNorms: noiseNorms(schedule), levels: nil)
    // E(x_0 − x̂_0)² is what x_0 varies by given x_t; all terms are linear in it.
    func error(_ t: Int) -> Double {
      let rest = schedule.noiseVariance(t)
      return 0.25 * rest / (schedule.cumulativeAlpha(t) * 0.25 + rest)
    }
    let last = steps.last!
    var sum = klNormal(
      squaredDistance: schedule.cumulativeAlpha(last) * (0.04 + 0.25),
      variance: schedule.noiseVariance(last), reference: 1, dimensions: 1)
    sum += negativeLogNormal(
      squaredDistance: error(steps[0]), variance: chain.variances[0], dimensions: 1)
    for i in steps.indices.dropFirst() {
      sum += chain.term(i + 1, squaredError: error(steps[i]), dimensions: 1)
    }
    return sum - negativeLogNormal(squaredDistance: 0.25, variance: 0.25, dimensions: 1)
  }

  /// With the best variance of each step what is left is KL(q(x_T) ‖ N(0, 1)), exactly.
  @Test(
    arguments: [
      (NoiseSchedule(.ho, steps: 1000), 8.07e-7, nil, nil),
      (NoiseSchedule(.cosine, steps: 4), 2.888e-6, 0.173, 0.124),
      (NoiseSchedule(betas: [0.5, 0.9]), 1.3606e-3, 0.1714, 0.2001),
    ] as [(NoiseSchedule, Double, Double?, Double?)])
  func theAnalyticBoundIsExact(
    schedule: NoiseSchedule, prior: Double, small: Double?, large: Double?
  ) {
    let steps = Array(1...schedule.steps)
    let bar = schedule.cumulativeAlpha(schedule.steps)
    let exact = klNormal(
      squaredDistance: bar * 0.04, variance: bar * 0.25 + schedule.noiseVariance(schedule.steps),
      reference: 1, dimensions: 1)
    #expect(difference(exact, prior, floor: 0) < 5e-4)
    #expect(abs(excess(schedule, visiting: steps, .analytic) - exact) < 1e-11)
    for (variance, known) in [(ReverseVariance.fixedSmall, small), (.fixedLarge, large)] {
      let ours = excess(schedule, visiting: steps, variance)
      #expect(ours > exact + 1e-4)
      if let known { #expect(abs(ours - known) < 6e-4, "\(variance): \(ours)") }
    }
  }

  /// The same through outputs in Float, by a sum over x_0 and x_t that is exact.
  @Test(arguments: [Prediction.epsilon, .x0, .v])
  func theAnalyticBoundIsExactForEveryPrediction(prediction: Prediction) {
    let schedule = NoiseSchedule(betas: [0.5, 0.9])
    let diffusion = GaussianDiffusion(schedule: schedule, prediction: prediction, levels: nil)
    let chain = ReverseChain(
      schedule, visiting: [1, 2], variance: .analytic, noiseNorms: noiseNorms(schedule),
      levels: nil)
    let bound = expectation { z in
      let x0 = Float(0.2 + 0.5 * z)
      let terms = [1, 2].map { t in
        let factor = schedule.forwardCoefficients(t)
        return expectation { noise in
          let xt = Float(factor.x0 * Double(x0) + factor.noise * noise)
          let predicted = diffusion.predictedX0(
            t: t, xt: [xt].span, output: [Float(world.output(Double(xt), t: t, diffusion))].span,
            clipping: false)
          return t == 1
            ? diffusion.decoderTerm(
              x0: [x0].span, predicted: predicted, variance: chain.variances[0])
            : chain.term(2, squaredError: squaredError([x0].span, predicted), dimensions: 1)
        }
      }
      return terms[0] + terms[1] + schedule.terminalTerm(x0: [x0].span)
        - world.negativeLogDensity(Double(x0))
    }
    #expect(abs(bound - 1.36061e-3) < 1e-6)
  }

  /// The true reverse step of Gaussian data is Gaussian, however long it is.
  @Test(arguments: [1, 2, 5, 10])
  func theAnalyticBoundIsExactForFewSteps(count: Int) throws {
    let steps = try TimestepGrid.linspace.steps(count, of: ho)
    #expect(abs(excess(ho, visiting: steps, .analytic) - 8.07395e-7) < 1e-11)
    if count > 1 {
      #expect(ReverseVariance.fixed.allSatisfy { excess(ho, visiting: steps, $0) > 1e-3 })
    }
  }

  /// Any other variance costs more, at each step.
  @Test func theAnalyticVarianceIsTheBest() {
    let schedule = NoiseSchedule(.cosine, steps: 20)
    let norms = noiseNorms(schedule)
    for t in 2...20 {
      let best = schedule.reverseVariance(
        x0Variance: schedule.x0Variance(noiseNorm: norms[t - 1], t), t)
      #expect(best > schedule.posteriorVariance(t) && best < schedule.beta(t))
      let coefficient = schedule.posteriorMeanCoefficients(t).x0
      let rest = schedule.noiseVariance(t)
      let error = 0.25 * rest / (schedule.cumulativeAlpha(t) * 0.25 + rest)
      func cost(_ variance: Double) -> Double {
        klNormal(
          squaredDistance: coefficient * coefficient * error,
          variance: schedule.posteriorVariance(t), reference: variance, dimensions: 1)
      }
      #expect(cost(best) < cost(1.01 * best) && cost(best) < cost(0.99 * best))
    }
  }

  /// Between β̃ and what an x_0 in [−1, 1] can vary by; never 0, whatever a file says of Γ.
  @Test(arguments: [-Double.infinity, -3, 0, 0.3, 1, 1.7, 1e300, .infinity, .nan])
  func varianceIsPositive(noiseNorm: Double) {
    for t in [1, 2, 500, 1000] {
      let ofX0 = ho.x0Variance(noiseNorm: noiseNorm, t)
      #expect(ofX0 > 0 && ofX0 <= 1)
      #expect(ho.reverseVariance(x0Variance: ofX0, t) > ho.posteriorVariance(t))
    }
    let chain = ReverseChain(
      ho, visiting: [1, 10, 1000], variance: .analytic,
      noiseNorms: Array(repeating: noiseNorm, count: 1000), levels: 17)
    #expect(chain.variances.allSatisfy { $0 > 0 && $0.isFinite })
  }

  /// Of the best network for Gaussian data, 1 − ‖ε − ε̂‖²/d and ‖ε̂‖²/d have one expectation: Γ_t in
  /// closed form.
  @Test(arguments: Prediction.allCases)
  func noiseNormsHaveTheClosedForm(prediction: Prediction) {
    let world = GaussianWorld(mean: 0.2, deviation: 0.5)
    let schedule = NoiseSchedule(.linear(from: 0.02, to: 0.5), steps: 6)
    let diffusion = GaussianDiffusion(schedule: schedule, prediction: prediction, levels: nil)
    for t in 1...6 {
      let factor = schedule.forwardCoefficients(t)
      let expected = expectation { a in
        expectation { z in
          let x0 = Float(0.2 + 0.5 * a)
          let xt = Float(factor.x0 * Double(x0) + factor.noise * z)
          let output = Float(world.output(Double(xt), t: t, diffusion))
          return diffusion.noiseNorm(
            t: t, x0: [x0].span, xt: [xt].span, output: [output].span)
        }
      }
      let signal = schedule.cumulativeAlpha(t) * 0.25
      #expect(
        abs(expected - schedule.noiseVariance(t) / (signal + schedule.noiseVariance(t))) < 1e-5)
    }
  }
}
