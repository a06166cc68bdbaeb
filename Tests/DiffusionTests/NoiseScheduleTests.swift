// The tables of the forward process against recorded values and against its definition.

import Diffusion
import Foundation
import Testing

@Suite struct NoiseScheduleTests {
  static let recorded: [(NoiseSchedule.Kind, Int, String)] = [
    (.ho, 1000, RecordedValues.linear), (.cosine, 1000, RecordedValues.cosine),
    (.cosine, 50, RecordedValues.shortCosine),
  ]

  @Test(arguments: recorded.indices)
  func tablesAreHos(index: Int) throws {
    let (kind, steps, text) = Self.recorded[index]
    let schedule = NoiseSchedule(kind, steps: steps)
    #expect(schedule.steps == steps && schedule.betas.count == steps)
    for row in rows(of: text, width: RecordedValues.stepFields.count) {
      let value = Dictionary(
        uniqueKeysWithValues: zip(
          RecordedValues.stepFields, try row.map { try #require(Double($0)) }))
      let t = Int(value["t"]!)
      let mean = schedule.posteriorMeanCoefficients(t)
      // Ho's 1 − ᾱ_t is a subtraction, which costs it the last digits at small t.
      for (ours, name) in [
        (schedule.beta(t), "beta"), (1 - schedule.alpha(t), "beta"),
        (schedule.cumulativeAlpha(t), "cumulativeAlpha"),
        (schedule.posteriorVariance(t), "posteriorVariance"),
        (mean.x0, "clean"), (mean.xt, "noisy"),
      ] {
        #expect(difference(ours, value[name]!, floor: 1e-12) < 2e-11, "\(name) at \(t)")
      }
      for (variance, name) in [
        (ReverseVariance.fixedSmall, "logSmall"), (.fixedLarge, "logLarge"),
      ] {
        #expect(
          abs(log(schedule.fixedVariance(variance, t)) - value[name]!) < 1e-11, "\(name) at \(t)")
      }
    }
  }

  @Test(arguments: [NoiseSchedule.Kind.ho, .cosine])
  func tablesAreThoseOfDiffusers(kind: NoiseSchedule.Kind) throws {
    let text = kind == .ho ? RecordedValues.schedulerLinear : RecordedValues.schedulerCosine
    let schedule = NoiseSchedule(kind, steps: 1000)
    for row in rows(of: text, width: 3) {
      let t = try #require(Int(row[0]))
      // Recorded in Float, a product of up to 1000 factors.
      #expect(difference(schedule.beta(t), Double(row[1])!, floor: 1e-5) < 5e-4)
      #expect(difference(schedule.cumulativeAlpha(t), Double(row[2])!, floor: 1e-5) < 3e-5)
    }
  }

  @Test func theProductIsPlain() {
    // ᾱ_t is Π α_s itself, not its square root.
    let schedule = NoiseSchedule(betas: [0.5, 0.2, 0.75])
    #expect(schedule.cumulativeAlpha(0) == 1)
    #expect(abs(schedule.cumulativeAlpha(2) - 0.4) < 1e-15)
    #expect(abs(schedule.cumulativeAlpha(3) - 0.1) < 1e-15)
    for t in 0...3 {
      #expect(abs(schedule.noiseVariance(t) + schedule.cumulativeAlpha(t) - 1) < 1e-15)
    }
  }

  @Test func noiseAddsInVariance() {
    // (1−β_{k+1})(1−ᾱ_k) + β_{k+1} = 1 − ᾱ_{k+1}; nothing is squared.
    let schedule = NoiseSchedule(.cosine, steps: 20)
    for k in 0..<20 {
      let sum = schedule.alpha(k + 1) * (1 - schedule.cumulativeAlpha(k)) + schedule.beta(k + 1)
      #expect(abs(sum - (1 - schedule.cumulativeAlpha(k + 1))) < 1e-15)
    }
  }

  @Test func iteratedStepsEqualTheClosedForm() {
    // The density of x_t, pushed through q(x_{t+1} | x_t) by the sum over a grid.
    let schedule = NoiseSchedule(.linear(from: 0.1, to: 0.4), steps: 5)
    let clean = 0.7
    let width = 0.01
    let grid = (-700...700).map { Double($0) * width }
    func normal(_ x: Double, _ mean: Double, _ variance: Double) -> Double {
      exp(
        -negativeLogNormal(
          squaredDistance: (x - mean) * (x - mean), variance: variance, dimensions: 1))
    }
    var density = grid.map { normal($0, schedule.alpha(1).squareRoot() * clean, schedule.beta(1)) }
    for t in 2...5 {
      let root = schedule.alpha(t).squareRoot()
      density = grid.map { x in
        zip(grid, density).reduce(0) {
          $0 + ($1.1 < 1e-30 ? 0 : width * $1.1 * normal(x, root * $1.0, schedule.beta(t)))
        }
      }
      let closed = schedule.forwardCoefficients(t)
      for (x, p) in zip(grid, density) {
        #expect(abs(p - normal(x, closed.x0 * clean, closed.noise * closed.noise)) < 1e-9)
      }
    }
  }

  @Test func lastStepIsNearlyAStandardNormal() {
    for kind in [NoiseSchedule.Kind.ho, .cosine] {
      let schedule = NoiseSchedule(kind, steps: 1000)
      #expect(schedule.forwardCoefficients(1000).x0 < 7e-3)
      #expect(abs(schedule.forwardCoefficients(1000).noise - 1) < 1e-4)
    }
  }

  @Test func cosineIsClipped() {
    let schedule = NoiseSchedule(.cosine, steps: 1000)
    #expect(schedule.betas.max() == 0.999)
    #expect(schedule.betas.last == 0.999)
  }

  @Test func oneStepChains() {
    #expect(NoiseSchedule(.linear(from: 0.3, to: 0.9), steps: 1).betas == [0.3])
    let schedule = NoiseSchedule(.cosine, steps: 1)
    #expect(schedule.betas == [0.999])
    #expect(schedule.fixedVariance(.fixedSmall, 1) == 0.999)
  }

  @Test func timestepsCountFromZero() {
    let schedule = NoiseSchedule(.ho, steps: 1000)
    #expect(schedule.timestep(1) == 0 && schedule.timestep(1000) == 999)
    #expect(!schedule.isRespaced)
  }

  @Test func subsetsAreNichols() throws {
    for row in rows(of: RecordedValues.subsets, width: 12) {
      let numbers = row.map { Int($0)! }
      let schedule = NoiseSchedule(.cosine, steps: numbers[0])
      let respaced = try schedule.respaced(
        to: TimestepGrid.linspace.steps(numbers[1], of: schedule))
      #expect((1...numbers[1]).map(respaced.timestep) == numbers[2...].map(Double.init))
      // The chain of the subset passes through the same distributions.
      for i in 1...numbers[1] {
        let t = Int(respaced.timestep(i)) + 1
        #expect(abs(respaced.cumulativeAlpha(i) - schedule.cumulativeAlpha(t)) < 1e-14)
        #expect(difference(respaced.noiseVariance(i), schedule.noiseVariance(t), floor: 0) < 1e-13)
      }
    }
  }

  @Test func respacingKeepsTheTimesteps() throws {
    let schedule = NoiseSchedule(.ho, steps: 1000)
    #expect(schedule.respaced(to: Array(1...1000)) == schedule)
    let last = schedule.respaced(to: [1000])
    #expect(last.timestep(1) == 999 && last.isRespaced)
    #expect(abs(last.beta(1) - (1 - schedule.cumulativeAlpha(1000))) < 1e-15)
    let twice = schedule.respaced(to: [1, 334, 500, 667, 1000]).respaced(to: [1, 2, 5])
    #expect((1...3).map(twice.timestep) == [0, 333, 999])
  }

  /// Over a long jump, 1 − β' is less than a Double can tell from 0 where it is taken from 1.
  @Test func longJumpsOverMuchNoiseHaveAStep() throws {
    let schedule = try NoiseSchedule(validating: .linear(from: 1e-4, to: 0.9), steps: 1000)
    for count in [1, 2, 5, 20, 50] {
      let chain = schedule.respaced(to: try TimestepGrid.trailing.steps(count, of: schedule))
      #expect(chain.betas.count == count && chain.betas.allSatisfy { $0 > 0 && $0 < 1 })
    }
  }

  @Test func faultsSayWhatAndWhere() {
    #expect(throws: DiffusionError.invalidBeta(t: 2, value: 1)) {
      try NoiseSchedule(validating: [0.5, 1, 0.5])
    }
    #expect(throws: DiffusionError.invalidBeta(t: 1, value: 0)) {
      try NoiseSchedule(validating: .linear(from: 0, to: 0.5), steps: 3)
    }
    #expect(throws: DiffusionError.self) { try NoiseSchedule(validating: [0.1, .nan]) }
    #expect(throws: DiffusionError.nothingLeft(t: 108, steps: 200)) {
      try NoiseSchedule(validating: Array(repeating: 0.999, count: 200))
    }
    #expect(throws: DiffusionError.noSteps(0)) { try NoiseSchedule(validating: []) }
    #expect(throws: DiffusionError.noSteps(-3)) {
      try NoiseSchedule(validating: .cosine, steps: -3)
    }
    #expect(
      DiffusionError.invalidBeta(t: 2, value: 1).description
        == "The noise schedule has β_2 = 1.0: every β must lie strictly between 0 and 1; "
        + "the last may be 1.")
  }
}
