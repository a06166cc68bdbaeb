// Who is to blame where nobody gets on, and when nobody is.

import Foundation
import Testing
import Training

@Suite struct HangJudgeTests {
  private func pulse(
    _ rank: Int, signs: Int = 0, waits: Bool = true, effort: Double = 0, step: Int = 7
  ) -> Pulse {
    Pulse(
      rank: rank, phase: RunPhase.training.rawValue, step: step, signs: signs, waits: waits,
      effort: effort, secondsPerShard: 0.5)
  }

  /// Three ranks for so many seconds, and the first verdict with its time.
  private func judge(
    _ seconds: Int, timeout: Double = 10, ranks: Int = 3,
    _ pulses: (_ second: Int) -> [Pulse]
  ) -> (second: Int, verdict: HangJudge.Verdict)? {
    var judge = HangJudge(ranks: ranks, timeout: timeout)
    for second in 1...seconds {
      for pulse in pulses(second) { judge.note(pulse) }
      if let verdict = judge.pass(1) { return (second, verdict) }
    }
    return nil
  }

  @Test func whoGetsOnIsLeftAlone() {
    #expect(judge(100) { second in (0..<3).map { pulse($0, signs: second) } } == nil)
    // A step of a minute that is all work, in one rank; the others wait for it.
    let long = judge(100) { second in
      [pulse(0), pulse(1), pulse(2, waits: false, effort: Double(second) * 0.9)]
    }
    #expect(long == nil)
  }

  /// One that says nothing while the others wait for it.
  @Test func aStoppedRankIsNamed() {
    let found = judge(100) { second in
      [pulse(0, step: second > 5 ? 5 : second), pulse(2)]
        + (second <= 5 ? [pulse(1, signs: second, step: second)] : [])
    }
    #expect(found?.second == 14)
    guard case .rank(1, .silent, let last)? = found?.verdict else {
      Issue.record("\(found as Any)")
      return
    }
    #expect(last.step == 5)
  }

  /// The others have waited for it for longer than it has been silent.
  @Test func whoIsSilentIsToBlame() {
    let found = judge(100) { second in [pulse(0), pulse(1)] + (second <= 5 ? [pulse(2)] : []) }
    #expect(found?.second == 14)
    guard case .rank(2, .silent, _)? = found?.verdict else {
      Issue.record("\(found as Any)")
      return
    }
  }

  /// One that tells that it does nothing, and is not in MPI.
  @Test func anIdleRankIsNamed() {
    let found = judge(100) { _ in [pulse(0), pulse(1), pulse(2, waits: false)] }
    guard case .rank(2, .idle, _)? = found?.verdict else {
      Issue.record("\(found as Any)")
      return
    }
    // Spinning in MPI is no work.
    let spinning = judge(100) { second in
      [pulse(0, effort: Double(second)), pulse(1, waits: false), pulse(2, effort: Double(second))]
    }
    guard case .rank(1, .idle, _)? = spinning?.verdict else {
      Issue.record("\(spinning as Any)")
      return
    }
  }

  @Test func allWaitForEachOther() {
    let found = judge(100) { second in (0..<3).map { pulse($0, effort: Double(second)) } }
    guard case .everyone(let pulses)? = found?.verdict else {
      Issue.record("\(found as Any)")
      return
    }
    #expect(pulses.map(\.rank) == [0, 1, 2])
  }

  /// A rank that was never heard, because no message arrives, is no proof of anything.
  @Test func whoWasNeverHeardIsNotJudged() {
    #expect(judge(100) { _ in [pulse(0), pulse(1)] } == nil)
    // But the one who judges knows of itself.
    #expect(judge(100, ranks: 1) { _ in [pulse(0)] } != nil)
  }

  @Test func pulsesSurviveTheWay() {
    let pulse = Pulse(
      rank: 2, phase: 3, step: 12345, signs: -7, waits: true, effort: 1.25, secondsPerShard: 1e-3)
    #expect(Pulse(pulse.bytes[...], ranks: 3) == pulse)
    #expect(Pulse(pulse.bytes[...], ranks: 2) == nil)
    #expect(Pulse(pulse.bytes.dropLast(), ranks: 3) == nil)
    var bytes = pulse.bytes
    bytes[8] = 99
    #expect(Pulse(bytes[...], ranks: 3) == nil, "There is no such phase.")
  }

  @Test func messagesArrive() throws {
    let (a, b) = (try #require(PulseSocket()), try #require(PulseSocket()))
    let target = try #require(b.addresses().first { $0.host == UInt32(0x7f00_0001).bigEndian })
    #expect(b.receive(limit: 9) == nil)
    a.send([1, 2, 3], to: target)
    var arrived: [UInt8]?
    for _ in 0..<1000 where arrived == nil {
      arrived = b.receive(limit: 9)
      usleep(1000)
    }
    #expect(arrived == [1, 2, 3])
  }

  /// Three looks in a row, half as slow again as the others; told once.
  @Test func stragglersAreNamed() {
    var watch = StragglerWatch()
    var told: [[Int]] = []
    for look in 1...8 {
      told.append(
        watch.look([0: 1, 1: 1.1, 2: 0.9, 3: look == 2 ? 1.2 : 1.8]).map(\.rank))
    }
    #expect(told == [[], [], [], [], [3], [], [], []])
    #expect(watch.look([0: 1, 1: 1, 2: 1, 3: 1]).isEmpty)
    for _ in 1...2 { #expect(watch.look([0: 1, 1: 1, 2: 1, 3: 2]).isEmpty) }
    let again = watch.look([0: 1, 1: 1, 2: 1, 3: 2])
    #expect(again.map(\.rank) == [3] && again[0].factor == 2)
    #expect(watch.look([0: 5]).isEmpty, "One alone is not slow.")
  }

  @Test func theMostFrequentWeightsAreRight() {
    #expect(Trainer.outliers([]) == [])
    #expect(Trainer.outliers([5, 5, 5]) == [])
    #expect(Trainer.outliers([5, 6]) == [1])
    #expect(Trainer.outliers([6, 5, 5]) == [0])
    #expect(Trainer.outliers([5, 6, 5, 7]) == [1, 3])
  }
}
