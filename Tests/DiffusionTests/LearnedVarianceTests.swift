// The terms of a learned variance against autograd elsewhere, the fixed variances, and differences.

import Diffusion
import Foundation
import Testing

@Suite struct LearnedVarianceTests {
  private typealias Term = (value: Double, mean: [Float], variance: [Float])

  private func term(
    _ diffusion: GaussianDiffusion, _ t: Int, _ x0: [Float], _ xt: [Float], _ output: [Float],
    _ variance: [Float]
  ) -> Term {
    var mean = [Float](repeating: .nan, count: x0.count)
    var logVariance = mean
    var meanSpan = mean.mutableSpan
    var varianceSpan = logVariance.mutableSpan
    let value = diffusion.boundTerm(
      t: t, x0: x0.span, xt: xt.span, output: output.span, variance: variance.span,
      gradient: &meanSpan, varianceGradient: &varianceSpan)
    return (value, mean, logVariance)
  }

  private func model(
    _ prediction: Prediction, _ schedule: NoiseSchedule, levels: Int?,
    variance: ReverseVariance = .learned
  ) -> GaussianDiffusion {
    GaussianDiffusion(
      schedule: schedule, prediction: prediction, variance: variance, levels: levels)
  }

  @Test func termsAndGradientsAreRecorded() throws {
    let rows = rows(of: RecordedLearned.learnedTerms, width: 22)
    #expect(rows.count == 28)
    let schedule = NoiseSchedule(.ho, steps: 1000)
    let (output, v) = (RecordedLearned.output, RecordedLearned.variance)
    for row in rows {
      let levels = Int(row[2])!
      let diffusion = model(
        try #require(Prediction(rawValue: row[1])), schedule, levels: levels == 0 ? nil : levels)
      let (t, x0) = (Int(row[0])!, RecordedLearned.clean[levels]!)
      let xt = row[3..<9].map { Float($0)! }
      let ours = term(diffusion, t, x0, xt, output, v)
      #expect(
        ours.value
          == diffusion.boundTerm(
            t: t, x0: x0.span, xt: xt.span, output: output.span, variance: v.span))
      #expect(difference(ours.value, Double(row[9])!, floor: 1e-3) < 1e-7, "\(row)")
      for (gradient, first) in [(ours.mean, 10), (ours.variance, 16)] {
        let expected = row[first..<first + 6].map { Double($0)! }
        let scale = expected.reduce(0) { max($0, abs($1)) }
        for (a, b) in zip(gradient, expected) {
          #expect(abs(Double(a) - b) < 1e-5 * abs(b) + 1e-8 * scale, "\(a) \(b) \(row)")
        }
      }
    }
  }

