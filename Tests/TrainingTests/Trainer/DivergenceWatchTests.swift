// What is a divergence, and what is not.

import Foundation
import Testing
import Training

@Suite struct DivergenceWatchTests {
  /// A run of losses, each with a tenth of it as the gradient's norm; the step at which it ends.
  private func end(_ losses: [Double]) -> DivergenceWatch.Divergence? {
    var watch = DivergenceWatch()
    for (i, loss) in losses.enumerated() {
      if let divergence = watch.note(step: i + 1, loss: loss, norm: abs(loss) / 10) {
        return divergence
      }
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
      #expect(found.lastHealthyStep == 290 && found.loss.now == 1000)
      #expect(found.loss.before > 0.05 && found.loss.before < 0.5)
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
    var found: DivergenceWatch.Divergence?
    for step in 1...80 {
      found = found ?? watch.note(step: step, loss: 1, norm: step > 40 ? 100 : 1)
    }
    #expect(found?.lastHealthyStep == 40 && found?.norm.before == 1)
  }
}
