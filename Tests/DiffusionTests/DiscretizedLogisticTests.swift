// The logistic decoder of grey levels.

import Diffusion
import Foundation
import Testing

@Suite struct DiscretizedLogisticTests {
  /// The masses of all levels sum to 1, wherever the mean and however narrow the scale.
  @Test(arguments: [2, 3, 17, 256], [1e-3, 0.02, 0.5, 30])
  func massesSumToOne(_ levels: Int, _ scale: Double) {
    let logistic = DiscretizedLogistic(levels: levels, scale: scale)
    for mean in [-3, -1, -0.2, 0, 0.77, 1, 40] {
      let total = (0..<levels).reduce(0.0) {
        $0 + exp(logistic.logProbabilityAndDerivatives(ofLevel: $1, mean: mean).logProbability)
      }
      #expect(abs(total - 1) < 1e-12, "mean \(mean)")
    }
  }

  /// σ(a) − σ(b) where it can be subtracted.
  @Test func massesAreDifferences() {
    let logistic = DiscretizedLogistic(levels: 5, scale: 0.3)
    func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    for k in 0..<5 {
      let value = -1 + Double(k) / 2
      let upper = k == 4 ? 1 : sigmoid((value + 0.25 - 0.1) / 0.3)
      let lower = k == 0 ? 0 : sigmoid((value - 0.25 - 0.1) / 0.3)
      let mass = exp(logistic.logProbabilityAndDerivatives(ofLevel: k, mean: 0.1).logProbability)
      #expect(abs(mass - (upper - lower)) < 1e-14)
    }
  }

  @Test(arguments: [0, 1, 8, 15, 16])
  func derivativesAreThoseOfTheValue(_ level: Int) {
    for (mean, scale) in [(0.3, 0.1), (-1.4, 0.02), (0.9, 2)] {
      func value(_ mean: Double, _ logScale: Double) -> Double {
        DiscretizedLogistic(levels: 17, scale: exp(logScale))
          .logProbabilityAndDerivatives(ofLevel: level, mean: mean).logProbability
      }
      let h = 1e-5
      let slopes = DiscretizedLogistic(levels: 17, scale: scale)
        .logProbabilityAndDerivatives(ofLevel: level, mean: mean)
      let byMean = (value(mean + h, log(scale)) - value(mean - h, log(scale))) / (2 * h)
      let byScale = (value(mean, log(scale) + h) - value(mean, log(scale) - h)) / (2 * h)
      #expect(abs(slopes.mean - byMean) < 1e-5 * max(1, abs(byMean)))
      #expect(abs(slopes.logDeviation - byScale) < 1e-5 * max(1, abs(byScale)))
    }
  }

  /// In the far tail, where both ends of the bin round to 0 or 1, there is still a value and a slope.
  @Test func tailsAreFinite() {
    let far = DiscretizedLogistic(levels: 256, scale: 1e-4)
      .logProbabilityAndDerivatives(ofLevel: 10, mean: 0.9)
    #expect(far.logProbability.isFinite && far.logProbability < -10_000)
    #expect(abs(far.mean + 1e4) < 1)
  }
}
