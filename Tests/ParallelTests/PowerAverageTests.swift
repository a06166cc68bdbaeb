// Power averages: their exponents, closed forms, and the weights that Adam keeps of them.

import Foundation
import Parallel
import Tensors
import TestSupport
import Testing

@Suite struct PowerAverageTests {
  /// Those that Karras et al. 2024 give, and the equation that defines them.
  @Test(arguments: [(0.05, 16.972199), (0.1, 6.937204), (0.15, 3.557869)])
  func exponentsArePublishedOnes(length: Double, exponent: Double) {
    #expect(abs(PowerAverage(length: length).exponent - exponent) < 1e-6)
  }

  @Test(arguments: [0.001, 0.01, 0.08, 0.2, 0.28]) func exponentsAreRoots(length: Double) {
    let g = PowerAverage(length: length).exponent
    let deviation = ((g + 1) / ((g + 2) * (g + 2) * (g + 3))).squareRoot()
    #expect(g > 0 && abs(deviation - length) < 1e-14)
  }

  /// The shares of all steps: those of the first one are 1, and their sum stays 1.
  @Test func ratesAreSharesOfAWhole() {
    let average = PowerAverage(length: 0.1)
    #expect(average.rate(atStep: 1) == 1)
    #expect(abs(average.rate(atStep: 2) - (1 - pow(0.5, average.exponent + 1))) < 1e-15)
    var mean = 0.0
    for step in 1...1000 { mean += (Double(step) - mean) * average.rate(atStep: step) }
    // Of w_t = t: the mean of the profile, t (γ + 1)/(γ + 2), and half a step.
    let g = average.exponent
    #expect(abs(mean - 1000 * (g + 1) / (g + 2)) < 1)
  }

  /// Adam with a constant gradient moves each weight by η a step: w_t = t.
  @Test func theAverageOfAStraightLine() {
    var settings = AdamSettings()
    settings.epsilon = 1e-30
    settings.averages = [0.05, 0.1].map(PowerAverage.init)
    let weights = AlignedFloats([Float](repeating: 0, count: 19))
    let adam = Adam(
      settings: settings, weights: weights,
      partition: ParameterPartition(count: 19, ranks: 1, bucketBytes: 1), rank: 0)
    let gradient = AlignedFloats([Float](repeating: -1, count: 19))
    for _ in 0..<400 {
      adam.beginStep(learningRate: 1, gradientScale: 1)
        .apply(bucket: 0, weights: weights, gradient: gradient)
    }
    #expect(weights.values.allSatisfy { abs($0 - 400) < 0.05 })
    for (average, owned) in zip(settings.averages, adam.averages) {
      let g = Float(average.exponent)
      #expect(owned.values.allSatisfy { abs($0 - 400 * (g + 1) / (g + 2)) < 1 })
    }
  }

  /// The average is the sum of all weights so far, each with its rate and the decays behind it.
  @Test func theAverageIsTheProductFormula() {
    let (count, steps) = (37, 25)
    var settings = AdamSettings()
    settings.averages = [0.05, 0.28].map(PowerAverage.init)
    let weights = AlignedFloats((0..<count).map { roughNumber($0, stream: 1) })
    let adam = Adam(
      settings: settings, weights: weights,
      partition: ParameterPartition(count: count, ranks: 1, bucketBytes: 1), rank: 0)
    #expect(difference(adam.averages[0].values, weights.values) == nil)
    var trajectory: [[Float]] = []
    for step in 1...steps {
      let gradient = AlignedFloats((0..<count).map { roughNumber($0, stream: 1 + step) })
      adam.beginStep(learningRate: 0.1, gradientScale: 1)
        .apply(bucket: 0, weights: weights, gradient: gradient)
      trajectory.append(weights.values)
    }
    for (average, owned) in zip(settings.averages, adam.averages) {
      var expected = [Double](repeating: 0, count: count)
      for s in 1...steps {
        var share = average.rate(atStep: s)
        for later in s..<steps { share *= 1 - average.rate(atStep: later + 1) }
        for i in 0..<count { expected[i] += share * Double(trajectory[s - 1][i]) }
      }
      let largest = expected.map(abs).max()!
      for (found, expected) in zip(owned.values, expected) {
        #expect(abs(Double(found) - expected) < 1e-6 * largest)
      }
    }
  }
}
