// Chains that leave nothing of the image at their end.

import Diffusion
import Foundation
import Testing

@Suite struct ZeroTerminalTests {
  private func ho() throws -> NoiseSchedule {
    try NoiseSchedule(.ho, steps: 1000).withZeroTerminalSNR()
  }

  /// Against 60 digits, and against the published algorithm, whose 1 − α_t loses digits where β_t
  /// is small.
  @Test func tablesAreLins() throws {
    let rows = rows(of: RecordedLearned.zeroTerminal, width: 7)
    #expect(rows.count == 21)
    for row in rows {
      let kind = try #require(ScheduleKindTests.kinds[row[0]])
      let schedule = try NoiseSchedule(kind, steps: Int(row[1])!).withZeroTerminalSNR()
      let (t, numbers) = (Int(row[2])!, row[3...].map { Double($0)! })
      #expect(difference(schedule.beta(t), numbers[0], floor: 0) < 1e-12, "\(row)")
      #expect(difference(schedule.cumulativeAlpha(t), numbers[1], floor: 1e-300) < 1e-11, "\(row)")
      #expect(abs(schedule.beta(t) - numbers[2]) < 1e-12, "\(row)")
      #expect(difference(schedule.cumulativeAlpha(t), numbers[3], floor: 1e-12) < 1e-10, "\(row)")
    }
  }

  @Test func hosChainLosesItsEnd() throws {
    let (before, schedule) = (NoiseSchedule(.ho, steps: 1000), try ho())
    #expect(abs(before.cumulativeAlpha(500) - 0.078587) < 5e-7)
    #expect(abs(schedule.cumulativeAlpha(500) - 0.076029) < 5e-7)
    #expect(difference(before.cumulativeAlpha(999), 4.1182e-5, floor: 0) < 2e-6)
    #expect(difference(schedule.cumulativeAlpha(999), 4.2133e-9, floor: 0) < 1e-5)
    #expect(schedule.cumulativeAlpha(1000) == 0 && schedule.beta(1000) == 1)
    #expect(schedule.noiseVariance(1000) == 1 && schedule.hasZeroTerminalSNR)
    #expect(schedule.cumulativeAlpha(1) == before.cumulativeAlpha(1))
    #expect(try schedule.withZeroTerminalSNR() == schedule)
    #expect((1...1000).allSatisfy { schedule.timestep($0) == Double($0 - 1) })
  }

  @Test func nothingIsLostAtTheEnd() throws {
    let image = scattered(48, seed: 3).span
    #expect(try ho().terminalTerm(x0: image) == 0)
    let short = try NoiseSchedule(.cosine, steps: 2).withZeroTerminalSNR()
    #expect(short.terminalTerm(x0: image) == 0)
    let diffusion = GaussianDiffusion(schedule: short, prediction: .v, levels: nil)
    #expect(diffusion.neighbourTerminalTerm(previous: image) == 0)
  }

