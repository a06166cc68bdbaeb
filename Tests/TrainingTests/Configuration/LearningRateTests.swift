// The learning rate: warm-up, schedules, and where they end.

import Foundation
import Testing
import Training

@Suite struct LearningRateTests {
  private func settings(
    _ schedule: LearningRateSchedule, warmUp: Int = 0, steps: Int? = nil, reference: Int? = nil
  ) -> OptimizerSettings {
    var settings = OptimizerSettings()
    settings.learningRate = 0.5
    settings.learningRateSchedule = schedule
    settings.warmupSteps = warmUp
    (settings.learningRateSteps, settings.learningRateReference) = (steps, reference)
    return settings
  }

  @Test func theWarmUpIsLinear() {
    func rates(_ warmUp: Int, _ steps: [Int]) -> [Double] {
      let settings = settings(.constant, warmUp: warmUp)
      return steps.map { settings.learningRate(atStep: $0) }
    }
    #expect(rates(4, [0, 1, 2, 3, 4, 1000]) == [0.125, 0.25, 0.375, 0.5, 0.5, 0.5])
    #expect(rates(0, [0]) == [0.5])
    #expect(rates(1, [0]) == [0.5])
  }

  /// Half a wave from the end of the warm-up to the last step, which has a rate of 0.
  @Test func theCosineByHand() {
    let cosine = settings(.cosine, warmUp: 4, steps: 16)
    let rates = (0..<16).map { cosine.learningRate(atStep: $0) }
    #expect(Array(rates[..<4]) == [0.125, 0.25, 0.375, 0.5])
    // A quarter, a third, a half and all of the way.
    #expect(abs(rates[6] - 0.25 * (1 + 0.5.squareRoot())) < 1e-15)
    #expect(abs(rates[7] - 0.375) < 1e-15)
    #expect(abs(rates[9] - 0.25) < 1e-15)
    #expect(abs(rates[15]) < 1e-15)
    #expect(zip(rates[3...], rates[4...]).allSatisfy(>))
    // Behind its end, where only benchmarks go, it does not rise again.
    #expect(cosine.learningRate(atStep: 40) == 0)
  }

  @Test func aWarmUpThatIsLongerThanTheCosine() {
    let cosine = settings(.cosine, warmUp: 10, steps: 5)
    #expect(abs(cosine.learningRate(atStep: 4) - 0.25) < 1e-15)
    #expect(cosine.learningRate(atStep: 12) == 0)
  }

  @Test func theInverseRootByHand() {
    let automatic = settings(.inverseSquareRoot, warmUp: 4)
    #expect(
      [0, 1, 3, 15, 63].map { automatic.learningRate(atStep: $0) }
        == [0.125, 0.25, 0.5, 0.25, 0.125])
    let given = settings(.inverseSquareRoot, warmUp: 4, reference: 100)
    #expect([3, 99, 399].map { given.learningRate(atStep: $0) } == [0.5, 0.5, 0.25])
    let without = settings(.inverseSquareRoot)
    #expect([0, 3].map { without.learningRate(atStep: $0) } == [0.5, 0.25])
  }
}
