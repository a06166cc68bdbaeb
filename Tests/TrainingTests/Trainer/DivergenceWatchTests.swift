// What is a divergence, and what is not.

import Foundation
import Testing
import Training

@Suite struct DivergenceWatchTests {
  /// A run of losses, each with a tenth of it as the gradient's norm; the step at which it ends.
  private func end(_ losses: [Double]) -> DivergenceWatch.Evidence? {
    var watch = DivergenceWatch()
    for (i, loss) in losses.enumerated() {
      let verdict = watch.note(step: i + 1, loss: loss, norm: abs(loss) / 10)
      if let evidence = verdict.evidence, evidence.isDivergence { return evidence }
    }
    return nil
  }

  /// Noise with a heavy tail around a falling curve.
  private func learning(_ steps: Int, from first: Double = 1, to last: Double = 0.1) -> [Double] {
    (0..<steps).map { i in
      let t = Double(i) / Double(steps)
      let noise = abs(sin(Double(i) * 12.9898) * 43758.5453).truncatingRemainder(dividingBy: 1)
      return (first + (last - first) * t) * (0.7 + 0.6 * noise) * (i % 37 == 36 ? 30 : 1)
    }
  }

  @Test func learningIsNoDivergence() {
    #expect(end(learning(1000)) == nil)
    #expect(end(learning(1000).map { $0 - 5 }) == nil, "A density's bound may be negative.")
    // Losses around 0.
    #expect(end(learning(1000, from: 0.2, to: -0.2).map { $0 + 0.01 }) == nil)
  }

  /// Twenty steps in a row, and no nineteen; the last good step is the one before them.
  @Test(arguments: [19, 20, 50]) func twentyInARowAreOne(count: Int) {
    let losses = learning(290) + Array(repeating: 1000, count: count) + learning(30, from: 0.1)
    let found = end(losses)
    #expect((found != nil) == (count >= 20))
    if let found {
      #expect(found.lastHealthyStep == 290 && found.loss == 1000)
      #expect(found.usualLoss > 0.05 && found.usualLoss < 0.5)
    }
  }

  /// Batches in which t = 1 is drawn cost a hundred times others, and half of all are such.
  @Test func twoKindsOfBatchesAreNoDivergence() {
    let losses = (0..<2000).map { i in
      let coin = abs(sin(Double(i) * 78.233) * 43758.5453).truncatingRemainder(dividingBy: 1)
      return (coin < 0.6 ? 500.0 : 5) / (1 + Double(i) / 200)
    }
    #expect(end(losses) == nil)
  }

  /// A loss that grows slowly is not one, unless it outruns its own median.
  @Test func growthIsMeasuredAgainstTheRecent() {
    #expect(end((0..<500).map { 1 + Double($0) / 100 }) == nil)
    #expect(end((0..<500).map { pow(1.05, Double($0)) }) != nil)
  }

  @Test func theGradientAloneIsEnough() {
    var watch = DivergenceWatch()
    var found: DivergenceWatch.Evidence?
    for step in 1...60 {
      let evidence = watch.note(step: step, loss: 1, norm: step > 40 ? 100 : 1).evidence
      if evidence?.isDivergence == true { found = evidence }
    }
    #expect(found?.lastHealthyStep == 40 && found?.usualNorm == 1)
  }

  /// Before there are medians only an explosion counts, and only of both.
  @Test func aRunThatExplodesAtOnceIsNoticed() {
    #expect(end([1, 2] + Array(repeating: 5000, count: 30))?.lastHealthyStep == 2)
    #expect(end([1, 2] + Array(repeating: 500, count: 30)) == nil)
    var watch = DivergenceWatch()
    for step in 1...60 {
      let verdict = watch.note(step: step, loss: step > 2 ? 5000 : 1, norm: 1)
      #expect(verdict == .healthy)
    }
  }

  /// One step of ten thousand times the smallest loss, after which the numbers calm down.
  @Test func anExplosionIsOneAtOnce() {
    func last(_ steps: [(Double, Double)]) -> DivergenceWatch.Verdict? {
      var watch = DivergenceWatch()
      var verdict: DivergenceWatch.Verdict?
      for (i, (loss, norm)) in steps.enumerated() {
        verdict = watch.note(step: i + 1, loss: loss, norm: norm)
      }
      return verdict
    }
    // As seen of learning_rate 10.
    let seen: [(Double, Double)] = [
      (0.997, 2.13), (87.7, 459), (85.4, 151), (92.2, 152), (503, 758), (91.7, 352),
    ]
    #expect(last(seen) == .healthy)
    guard case .suspicious(let evidence) = last(seen + [(75_700, 31_700)]) else {
      Issue.record("The explosion is not seen.")
      return
    }
    #expect(evidence.isExplosion && evidence.lastHealthyStep == 6)
    #expect(DivergencePolicy.stop.action(for: .suspicious(evidence)) == .diverge(evidence))
    #expect(DivergencePolicy.rollback.action(for: .suspicious(evidence)) == .diverge(evidence))
    #expect(DivergencePolicy.skip.action(for: .suspicious(evidence)) == .skip(evidence))
    // A batch that is dear among cheap ones is none, and only a step that is far above.
    guard case .suspicious(let rare) = last([(1, 1), (1.1, 1), (0.9, 1), (50_000, 5000)]) else {
      Issue.record("A dear batch is not suspicious.")
      return
    }
    #expect(!rare.isExplosion)
    // Of the loss alone, or later, it is none.
    #expect(last(seen + [(75_700, 900)]) == .healthy)
    let later = last(
      Array(repeating: (1.0, 1.0), count: 50) + [(75_700, 31_700)])
    guard case .suspicious(let late) = later else {
      Issue.record("A late step is not suspicious.")
      return
    }
    #expect(!late.isExplosion)
  }

