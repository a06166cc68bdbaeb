// Profiles of power averages: their products as integrals, and least squares among them.

import Foundation
import Parallel
import Tensors
import Testing
import Training

@Suite struct PowerProfileTests {
  private func profile(_ length: Double, _ step: Int) -> PowerProfile {
    PowerProfile(PowerAverage(length: length), step: step)
  }

  /// The density of the profile at a step s.
  private func density(_ p: PowerProfile, _ s: Double) -> Double {
    let (g, t) = (p.average.exponent, Double(p.step))
    return s > t ? 0 : (g + 1) * pow(s / t, g) / t
  }

  @Test(arguments: [
    (0.05, 100, 0.1, 100), (0.1, 60, 0.05, 100), (0.25, 100, 0.1, 60), (0.15, 100, 0.15, 100),
  ])
  func productsAreIntegrals(a: Double, s: Int, b: Double, t: Int) {
    let (p, q) = (profile(a, s), profile(b, t))
    let cells = 200_000
    let end = Double(max(s, t))
    let integral =
      (0..<cells).reduce(0) { sum, cell in
        let x = (Double(cell) + 0.5) / Double(cells) * end
        return sum + density(p, x) * density(q, x)
      } * end / Double(cells)
    #expect(abs(p.product(q) - integral) < 1e-4 * integral)
    #expect(abs(p.product(q) - q.product(p)) < 1e-14 * integral)
  }

  @Test func aKeptProfileIsItself() throws {
    let kept = [20, 40, 60, 80, 100].flatMap { [profile(0.05, $0), profile(0.1, $0)] }
    for (i, target) in kept.enumerated() {
      let combination = try #require(target.combination(of: kept))
      #expect(combination.residual < 1e-6)
      for (j, weight) in combination.weights.enumerated() {
        #expect(abs(weight - (i == j ? 1 : 0)) < 1e-6, "\(i) \(j)")
      }
    }
  }

  /// More kept profiles fit better, and no other weights fit as well.
  @Test func theSumIsTheNearest() throws {
    let target = profile(0.08, 100)
    func kept(every period: Int) -> [PowerProfile] {
      stride(from: period, through: 100, by: period)
        .flatMap { [profile(0.05, $0), profile(0.1, $0)] }
    }
    let residuals = try [50, 20, 10, 5].map {
      try #require(target.combination(of: kept(every: $0))).residual
    }
    #expect(zip(residuals, residuals.dropFirst()).allSatisfy(>), "\(residuals)")
    #expect(residuals[3] < 0.01)

    // The gradient of the squared distance is zero along what leaves the sum of the weights.
    let all = kept(every: 20)
    let weights = try #require(target.combination(of: all)).weights
    #expect(abs(weights.reduce(0, +) - 1) < 1e-12)
    let distances = all.map { p in
      zip(all, weights).reduce(-p.product(target)) { $0 + $1.1 * p.product($1.0) }
    }
    let scale = target.product(target)
    #expect(distances.allSatisfy { abs($0) < 0.01 * scale })
  }

  @Test func oneProfileStandsForAnother() throws {
    let combination = try #require(profile(0.1, 100).combination(of: [profile(0.05, 100)]))
    #expect(combination.weights == [1] && combination.residual > 0.1)
  }

  @Test func equalProfilesCannotBeToldApart() {
    let p = profile(0.1, 100)
    #expect(p.combination(of: [p, p]) == nil)
  }
}
