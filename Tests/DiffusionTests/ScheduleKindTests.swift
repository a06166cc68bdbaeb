// The schedules that have a formula, against recorded values and against what is said of them.

import Diffusion
import Foundation
import Testing

@Suite struct ScheduleKindTests {
  static let kinds: [String: NoiseSchedule.Kind] = [
    "linear": .ho, "quadratic": .quadratic(from: 1e-4, to: 0.02), "constant": .constant(0.02),
    "jsd": .jsd, "warmup10": .warmup(from: 1e-4, to: 0.02, share: 0.1),
    "warmup50": .warmup(from: 1e-4, to: 0.02, share: 0.5), "sigmoid": .sigmoid,
  ]

  @Test func tablesAreRecorded() throws {
    let rows = rows(of: RecordedLearned.schedules, width: 5)
    #expect(Set(rows.map { $0[0] + $0[1] }).count == 14)
    for row in rows {
      let kind = try #require(Self.kinds[row[0]])
      let schedule = try NoiseSchedule(validating: kind, steps: Int(row[1])!)
      let (t, beta, bar) = (Int(row[2])!, Double(row[3])!, Double(row[4])!)
      #expect(difference(schedule.beta(t), beta, floor: 0) < 1e-12, "\(row)")
      // A product of up to 1000 factors; at the end of jsd it is exactly 0.
      #expect(difference(schedule.cumulativeAlpha(t), bar, floor: 1e-30) < 1e-11, "\(row)")
      #expect(abs(schedule.noiseVariance(t) - (1 - bar)) < 1e-13, "\(row)")
    }
  }

  /// ᾱ(¼, ½, ¾) = 0.850854, 0.5, 0.149146 for any T that 4 divides; its end is clipped.
  @Test(arguments: [4, 8, 200, 1000])
  func sigmoidFallsEvenly(steps: Int) {
    let schedule = NoiseSchedule(.sigmoid, steps: steps)
    for (quarter, bar) in zip(1...3, [0.850854, 0.5, 0.149146]) {
      #expect(abs(schedule.cumulativeAlpha(quarter * steps / 4) - bar) < 5e-7)
    }
    // The formula has ᾱ_T = 0, which would be β_T = 1.
    #expect(schedule.betas.last == 0.999 && schedule.betas.max() == 0.999)
    #expect(!schedule.hasZeroTerminalSNR)
    for t in 1..<steps {
      let rest = schedule.cumulativeAlpha(t) + schedule.cumulativeAlpha(steps - t)
      #expect(abs(rest - 1) < 1e-12, "ᾱ is not symmetric at \(t)")
    }
  }

  /// An equal share of the signal goes at each step: ᾱ_t = 1 − t/T, and 0 at the end.
  @Test func jsdLosesEqualShares() throws {
    let schedule = try NoiseSchedule(validating: .jsd, steps: 40)
    for t in 0..<40 {
      #expect(abs(schedule.cumulativeAlpha(t) - Double(40 - t) / 40) < 1e-14)
    }
    #expect(schedule.hasZeroTerminalSNR && schedule.beta(40) == 1)
  }

  @Test func listsAreTaken() throws {
    let betas = [0.1, 0.5, 0.25]
    #expect(try NoiseSchedule(validating: .list(betas), steps: 3).betas == betas)
    #expect(throws: DiffusionError.wrongCount(betas: 3, steps: 4)) {
      try NoiseSchedule(validating: .list(betas), steps: 4)
    }
    #expect(throws: DiffusionError.invalidBeta(t: 1, value: 1)) {
      try NoiseSchedule(validating: .list([1, 0.5]), steps: 2)
    }
    // 1 − β rounds to 2⁻⁵³, and 2⁻¹⁰⁶⁰ is a number, but 2⁻¹¹¹³ is none.
    let steep = Array(repeating: 1.0.nextDown, count: 21)
    #expect(throws: DiffusionError.nothingLeft(t: 21, steps: 21)) {
      try NoiseSchedule(validating: .list(steep), steps: 21)
    }
    #expect(try NoiseSchedule(validating: .list(steep.dropLast()), steps: 20).steps == 20)
  }

  /// Warm-up over so few steps that none, or one, is left of it.
  @Test func shortWarmUps() {
    func betas(_ steps: Int) -> [Double] {
      NoiseSchedule(.warmup(from: 0.1, to: 0.4, share: 0.1), steps: steps).betas
    }
    #expect(betas(9) == Array(repeating: 0.4, count: 9))
    #expect(betas(10) == [0.1] + Array(repeating: 0.4, count: 9))
    #expect(betas(20) == [0.1, 0.4] + Array(repeating: 0.4, count: 18))
  }
}
