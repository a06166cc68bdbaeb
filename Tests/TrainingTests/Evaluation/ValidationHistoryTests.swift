// What follows from the losses of validation.

import Storage
import Testing
import Training

@Suite struct ValidationHistoryTests {
  private func history(_ losses: [Double], every: Int = 10) -> ValidationHistory {
    ValidationHistory(
      subject: "x", steps: losses.indices.map { ($0 + 1) * every }, losses: losses)
  }

  @Test func theBestIsTheLowestAndTheFirstOfEqualOnes() throws {
    let losses = history([0.5, 0.25, 0.75, 0.25])
    let best = try #require(losses.best())
    #expect(best.step == 20 && best.loss == 0.25)
    #expect(history([]).best() == nil)
    var longer = losses
    longer.append(step: 41, loss: 0.125)
    #expect(longer.best()?.step == 41)
    #expect(longer.steps == [10, 20, 30, 40, 41])
  }

  /// What the end of an earlier process has added does not tell a run that went on from one that did
  /// not end.
  @Test func anEndThatWasNone() {
    var losses = history([0.5, 0.25])
    #expect(losses.withoutEnd(every: 10, checkpointEvery: 7) == losses)
    losses.append(step: 23, loss: 0.125)
    #expect(losses.withoutEnd(every: 10, checkpointEvery: 23) == losses)
    #expect(losses.withoutEnd(every: 10, checkpointEvery: 7) == history([0.5, 0.25]))
    #expect(history([]).withoutEnd(every: 10, checkpointEvery: 7) == history([]))
  }

  /// Only what is there can be chosen, and of what is there only what was validated.
  @Test func theBestOfThoseThatAreKept() {
    let losses = history([0.5, 0.25, 0.75, 0.25])
    #expect(losses.best(among: [10, 30])?.step == 10)
    #expect(losses.best(among: [30, 35, 40])?.step == 40)
    #expect(losses.best(among: [35]) == nil && losses.best(among: []) == nil)
  }

  @Test func patienceCountsWhatBringsNothingBetter() {
    func exhausted(_ losses: [Double], _ patience: Int) -> Bool {
      history(losses).isExhausted(every: 10, patience: patience)
    }
    #expect(!exhausted([], 1) && !exhausted([1], 1))
    #expect(exhausted([1, 2], 1) && !exhausted([1, 2], 2) && exhausted([1, 2, 3], 2))
    // As good is not better.
    #expect(exhausted([1, 1], 1))
    #expect(
      !exhausted([3, 2, 1], 1) && !exhausted([1, 2, 0.5], 1) && exhausted([1, 2, 0.5, 3], 1))
    // Without patience nothing stops, and more patience goes on.
    #expect(
      !exhausted([1, 2, 3, 4], 0) && exhausted([1, 2, 3, 4], 3) && !exhausted([1, 2, 3, 4], 4))
  }

  /// A run that was stopped between two validations, and one that was not, stop at the same step.
  @Test func whatIsValidatedBesideTheIntervalDoesNotCount() {
    let steps = [10, 20, 23, 27, 30]
    let losses = ValidationHistory(
      subject: "x", steps: steps, losses: [0.5, 0.75, 0.125, 0.8, 0.25])
    #expect(!losses.isExhausted(every: 10, patience: 1))
    #expect(losses.best()?.step == 23)
    let worse = ValidationHistory(subject: "x", steps: steps, losses: [0.5, 0.75, 0.1, 0.1, 0.9])
    #expect(worse.isExhausted(every: 10, patience: 2) && !worse.isExhausted(every: 10, patience: 3))
    #expect(!losses.isExhausted(every: 0, patience: 1))
  }
}