  /// β so unequal that a subtraction of √ᾱ_T would have left a β of 1, of 0 or of no number.
  @Test func unequalStepsStayInside() throws {
    for betas in [
      [0.5, 0.5, 1e-17], [0.1, 1e-17, 1e-17, 1e-17], [0.3, 0.999, 1e-16], [1e-16, 0.5],
      [0.2, 1e-12, 0.2],
    ] {
      let schedule = try NoiseSchedule(betas: betas).withZeroTerminalSNR()
      #expect(schedule.beta(1) == betas[0] && schedule.hasZeroTerminalSNR)
      #expect(schedule.betas.dropLast().allSatisfy { $0 > 0 && $0 < 1 }, "\(schedule.betas)")
    }
    // Three equal steps of √ᾱ at the end: 1, 2/3, 1/3, 0 of it are left.
    let even = try NoiseSchedule(betas: [0.1, 1e-17, 1e-17, 1e-17]).withZeroTerminalSNR()
    for (t, rest) in zip(2...4, [4.0 / 9, 1.0 / 9, 0]) {
      #expect(abs(even.cumulativeAlpha(t) - 0.9 * rest) < 1e-15)
    }
    // Steps that are next to nothing leave nothing before the end: a line, and no trap.
    let nothing = Double.leastNonzeroMagnitude
    #expect(throws: DiffusionError.self) {
      try NoiseSchedule(betas: [0.5, nothing, nothing]).withZeroTerminalSNR()
    }
  }

  /// Every table is made of numbers, and the posterior of T is that of x_{T−1} given x_0 alone.
  @Test(arguments: [2, 10, 1000])
  func everyTableIsFinite(steps: Int) throws {
    let schedule = try NoiseSchedule(.ho, steps: steps).withZeroTerminalSNR()
    for t in 1...steps {
      let mean = schedule.posteriorMeanCoefficients(t)
      #expect(mean.x0.isFinite && mean.xt.isFinite && schedule.posteriorVariance(t).isFinite)
      #expect(ReverseVariance.fixed.allSatisfy { schedule.fixedVariance($0, t) > 0 })
      let ends = schedule.logVarianceEnds(t)
      #expect(ends.small.isFinite && ends.large.isFinite && ends.small <= ends.large)
      #expect(schedule.x0Variance(noiseNorm: 0.5, t) > 0)
      for prediction in Prediction.allCases where prediction != .epsilon {
        let toX0 = prediction.conversion(to: .x0, at: t, of: schedule)
        #expect(toX0.scale.isFinite && toX0.xt.isFinite)
        for weighting in [LossWeighting.none, .minSNR(gamma: 5), .p2(k: 1, gamma: 1)] {
          #expect(weighting.weight(at: t, of: schedule, for: prediction).isFinite)
        }
      }
    }
    let last = schedule.posteriorMeanCoefficients(steps)
    #expect(last.x0 == schedule.cumulativeAlpha(steps - 1).squareRoot() && last.xt == 0)
    #expect(schedule.posteriorVariance(steps) == schedule.noiseVariance(steps - 1))
    #expect(schedule.logSNR(steps) == -.infinity)
  }

  @Test(arguments: TimestepGrid.named.map(\.name), [1, 2, 3, 10, 999, 1000])
  func gridsBeginAtTheEnd(name: String, count: Int) throws {
    let schedule = try ho()
    let grid = try #require(TimestepGrid(name))
    let steps = try grid.steps(count, of: schedule)
    #expect(steps == Array(Set(steps)).sorted() && (1...count).contains(steps.count))
    #expect(steps.first! >= 1 && (grid == .leading || steps.last == 1000))
    let chain = schedule.respaced(to: steps)
    #expect(chain.steps == steps.count && chain.hasZeroTerminalSNR == (steps.last == 1000))
    for (i, t) in steps.enumerated() {
      #expect(abs(chain.cumulativeAlpha(i + 1) - schedule.cumulativeAlpha(t)) < 1e-14)
      #expect(chain.timestep(i + 1) == Double(t - 1))
      #expect(chain.posteriorMeanCoefficients(i + 1).x0.isFinite)
    }
  }

  /// The levels of log_snr and karras are even from T − 1 on, as that of T is infinite.
  @Test func levelsRunFromTheLastThatThereIs() throws {
    let schedule = try ho()
    for (grid, transform) in [
      (TimestepGrid.logSNR, { $0 }), (.karras, { exp(-$0 / 7) }),
    ] as [(TimestepGrid, (Double) -> Double)] {
      let steps = try grid.steps(12, of: schedule)
      #expect(steps.first == 1 && steps.last == 1000)
      let (first, last) = (transform(schedule.logSNR(999)), transform(schedule.logSNR(1)))
      for (i, t) in steps.reversed().enumerated().dropFirst() {
        let wanted = first + Double(i) / 11 * (last - first)
        let level = grid == .logSNR ? wanted : -7 * log(wanted)
        let own = abs(schedule.logSNR(t) - level)
        for other in [t - 1, t + 1] where (1...999).contains(other) {
          #expect(own <= abs(schedule.logSNR(other) - level), "\(grid) \(t)")
        }
      }
    }
  }

  /// A chain of T alone: x_0 from noise in one step, whose variances are all 1.
  @Test func oneStepFromNoise() throws {
    let chain = try ho().respaced(to: [1000])
    #expect(chain.betas == [1] && chain.hasZeroTerminalSNR)
    #expect(chain.posteriorMeanCoefficients(1) == (1, 0))
    #expect(chain.fixedVariance(.fixedSmall, 1) == 1 && chain.logVarianceEnds(1) == (0, 0))
    for levels in [nil, 17] {
      for variance in ReverseVariance.fixed {
        let reverse = ReverseChain(try ho(), visiting: [1000], variance: variance, levels: levels)
        #expect(reverse.variances == [1])
      }
    }
  }

  /// With the best network of Gaussian data the bound of such a chain is finite, for all that is
  /// predicted, and its terms are those of x_0-prediction.
  @Test(arguments: ReverseVariance.fixed)
  func theBoundIsFinite(variance: ReverseVariance) throws {
    let world = GaussianWorld(mean: 0.2, deviation: 0.5)
    let schedule = try NoiseSchedule(.cosine, steps: 12).withZeroTerminalSNR()
    let bounds = [Prediction.x0, .v, .mean].map { prediction in
      expectation { z in
        world.bound(
          0.2 + 0.5 * z,
          GaussianDiffusion(
            schedule: schedule, prediction: prediction, variance: variance, levels: nil))
      }
    }
    let entropy = expectation { world.negativeLogDensity(0.2 + 0.5 * $0) }
    for bound in bounds {
      #expect(bound > entropy && bound < entropy + 1 && abs(bound - bounds[0]) < 1e-5)
    }
  }
}
