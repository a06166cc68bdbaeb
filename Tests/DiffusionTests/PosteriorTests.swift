// The posterior q(x_{t−1} | x_t, x_0) and the conversions between what a network may emit.

import Diffusion
import Foundation
import Testing

@Suite struct PosteriorTests {
  let schedule = NoiseSchedule(.linear(from: 0.02, to: 0.3), steps: 12)

  @Test(arguments: [2, 7, 12])
  func isLikelihoodTimesPrior(t: Int) {
    let (clean, noisy) = (0.4, -0.9)
    let prior = schedule.forwardCoefficients(t - 1)
    let root = schedule.alpha(t).squareRoot()
    var (mass, first, second) = (0.0, 0.0, 0.0)
    for i in -40000...40000 {
      let x = Double(i) * 2e-4
      let likelihood = (noisy - root * x) * (noisy - root * x) / schedule.beta(t)
      let offset = (x - prior.x0 * clean) / prior.noise
      let weight = exp(-0.5 * (likelihood + offset * offset))
      mass += weight
      first += weight * x
      second += weight * x * x
    }
    let mean = first / mass
    let posterior = schedule.posterior(
      t: t, x0: clean, xt: noisy)
    #expect(abs(posterior.mean - mean) < 1e-10)
    #expect(abs(posterior.variance - (second / mass - mean * mean)) < 1e-10)
  }

  @Test func varianceIsTheInverseOfThePrecision() {
    // Completing the square gives the precision α_t/β_t + 1/(1−ᾱ_{t−1}); the variance is its
    // inverse, not its square root.
    for t in 2...12 {
      let precision = schedule.alpha(t) / schedule.beta(t) + 1 / schedule.noiseVariance(t - 1)
      #expect(abs(schedule.posteriorVariance(t) * precision - 1) < 1e-13)
    }
  }

  @Test func firstStepReturnsTheCleanImage() {
    let posterior = schedule.posterior(t: 1, x0: 0.3, xt: 5)
    #expect(posterior.mean == 0.3 && posterior.variance == 0)
  }

  @Test(arguments: [1, 2, 7, 12])
  func conversionsFollowTheForwardProcess(t: Int) {
    let (clean, noise) = (0.4, -1.3)
    let factor = schedule.forwardCoefficients(t)
    let noisy = factor.x0 * clean + factor.noise * noise
    let mean = schedule.posterior(
      t: t, x0: clean, xt: noisy
    ).mean
    let velocity = factor.x0 * noise - factor.noise * clean
    let truth: [Prediction: Double] = [
      .epsilon: noise, .x0: clean, .mean: mean, .v: velocity,
    ]
    #expect(Set(truth.keys) == Set(Prediction.allCases))
    for (from, value) in truth {
      for (to, expected) in truth {
        let converted = from.conversion(to: to, at: t, of: schedule)(value, xt: noisy)
        #expect(abs(converted - expected) < 1e-12, "\(from) to \(to)")
      }
    }
  }

  @Test func fixedVariancesBoundThePosterior() {
    for t in 2...12 {
      #expect(schedule.fixedVariance(.fixedLarge, t) == schedule.beta(t))
      #expect(schedule.fixedVariance(.fixedSmall, t) < schedule.beta(t))
    }
    for variance in ReverseVariance.fixed {
      let grey = GaussianDiffusion(schedule: schedule, variance: variance, levels: 2)
      #expect(grey.reverseVariance(1) == schedule.posteriorVariance(2))
      let continuous = GaussianDiffusion(schedule: schedule, variance: variance, levels: nil)
      #expect(continuous.reverseVariance(1) == schedule.beta(1))
      #expect(continuous.reverseVariance(5) == grey.reverseVariance(5))
    }
  }

  @Test func namesAreThoseOfTheFiles() {
    #expect(Prediction.allCases.map(\.rawValue) == ["epsilon", "clean", "mean", "v"])
    #expect(ReverseVariance.fixed.map(\.rawValue) == ["fixed_large", "fixed_small"])
  }
}
