// The forward process between its steps: exact at the steps, linear in log ᾱ between them.

import Diffusion
import Foundation
import Testing

@Suite struct ContinuousTimeTests {
  static let schedules = [
    NoiseSchedule(.ho, steps: 1000), NoiseSchedule(.cosine, steps: 50),
    NoiseSchedule(betas: [1e-9, 2e-9, 1e-9, 0.5, 0.999999]), NoiseSchedule(betas: [0.1]),
  ]

  @Test(arguments: schedules) func stepsAreThoseOfTheTable(schedule: NoiseSchedule) {
    let times = ContinuousTime(schedule)
    #expect(times.lastStep == schedule.steps)
    for t in 1...schedule.steps {
      let expected = schedule.forwardCoefficients(t)
      let coefficients = times.forwardCoefficients(Double(t))
      #expect(coefficients.x0 == expected.x0 && coefficients.noise == expected.noise)
      #expect(times.timestep(Double(t)) == Double(t - 1))
      let logLevel = times.logNoiseLevel(Double(t))
      #expect(abs(logLevel + schedule.logSNR(t)) < 1e-12 * max(1, abs(logLevel)))
      #expect(abs(times.step(logNoiseLevel: logLevel) - Double(t)) < 1e-9)
    }
    #expect(times.range.lowerBound == times.logNoiseLevel(1))
    #expect(times.range.upperBound == times.logNoiseLevel(Double(schedule.steps)))
    #expect(times.step(logNoiseLevel: times.range.lowerBound - 1) == 1)
    #expect(times.step(logNoiseLevel: times.range.upperBound + 1) == Double(schedule.steps))
  }

  /// τ rises with t, both ways lead back, and all numbers say the same of one time.
  @Test(arguments: schedules.dropLast()) func bothWaysLeadBack(schedule: NoiseSchedule) {
    let times = ContinuousTime(schedule)
    var last = -Double.infinity
    for i in 0...997 {
      let t = 1 + Double(i) / 997 * Double(schedule.steps - 1)
      let logLevel = times.logNoiseLevel(t)
      #expect(logLevel > last)
      last = logLevel
      #expect(abs(times.step(logNoiseLevel: logLevel) - t) < 1e-9)
      let (x0, noise) = times.forwardCoefficients(t)
      #expect(abs(log(noise / x0) - logLevel) < 1e-9)
      #expect(abs(x0 * x0 + noise * noise - 1) < 1e-14)
      #expect(abs(times.timestep(t) - (t - 1)) < 1e-12)
    }
  }

  @Test func logAlphaIsLinearBetweenSteps() {
    let schedule = NoiseSchedule(.cosine, steps: 50)
    let times = ContinuousTime(schedule)
    for t in 1..<50 {
      let (low, high) = (schedule.cumulativeAlpha(t), schedule.cumulativeAlpha(t + 1))
      let expected = (low * (high / low).squareRoot().squareRoot()).squareRoot()
      let x0 = times.forwardCoefficients(Double(t) + 0.25).x0
      #expect(abs(x0 / expected - 1) < 1e-13)
    }
  }

  /// 1 − ᾱ of a billionth keeps its digits: 2e-9 − 0.5e-18 between the first two steps.
  @Test func littleNoiseKeepsItsDigits() {
    let times = ContinuousTime(NoiseSchedule(betas: [1e-9, 2e-9, 0.5]))
    let noise = times.forwardCoefficients(1.5).noise
    #expect(abs(noise * noise / (2e-9 * (1 - 2.5e-10)) - 1) < 1e-13)
    // σ̃² = 2e-9 + 3.5e-18.
    let expected = 0.5 * log(2e-9 * (1 + 1.75e-9))
    #expect(abs(times.logNoiseLevel(1.5) - expected) < 1e-14 * abs(expected))
  }

  /// A step at which nothing is left has no σ̃; the times end before it.
  @Test func timesEndWhereNothingIsLeft() {
    let schedule = NoiseSchedule(betas: Array(repeating: 1.0.nextDown, count: 25))
    let times = ContinuousTime(schedule)
    #expect(times.lastStep == 19 && schedule.cumulativeAlpha(25) == 0)
    #expect(times.range.upperBound.isFinite)
    #expect(abs(times.step(logNoiseLevel: times.range.upperBound) - 19) < 1e-9)
    #expect(ContinuousTime(NoiseSchedule(betas: [0.1, 0.5, 1])).lastStep == 2)
  }

  /// The network of a respaced schedule is told where the whole one would be.
  @Test func respacedTimesAreTheWholeOnes() {
    let times = ContinuousTime(NoiseSchedule(.ho, steps: 10).respaced(to: [2, 5, 10]))
    #expect(times.timestep(1) == 1 && times.timestep(2) == 4 && times.timestep(3) == 9)
    #expect(times.timestep(1.5) == 2.5 && times.timestep(2.25) == 5.25)
  }

  /// At a step, conversions by coefficients are those of the table, bit by bit.
  @Test(arguments: Prediction.allCases) func conversionsAreThoseOfSteps(prediction: Prediction) {
    let schedule = NoiseSchedule(.ho, steps: 20)
    for t in 1...20 {
      for target in Prediction.allCases {
        let conversion = prediction.conversion(to: target, for: schedule.forwardCoefficients(t))
        if prediction == .mean || target == .mean {
          #expect(conversion == nil)
        } else {
          #expect(conversion == prediction.conversion(to: target, at: t, of: schedule))
        }
      }
    }
  }
}
