// The decoder of grey levels: masses, tails and the derivative.

import Diffusion
import Foundation
import Testing

@Suite struct DiscretizedNormalTests {
  @Test(arguments: [2, 17, 256])
  func massesSumToOne(levels: Int) {
    for deviation in [0.0074, 0.05, 0.7, 30] {
      for mean in [-1, 0, 0.337, 1, -1.2, 4, 1e6] {
        let decoder = DiscretizedNormal(levels: levels, standardDeviation: deviation)
        let sum = (0..<levels).reduce(0) {
          $0 + exp(decoder.logProbability(ofLevel: $1, mean: mean))
        }
        #expect(abs(sum - 1) < 1e-12, "σ = \(deviation), mean \(mean)")
      }
    }
  }

  @Test func agreesWithSixtyDigits() {
    var worst = (0.0, 0.0)
    for row in rows(of: RecordedValues.discretized, width: 6) {
      let decoder = DiscretizedNormal(levels: Int(row[0])!, standardDeviation: Double(row[2])!)
      let ours = decoder.logProbabilityAndDerivative(ofLevel: Int(row[1])!, mean: Double(row[3])!)
      // Also where log P is nearly 0 its relative error counts: it is minus the mass outside.
      worst.0 = max(worst.0, difference(ours.logProbability, Double(row[4])!, floor: 1e-30))
      worst.1 = max(worst.1, difference(ours.derivative, Double(row[5])!, floor: 1e-30))
    }
    #expect(worst.0 < 1e-12)
    #expect(worst.1 < 1e-12)
  }

  @Test func tailsJoin() {
    // With K = 2 and σ = 1, P(level 0) = Φ(−mean): the system's erfc knows it to 37 σ.
    let decoder = DiscretizedNormal(levels: 2, standardDeviation: 1)
    for step in 1...120 {
      let x = Double(step) / 4
      let mass = 0.5 * erfc(x * 0.5.squareRoot())
      let slope = -exp(-0.5 * x * x) / ((2 * Double.pi).squareRoot() * mass)
      let ours = decoder.logProbabilityAndDerivative(ofLevel: 0, mean: x)
      #expect(difference(ours.logProbability, log(mass), floor: 0) < 1e-13, "\(x)")
      #expect(difference(ours.derivative, slope, floor: 0) < 1e-12, "\(x)")
    }
  }

  @Test(arguments: [2, 17, 256])
  func staysFiniteFarOut(levels: Int) {
    let decoder = DiscretizedNormal(levels: levels, standardDeviation: 0.0074)
    for mean in [-1e30, -1e8, -50, 50, 1e8, 1e30] {
      for level in [0, 1, levels / 2, levels - 1] {
        let (value, derivative) = decoder.logProbabilityAndDerivative(ofLevel: level, mean: mean)
        #expect(value.isFinite && derivative.isFinite && value <= 0)
        // Far outside, the mean is pulled back, except by the open-ended level on its side.
        let isOpen = level == (mean < 0 ? 0 : levels - 1)
        #expect(isOpen ? derivative == 0 : derivative * mean < 0)
      }
    }
    #expect(decoder.logProbability(ofLevel: 0, mean: .nan).isNaN)
  }

  @Test(arguments: [2, 17, 256])
  func derivativeIsThatOfTheLogarithm(levels: Int) {
    for deviation in [0.0074, 0.05, 0.7] {
      let decoder = DiscretizedNormal(levels: levels, standardDeviation: deviation)
      let h = 1e-4 * deviation
      for level in [0, 1, levels / 2, levels - 1] {
        for offset in [-40.0, -3, -0.8, 0, 0.3, 2, 40] {
          let mean = decoder.value(ofLevel: level) + offset * deviation
          let slope =
            (decoder.logProbability(ofLevel: level, mean: mean + h)
              - decoder.logProbability(ofLevel: level, mean: mean - h)) / (2 * h)
          let derivative = decoder.logProbabilityAndDerivative(ofLevel: level, mean: mean)
            .derivative
          #expect(
            difference(derivative, slope, floor: 1 / deviation) < 1e-6,
            "level \(level), offset \(offset) σ")
        }
      }
    }
  }

  @Test func levelsSurviveTheRoundingToFloat() {
    for levels in [2, 17, 256, 65536] {
      let decoder = DiscretizedNormal(levels: levels, standardDeviation: 1)
      for k in stride(from: 0, to: levels, by: max(1, levels / 997)) {
        #expect(decoder.level(nearestTo: Double(Float(decoder.value(ofLevel: k)))) == k)
      }
      #expect(decoder.level(nearestTo: -1.01) == 0 && decoder.level(nearestTo: 7) == levels - 1)
    }
  }

  @Test func halfWidthOf256LevelsIsHos() {
    // The bin of the middle level 0.00392 reaches from 0 to 2/255.
    let decoder = DiscretizedNormal(levels: 256, standardDeviation: 0.5)
    let mass =
      0.5 * (erf((2.0 / 255 - 0.1) / 0.5 / 2.0.squareRoot()) - erf(-0.2 / 2.0.squareRoot()))
    #expect(abs(exp(decoder.logProbability(ofLevel: 128, mean: 0.1)) - mass) < 1e-15)
  }

  /// ∂/∂log σ, out to 40 σ, for open bins, and for bins much wider and much narrower than σ.
  @Test func deviationSlopesHaveSixtyDigits() {
    let rows = rows(of: RecordedLearned.deviationSlopes, width: 5)
    #expect(rows.count == 288)
    for row in rows {
      let decoder = DiscretizedNormal(levels: Int(row[0])!, standardDeviation: Double(row[2])!)
      let ours = decoder.logProbabilityAndDerivatives(
        ofLevel: Int(row[1])!, mean: Double(row[3])!)
      // Of narrow bins the mass is a difference of nearly equal tails; the slope is z² − 1 there,
      // which at z = ±1 has the digits that z has.
      #expect(
        difference(ours.logDeviation, Double(row[4])!, floor: 0.1)
          < (decoder.levels < 1000 ? 1e-11 : 1e-9),
        "\(ours.logDeviation) \(row)")
      let (value, slope) = decoder.logProbabilityAndDerivative(
        ofLevel: Int(row[1])!, mean: Double(row[3])!)
      #expect(value == ours.logProbability && slope == ours.mean)
    }
  }

  @Test(arguments: [2, 17, 256])
  func deviationSlopeIsThatOfTheLogarithm(levels: Int) {
    for deviation in [0.0074, 0.05, 0.7] {
      func value(_ level: Int, _ mean: Double, _ shift: Double) -> Double {
        DiscretizedNormal(levels: levels, standardDeviation: deviation * exp(shift))
          .logProbability(ofLevel: level, mean: mean)
      }
      let decoder = DiscretizedNormal(levels: levels, standardDeviation: deviation)
      for level in [0, 1, levels / 2, levels - 1] {
        for offset in [-40.0, -3, -1, -0.8, 0, 0.3, 2, 40] {
          let mean = decoder.value(ofLevel: level) + offset * deviation
          let slope = (value(level, mean, 1e-5) - value(level, mean, -1e-5)) / 2e-5
          let ours = decoder.logProbabilityAndDerivatives(ofLevel: level, mean: mean).logDeviation
          #expect(difference(ours, slope) < 1e-6, "level \(level), offset \(offset) σ")
        }
      }
    }
  }
}
