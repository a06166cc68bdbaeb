// KL and density of isotropic normals against integrals.

import Diffusion
import Foundation
import Testing

@Suite struct DivergenceTests {
  @Test(arguments: [(0.3, 0.5, -0.2, 0.5), (0, 1, 1.5, 0.4), (-1, 0.2, 0.1, 2.5)])
  func klIsTheIntegral(mean: Double, variance: Double, otherMean: Double, reference: Double) {
    func minusLog(_ x: Double, _ mean: Double, _ variance: Double) -> Double {
      0.5 * log(2 * Double.pi * variance) + (x - mean) * (x - mean) / (2 * variance)
    }
    var integral = 0.0
    for i in -20000...20000 {
      let x = Double(i) * 1e-3
      let p = minusLog(x, mean, variance)
      integral += 1e-3 * exp(-p) * (minusLog(x, otherMean, reference) - p)
      if i == 123 {
        let density = negativeLogNormal(
          squaredDistance: (x - mean) * (x - mean), variance: variance, dimensions: 1)
        #expect(abs(density - p) < 1e-14)
      }
    }
    let distance = (mean - otherMean) * (mean - otherMean)
    let kl = klNormal(
      squaredDistance: distance, variance: variance, reference: reference, dimensions: 1)
    #expect(abs(kl - integral) < 1e-10)
  }

  @Test func dimensionsAdd() {
    // The numerator holds d σ_1²: with σ_1² alone this fails.
    let distances = [0.25, 1.0, 0.0, 2.25]
    let sum = distances.reduce(0) {
      $0 + klNormal(squaredDistance: $1, variance: 0.3, reference: 0.7, dimensions: 1)
    }
    let joint = klNormal(squaredDistance: 3.5, variance: 0.3, reference: 0.7, dimensions: 4)
    #expect(abs(joint - sum) < 1e-14)
  }

  @Test func nearlyEqualVariancesKeepTheirDigits() {
    // u − log(1+u) = u²/2 − u³/3 + …
    let (variance, reference) = (0.3 + 1e-8, 0.3)
    let u = (variance - reference) / reference
    let kl = klNormal(squaredDistance: 0, variance: variance, reference: reference, dimensions: 2)
    #expect(difference(kl, u * u / 2 - u * u * u / 3, floor: 0) < 1e-6)
    #expect(klNormal(squaredDistance: 0, variance: 0.1, reference: 0.1, dimensions: 7) == 0)
  }

  @Test func bitsAreNatsOverLogTwo() {
    #expect(abs(bitsPerDimension(nats: 3072 * log(2) * 3.75, dimensions: 3072) - 3.75) < 1e-14)
    // A uniform guess among 256 levels costs 8 bits.
    #expect(abs(bitsPerDimension(nats: 10 * log(256.0), dimensions: 10) - 8) < 1e-14)
  }
}
