// The bound from posteriors and the bound from neighbouring steps.
//
// One scalar of Gaussian data and an affine network make every expectation an exact sum of 27
// terms.

import Diffusion
import Foundation
import Testing

@Suite struct DecompositionTests {
  let world = GaussianWorld(mean: 0.3, deviation: 0.4)
  let clean = 0.75

  @Test(arguments: Prediction.allCases, ReverseVariance.fixed)
  func bothAgreeInExpectation(prediction: Prediction, variance: ReverseVariance) {
    let diffusion = model(prediction, variance)
    var neighbours = world.boundTerm(clean, t: 1, diffusion) + terminal(diffusion)
    for t in 1..<diffusion.schedule.steps {
      neighbours += moments(diffusion, t).mean
    }
    #expect(abs(neighbours - world.bound(clean, diffusion)) < 1e-5)
  }

  @Test(arguments: ReverseVariance.fixed)
  func posteriorsAreTheLowVarianceEstimate(variance: ReverseVariance) {
    let diffusion = model(.epsilon, variance)
    for t in 1..<diffusion.schedule.steps {
      let factor = diffusion.schedule.forwardCoefficients(t + 1)
      func moment(_ power: Double) -> Double {
        expectation { z in
          let noisy = Float(factor.x0 * clean + factor.noise * z)
          let output = Float(world.output(Double(noisy), t: t + 1, diffusion))
          return pow(
            diffusion.boundTerm(
              t: t + 1, x0: [Float(clean)].span, xt: [noisy].span, output: [output].span),
            power)
        }
      }
      let low = moment(2) - moment(1) * moment(1)
      #expect(moments(diffusion, t).variance > 4 * low)
    }
  }

  @Test(arguments: ReverseVariance.fixed)
  func neighboursMustComeFromOneTrajectory(variance: ReverseVariance) {
    // Some notes write C_t as E KL(q(x_t | x_{t−1}) ‖ p_θ(x_t | x_{t+1})) with x_{t−1} and x_{t+1}
    // drawn from q(x_{t−1}, x_{t+1} | x_0). The inner x_t then no longer produced x_{t+1}: with an
    // affine mean of slope k that is too much by k Cov(x_t, x_{t+1} | x_{t−1})/σ²_{t+1}, about
    // one nat for every scalar and step.
    let diffusion = model(.epsilon, variance)
    let schedule = diffusion.schedule
    for t in 1..<schedule.steps {
      let toMean = Prediction.epsilon.conversion(to: .mean, at: t + 1, of: schedule)
      func mean(_ next: Double) -> Double {
        toMean(world.output(next, t: t + 1, diffusion), xt: next)
      }
      let separate = expectation { z1 in
        let previous = before(diffusion, t, z1)
        let step = (schedule.alpha(t).squareRoot(), schedule.beta(t))
        let far = schedule.alpha(t) * schedule.alpha(t + 1)
        return expectation { z2 in
          let next = far.squareRoot() * previous + (1 - far).squareRoot() * z2
          let error = step.0 * previous - mean(next)
          return klNormal(
            squaredDistance: error * error, variance: step.1,
            reference: diffusion.reverseVariance(t + 1), dimensions: 1)
        }
      }
      let slope = mean(1) - mean(0)
      let excess =
        slope * schedule.alpha(t + 1).squareRoot() * schedule.beta(t)
        / diffusion.reverseVariance(t + 1)
      #expect(excess > 0.3)
      #expect(abs(separate - moments(diffusion, t).mean - excess) < 1e-5)
    }
  }

  private func model(_ prediction: Prediction, _ variance: ReverseVariance) -> GaussianDiffusion {
    GaussianDiffusion(
      schedule: NoiseSchedule(.linear(from: 0.05, to: 0.4), steps: 8), prediction: prediction,
      variance: variance, levels: nil)
  }

  /// x_{t−1} drawn from q(x_{t−1} | x_0).
  private func before(_ diffusion: GaussianDiffusion, _ t: Int, _ z: Double) -> Double {
    let factor = diffusion.schedule.forwardCoefficients(t - 1)
    return factor.x0 * clean + factor.noise * z
  }

  /// E KL(q(x_T | x_{T−1}) ‖ N(0, 1)).
  private func terminal(_ diffusion: GaussianDiffusion) -> Double {
    expectation { z in
      diffusion.neighbourTerminalTerm(
        previous: [Float(before(diffusion, diffusion.schedule.steps, z))].span)
    }
  }

  /// Mean and variance of C_t over x_{t−1}, x_t, x_{t+1} of one trajectory.
  private func moments(
    _ diffusion: GaussianDiffusion, _ t: Int
  ) -> (mean: Double, variance: Double) {
    let schedule = diffusion.schedule
    func moment(_ power: Double) -> Double {
      expectation { z0 in
        let previous = Float(before(diffusion, t, z0))
        return expectation { z1 in
          let current = Float(
            schedule.alpha(t).squareRoot() * Double(previous) + schedule.beta(t).squareRoot() * z1)
          return expectation { z2 in
            let next = Float(
              schedule.alpha(t + 1).squareRoot() * Double(current)
                + schedule.beta(t + 1).squareRoot() * z2)
            let output = Float(world.output(Double(next), t: t + 1, diffusion))
            return pow(
              diffusion.neighbourTerm(
                t: t, previous: [previous].span, current: [current].span, next: [next].span,
                output: [output].span), power)
          }
        }
      }
    }
    let mean = moment(1)
    return (mean, moment(2) - mean * mean)
  }
}
