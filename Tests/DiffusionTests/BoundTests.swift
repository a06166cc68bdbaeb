// The variational bound against recorded terms and against likelihoods known exactly.

import Diffusion
import Foundation
import Testing

@Suite struct BoundTests {
  @Test func termsAreRecorded() {
    let schedule = NoiseSchedule(.ho, steps: 1000)
    for row in rows(of: RecordedValues.boundTerms, width: 10) {
      let diffusion = GaussianDiffusion(
        schedule: schedule, prediction: Prediction(rawValue: row[1])!,
        variance: ReverseVariance(rawValue: row[2])!, levels: 6)
      let xt = row[3..<9].map { Float($0)! }
      let nats = diffusion.boundTerm(
        t: Int(row[0])!, x0: RecordedValues.boundClean.span, xt: xt.span,
        output: RecordedValues.boundOutput.span)
      #expect(difference(nats, Double(row[9])!, floor: 1e-4) < 1e-9, "\(row)")
    }
  }

  @Test(arguments: ReverseVariance.fixed)
  func becomesTheLikelihoodOfGaussianData(variance: ReverseVariance) {
    // With the best network, gap = KL(q(x_1…x_T | x_0) ‖ p(x_1…x_T | x_0)), which vanishes when
    // every step is small against the noise that is there: log((1−ᾱ)/ᾱ) runs evenly, ever wider.
    let world = GaussianWorld(mean: 0.2, deviation: 0.5)
    let x0 = 0.5
    var gaps: [Double] = []
    for steps in [64, 256, 1024, 4096] {
      let reach = 1.3 * log(Double(steps))
      let cumulative = (1...steps).map {
        1 / (1 + exp(reach * (2 * Double($0 - 1) / Double(steps - 1) - 1)))
      }
      let betas = zip(cumulative, [1] + cumulative).map { 1 - $0 / $1 }
      let diffusion = GaussianDiffusion(
        schedule: NoiseSchedule(betas: betas), variance: variance, levels: nil)
      gaps.append(world.bound(x0, diffusion) - world.negativeLogDensity(x0))
    }
    for (gap, next) in zip(gaps, gaps.dropFirst()) {
      #expect(next > 0 && next < 0.6 * gap)
    }
    #expect(gaps.last! < 0.015)
  }

  @Test(arguments: Prediction.allCases, ReverseVariance.fixed)
  func neverFallsBelowTheLikelihood(prediction: Prediction, variance: ReverseVariance) {
    let world = GaussianWorld(mean: 0.2, deviation: 0.5)
    for kind in [NoiseSchedule.Kind.linear(from: 0.01, to: 0.3), .cosine] {
      let diffusion = GaussianDiffusion(
        schedule: NoiseSchedule(kind, steps: 40), prediction: prediction, variance: variance,
        levels: nil)
      // In expectation over x_0: all is quadratic in it.
      let gap = expectation { z in
        let x0 = 0.2 + 0.5 * z
        return world.bound(x0, diffusion) - world.negativeLogDensity(x0)
      }
      #expect(gap > 0 && gap < 2)
    }
  }

  @Test(arguments: [1.0, -1.0])
  func becomesTheProbabilityOfTwoLevels(x0: Double) {
    // x_0 = 1 with probability 0.8, else −1: E[x_0 | x_t] = tanh(√ᾱ x_t/(1−ᾱ) + ½ log(0.8/0.2)).
    let schedule = NoiseSchedule(.ho, steps: 1000)
    let diffusion = GaussianDiffusion(
      schedule: schedule, prediction: .x0, variance: .fixedSmall, levels: 2)
    var bound = diffusion.terminalTerm(x0: [Float(x0)].span)
    for t in 1...1000 {
      let factor = schedule.forwardCoefficients(t)
      for i in -25...25 {
        let z = Double(i) * 0.2
        let weight = 0.2 * exp(-0.5 * z * z) / (2 * Double.pi).squareRoot()
        let xt = Float(factor.x0 * x0 + factor.noise * z)
        let best = tanh(
          factor.x0 * Double(xt) / schedule.noiseVariance(t) + 0.5 * log(4.0))
        bound +=
          weight
          * diffusion.boundTerm(
            t: t, x0: [Float(x0)].span, xt: [xt].span, output: [Float(best)].span)
      }
    }
    let exact = -log(x0 > 0 ? 0.8 : 0.2)
    #expect(bound > exact && bound < exact + 0.015)
  }

  @Test func terminalTermIsAKL() {
    let schedule = NoiseSchedule(betas: [0.3, 0.4])
    let image: [Float] = [0.5, -1, 0.25]
    let ours = GaussianDiffusion(schedule: schedule).terminalTerm(x0: image.span)
    let cumulative = 0.42
    let exact = image.reduce(0.0) {
      $0 + 0.5 * (cumulative * Double($1 * $1) + 0.58 - 1 - log(0.58))
    }
    #expect(abs(ours - exact) < 1e-14)
  }

  @Test func simpleTermIsTheBoundWithoutItsWeight() {
    let schedule = NoiseSchedule(.linear(from: 0.01, to: 0.3), steps: 9)
    let (x0, xt) = (scattered(21, seed: 3), scattered(21, seed: 4))
    let output = scattered(21, seed: 5)
    for prediction in Prediction.allCases {
      for variance in ReverseVariance.fixed {
        let diffusion = GaussianDiffusion(
          schedule: schedule, prediction: prediction, variance: variance, levels: nil)
        for t in 1...9 {
          let term = diffusion.boundTerm(
            t: t, x0: x0.span, xt: xt.span, output: output.span)
          let simple = diffusion.simpleTerm(
            t: t, x0: x0.span, xt: xt.span, output: output.span)
          let constant =
            t == 1
            ? negativeLogNormal(
              squaredDistance: 0, variance: diffusion.reverseVariance(1), dimensions: 21)
            : klNormal(
              squaredDistance: 0, variance: schedule.posteriorVariance(t),
              reference: diffusion.reverseVariance(t), dimensions: 21)
          let weighted = diffusion.boundWeight(t, dimensions: 21) * simple
          #expect(difference(term, weighted + constant) < 1e-12)
        }
      }
    }
    // Ho's eq. 12 for ε.
    let ho = GaussianDiffusion(schedule: schedule)
    let (beta, alpha) = (schedule.beta(5), schedule.alpha(5))
    #expect(
      difference(
        ho.boundWeight(5, dimensions: 1), beta / (2 * alpha * schedule.noiseVariance(5))) < 1e-13)
  }

  @Test func simpleTermMeasuresTheNoiseThatWasDrawn() {
    let schedule = NoiseSchedule(.ho, steps: 1000)
    let diffusion = GaussianDiffusion(schedule: schedule)
    let (x0, noise) = (scattered(64, seed: 6), scattered(64, seed: 7))
    for t in [1, 2, 500, 1000] {
      var xt = x0
      var span = xt.mutableSpan
      diffusion.forward(t: t, x0: x0.span, noise: noise.span, into: &span)
      let error = diffusion.simpleTerm(
        t: t, x0: x0.span, xt: xt.span, output: noise.span)
      #expect(error < 1e-10, "t = \(t)")
      let zero = [Float](repeating: 0, count: 64)
      let power = noise.reduce(0.0) { $0 + Double($1 * $1) } / 64
      let whole = diffusion.simpleTerm(
        t: t, x0: x0.span, xt: xt.span, output: zero.span)
      #expect(difference(whole, power) < 1e-5)
    }
  }
}