  /// v = −1 is `fixed_small`, v = 1 `fixed_large`; at t = 1 both of these are β̃_2, and v = 1 is β_1.
  @Test(arguments: Prediction.allCases, [nil, 17])
  func endsAreTheFixedVariances(prediction: Prediction, levels: Int?) {
    for schedule in [
      NoiseSchedule(.linear(from: 0.01, to: 0.3), steps: 10), NoiseSchedule(.cosine, steps: 10),
    ] {
      let (x0, xt, output) = images(levels: levels)
      let learned = model(prediction, schedule, levels: levels)
      for (end, variance) in [(Float(-1), ReverseVariance.fixedSmall), (1, .fixedLarge)] {
        let fixed = model(prediction, schedule, levels: levels, variance: variance)
        let v = [Float](repeating: end, count: x0.count)
        for t in (levels == nil || end == 1 ? 2 : 1)...10 {
          let ours = term(learned, t, x0, xt, output, v)
          var gradient = v
          var span = gradient.mutableSpan
          let theirs = fixed.boundTerm(
            t: t, x0: x0.span, xt: xt.span, output: output.span, gradient: &span)
          #expect(difference(ours.value, theirs) < 1e-11, "\(variance) at \(t)")
          for (a, b) in zip(ours.mean, gradient) { #expect(abs(a - b) <= 1e-6 * abs(b)) }
        }
      }
      // A continuous x_0 has β_1 at t = 1 by the fixed rules.
      guard levels == nil else { continue }
      let one = [Float](repeating: 1, count: x0.count)
      let fixed = model(prediction, schedule, levels: nil, variance: .fixedLarge)
      let theirs = fixed.boundTerm(t: 1, x0: x0.span, xt: xt.span, output: output.span)
      #expect(difference(term(learned, 1, x0, xt, output, one).value, theirs) < 1e-11)
    }
  }

  @Test(arguments: Prediction.allCases, [1, 2, 10])
  func gradientsAreThoseOfTheValue(prediction: Prediction, t: Int) {
    let schedule = NoiseSchedule(.linear(from: 0.01, to: 0.3), steps: 10)
    for levels in [nil, 2, 17, 256] {
      let (x0, xt, output) = images(levels: levels)
      let v = scattered(x0.count, seed: 14)
      let diffusion = model(prediction, schedule, levels: levels)
      let ours = term(diffusion, t, x0, xt, output, v)
      // A step of 2⁻¹³ is exact in Float.
      let h: Float = 0x1p-13
      func slopes(_ value: (_ i: Int, _ shift: Float) -> Double) -> [Double] {
        x0.indices.map { (value($0, h) - value($0, -h)) / Double(2 * h) }
      }
      let ofMean = slopes { i, shift in
        var output = output
        output[i] += shift
        return term(diffusion, t, x0, xt, output, v).value
      }
      let ofVariance = slopes { i, shift in
        var v = v
        v[i] += shift
        return term(diffusion, t, x0, xt, output, v).value
      }
      for (gradient, expected) in [(ours.mean, ofMean), (ours.variance, ofVariance)] {
        let scale = expected.reduce(0) { max($0, abs($1)) }
        for (a, b) in zip(gradient, expected) {
          #expect(abs(Double(a) - b) < 1e-5 * abs(b) + 2e-6 * scale)
        }
      }
    }
  }

  /// The best v of a scalar is that of σ² = β̃ + (μ̃ − μ_θ)².
  @Test func theBestVarianceIsWhatTheErrorIs() {
    let schedule = NoiseSchedule(.linear(from: 0.01, to: 0.3), steps: 10)
    let diffusion = model(.x0, schedule, levels: nil)
    let (x0, xt, output) = images(levels: nil)
    for t in 2...10 {
      let (small, large) = schedule.logVarianceEnds(t)
      let coefficient = schedule.posteriorMeanCoefficients(t).x0
      let best = zip(x0, output).map { x, predicted -> Float in
        let e = coefficient * Double(x - predicted)
        return Float(2 * (log(schedule.posteriorVariance(t) + e * e) - small) / (large - small) - 1)
      }
      let gradient = term(diffusion, t, x0, xt, output, best).variance
      #expect(gradient.allSatisfy { abs(Double($0)) < 1e-5 * (large - small) })
    }
  }

  /// What a network may emit in its worst hour gives numbers, or none, but no trap.
  @Test(arguments: Prediction.allCases, [nil, 2, 256])
  func nothingTraps(prediction: Prediction, levels: Int?) {
    let schedule = NoiseSchedule(.ho, steps: 1000)
    let diffusion = model(prediction, schedule, levels: levels)
    let chain = schedule.respaced(to: [1, 500, 1000])
    for v in [Float(1e4), -1e4, .nan, .infinity, -.infinity, 1e38] {
      for output in [Float(0), 1e4, -1e38, .nan, .infinity] {
        for t in [1, 2, 1000] {
          let (x0, xt) = ([Float(-1), 1], [Float(0.3), -0.2])
          let (outputs, vs) = ([output, output], [v, 0])
          let ours = term(diffusion, t, x0, xt, outputs, vs)
          if v.isNaN || output.isNaN { #expect(ours.value.isNaN) }
          let predicted = diffusion.predictedX0(
            t: t, xt: xt.span, output: outputs.span, clipping: true)
          #expect(predicted[0].isNaN || abs(predicted[0]) <= 1)
          let value = diffusion.learnedTerm(
            t == 1 ? 1 : 2, of: chain, x0: x0.span, predicted: predicted, variance: vs.span)
          if v.isNaN { #expect(value.isNaN) }
          var image = xt
          var span = image.mutableSpan
          schedule.reverseStep(
            t: t, x0: x0.span, learned: vs.span, noise: [Float(1), 1].span, x: &span)
          #expect(t == 1 ? image == x0 : image[1].isFinite)
        }
      }
    }
  }

  private func images(levels: Int?) -> (x0: [Float], xt: [Float], output: [Float]) {
    let top = Float((levels ?? 65) - 1)
    return (
      scattered(12, seed: 8).map { (($0 + 1) / 2 * top).rounded() / top * 2 - 1 },
      scattered(12, seed: 9), scattered(12, seed: 10)
    )
  }
}