  @Test(arguments: [Double.nan, .infinity]) func whatIsNotFiniteIsSeenAtOnce(value: Double) {
    for (loss, norm) in [(value, 1.0), (1.0, value)] {
      var watch = DivergenceWatch()
      for step in 1...3 { _ = watch.note(step: step, loss: 1, norm: 1) }
      guard case .notFinite(let evidence) = watch.note(step: 4, loss: loss, norm: norm) else {
        Issue.record("\(loss), \(norm) is not seen.")
        continue
      }
      #expect(evidence.row == 1 && evidence.lastHealthyStep == 3)
    }
  }

  /// A watch goes on out of a checkpoint as if nothing had been, wherever that was made.
  @Test func aWatchGoesOnFromItsNumbers() throws {
    let losses = learning(150) + [.nan, .infinity] + Array(repeating: 1000, count: 15)
    var whole = DivergenceWatch()
    for (i, loss) in losses.enumerated() {
      let copy = try #require(DivergenceWatch(whole.numbers))
      #expect(copy == whole)
      #expect(whole.numbers.values.joined().allSatisfy { $0.isFinite })
      _ = whole.note(step: i + 1, loss: loss, norm: loss)
    }
    #expect(whole.suspiciousSteps == 17)
  }

  /// No file makes a watch of what is none.
  @Test(arguments: [
    ["watch_losses": [1.0]], ["watch_norms": [1]],
    ["watch_losses": [1], "watch_norms": [1, 2], "watch_suspicious": [0]],
    ["watch_losses": [1], "watch_norms": [1], "watch_suspicious": [2]],
    ["watch_losses": [1], "watch_norms": [1], "watch_suspicious": [-1]],
    ["watch_losses": [1], "watch_norms": [1], "watch_suspicious": [0.5]],
    ["watch_losses": [1], "watch_norms": [1], "watch_suspicious": []],
    ["skipped": [11]], ["skipped": [-1]], ["skipped": [1e300]], ["rollbacks": [1]],
    ["rollbacks": [1, 11]], ["rollbacks": [0, 1, 0, 2, 0, 3, 0, 4]], ["rollbacks": [-1, 2]],
  ])
  func impossibleNumbersAreRefused(numbers: [String: [Double]]) {
    #expect(TrainerState(numbers, step: 10) == nil)
  }

  @Test func theStateOfATrainerSurvivesItsNumbers() throws {
    var watch = DivergenceWatch()
    _ = watch.note(step: 1, loss: 1, norm: 1)
    let state = TrainerState(
      watch: watch, updates: 7,
      rollbacks: [Rollback(target: 2, step: 4), Rollback(target: 4, step: 9)])
    #expect(TrainerState(state.numbers(step: 10), step: 10) == state)
    let usual = TrainerState(watch: DivergenceWatch(), updates: 10, rollbacks: [])
    #expect(usual.numbers(step: 10).isEmpty)
    #expect(TrainerState([:], step: 10) == usual)
  }

  /// What was taken back is no target, nor is a checkpoint that an equal run would not have.
  @Test func targetsAreThoseOfEveryEqualRun() {
    let targets = RollbackTargets(
      every: 10, lastHealthyStep: 65, rollbacks: [Rollback(target: 20, step: 45)])
    #expect(targets.among([5, 10, 20, 30, 40, 45, 50, 60, 61, 70]) == [60, 50, 20, 10])
    // Nothing has become better since the run went back to 20.
    let again = RollbackTargets(
      every: 10, lastHealthyStep: 45, rollbacks: [Rollback(target: 20, step: 45)])
    #expect(again.among([0, 10, 20, 30, 45]) == [10])
  }
}

extension DivergenceWatch.Verdict {
  fileprivate var evidence: DivergenceWatch.Evidence? {
    switch self {
    case .healthy: nil
    case .suspicious(let evidence), .notFinite(let evidence): evidence
    }
  }
}
