// The orders of the solvers: on Gaussian data the exact way of an image is known.

import Foundation
import Sampling
import Testing

/// Data N(0.3, 0.5²), x = 1.1 at λ = −3, and the way to λ = 3 (the last step to x̂_0 is not made).
///
/// The flow is x_t = α_t μ + √((α_t² s² + σ_t²)/(α_s² s² + σ_s²)) (x_s − α_s μ), and the best network's x̂_0
/// is μ + α s²/(α² s² + σ²) (x − α μ).
@Suite struct SolverOrderTests {
  private let mean = 0.3
  private let deviation = 0.5
  private let start = 1.1

  /// The levels from λ = −3 to 3, rising in λ, in n steps; `warped`: of unequal sizes.
  private func levels(_ n: Int, warped: Bool) -> [NoiseLevel] {
    (0...n).map { i in
      let u = Double(i) / Double(n)
      let share = warped ? u + 0.5 * sin(2 * .pi * u) / (2 * .pi) : u
      let lambda = -3 + 6 * share
      // α² = 1/(1 + e^{−2λ}).
      return NoiseLevel(
        (1 / (1 + exp(-2 * lambda)).squareRoot(), 1 / (1 + exp(2 * lambda)).squareRoot()))
    }
  }

  private func variance(_ level: NoiseLevel) -> Double {
    level.x0 * level.x0 * deviation * deviation + level.noise * level.noise
  }

  private func denoised(_ x: Double, _ level: NoiseLevel) -> Double {
    mean + level.x0 * deviation * deviation / variance(level) * (x - level.x0 * mean)
  }

  private func exact(_ from: NoiseLevel, _ to: NoiseLevel) -> Double {
    to.x0 * mean + (variance(to) / variance(from)).squareRoot() * (start - from.x0 * mean)
  }

  private func apply(_ step: LinearStep, _ x: Double, _ seen: [Double]) -> Double {
    zip(step.x0, seen).reduce(step.x * x) { $0 + $1.0 * $1.1 }
  }

  /// Where a rule leads: its own steps, as a sampler makes them, of full order up to the last level.
  ///
  /// The first steps, for which there is no history, are replaced by the exact flow.
  private func end(_ rule: some MultistepRule, _ rising: [NoiseLevel]) -> Double {
    // A level of no noise that is not gone to: the steps before it have their full order then.
    let padding = (0..<15).map { _ in NoiseLevel((1, 0)) }
    var plan = MultistepPlan(rule, padding + rising.reversed())
    var x = start
    var before = x
    var seen: [Double] = []
    while let i = plan.next, i > padding.count {
      let level = rising[rising.count - 1 - (i - padding.count)]
      seen.insert(denoised(x, level), at: 0)
      if let correction = plan.correction() { x = apply(correction, before, seen) }
      before = x
      x = apply(plan.advance(), x, seen)
      // An exact start: a first step of order 1 would have the larger error.
      if seen.count < rule.order { x = exact(rising[0], rising[rising.count - i + padding.count]) }
    }
    return x
  }

  private func slope(_ error: (Int) -> Double) -> Double {
    log2(error(160) / error(320))
  }

  /// Orders and, at n = 80, errors: those of an independent computation.
  @Test(arguments: [
    ("dpm1", false, 1.0e-2, 1.00), ("dpm2", false, 1.8e-4, 1.99), ("dpm3", false, 2.9e-6, 3.2),
    ("dpm3", true, 4.5e-5, 3.01), ("unipc1", false, 5.8e-4, 2.00), ("unipc2", false, 2.0e-5, 3.00),
    ("unipc3", false, 7.6e-7, 3.95), ("unipc3", true, 6.1e-6, 4.04),
  ])
  func multistepSolversHaveTheirOrder(
    name: String, warped: Bool, error: Double, order: Double
  ) throws {
    func found(_ n: Int) -> Double {
      let levels = levels(n, warped: warped)
      let number = Int(String(name.last!))!
      let end =
        name.hasPrefix("dpm")
        ? end(DPMSolver(order: number), levels) : end(UniPC(order: number), levels)
      return abs(end - exact(levels[0], levels[n]))
    }
    #expect(abs(slope(found) - order) < 0.1, "\(slope(found))")
    #expect(abs(log(found(80) / error)) < 0.2, "\(found(80))")
  }

  /// The third order is third order: 3.0 ± 0.05 from n = 160 to 640 on the warped grid. The published
  /// formula, with half of m″, is of the second.
  @Test func theThirdOrderIsNotThePublishedFormula() {
    func error(_ rule: some MultistepRule, _ n: Int) -> Double {
      let levels = levels(n, warped: true)
      return abs(end(rule, levels) - exact(levels[0], levels[n]))
    }
    for n in [160, 320] {
      let ours = log2(error(DPMSolver(order: 3), n) / error(DPMSolver(order: 3), 2 * n))
      #expect(abs(ours - 3) < 0.05, "\(ours)")
      let published = log2(error(PublishedThirdOrder(), n) / error(PublishedThirdOrder(), 2 * n))
      #expect(published > 1.85 && published < 2.1, "\(published)")
    }
  }

  /// DPM-Solver++ as published and as common libraries have it: D_2 = (a − b)/(r_0 + r_1).
  private struct PublishedThirdOrder: MultistepRule {
    let order = 3

    func order(of i: Int, steps: Int, known: Int) -> Int {
      DPMSolver(order: 3).order(of: i, steps: steps, known: known)
    }

    func prediction(from levels: [NoiseLevel], to target: NoiseLevel) -> LinearStep {
      guard levels.count == 3 else {
        return DPMSolver(order: 3).prediction(from: levels, to: target)
      }
      let lambda = levels.map(\.logSNR)
      let h = target.logSNR - lambda[0]
      let (r0, r1) = ((lambda[0] - lambda[1]) / h, (lambda[1] - lambda[2]) / h)
      let e = expm1(-h)
      func combination(_ m: [Double]) -> Double {
        let (a, b) = ((m[0] - m[1]) / r0, (m[1] - m[2]) / r1)
        let d1 = a + r0 / (r0 + r1) * (a - b)
        let d2 = (a - b) / (r0 + r1)
        return target.x0
          * (-e * m[0] + (e / h + 1) * d1 - ((e + h) / (h * h) - 0.5) * d2)
      }
      return LinearStep(
        x: target.noise / levels[0].noise,
        x0: [combination([1, 0, 0]), combination([0, 1, 0]), combination([0, 0, 1])])
    }
  }

  /// UniPC's predictor of order 3 is the solver of order 3, and of orders 1 and 2 too.
  @Test(arguments: 1...3)
  func predictorsAreTheSolvers(order: Int) {
    let levels = levels(12, warped: true)
    for i in 3..<12 {
      let from = (0..<order).map { levels[i - $0] }
      let a = UniPC(order: order).prediction(from: from, to: levels[i + 1])
      let b = DPMSolver(order: order).prediction(from: from, to: levels[i + 1])
      #expect(abs(a.x - b.x) < 1e-15)
      for (x, y) in zip(a.x0, b.x0) { #expect(abs(x - y) < 1e-12, "\(a) \(b)") }
    }
  }

  @Test func heunIsOfOrderTwoAndEulerIsDDIM() {
    func found(_ n: Int, _ corrects: Bool) -> Double {
      let levels = levels(n, warped: false)
      var x = start
      for (from, to) in zip(levels, levels.dropFirst()) {
        let seen = denoised(x, from)
        let trial = apply(NoiseLevelSolver.euler(from: from, to: to), x, [seen])
        x =
          corrects
          ? apply(NoiseLevelSolver.heun(from: from, to: to), x, [denoised(trial, to), seen])
          : trial
      }
      return abs(x - exact(levels[0], levels[n]))
    }
    #expect(abs(slope { found($0, true) } - 2.01) < 0.05)
    #expect(abs(log(found(80, true) / 3.9e-4)) < 0.2, "\(found(80, true))")
    #expect(abs(slope { found($0, false) } - 1) < 0.05)
    #expect(abs(found(80, false) - 1.0e-2) < 1e-3)
  }

  /// Each step is exact where the network sees what its polynomial can be: a constant image, and for
  /// higher orders one that is a polynomial in λ, with the noise of the SDE on average.
  @Test func stepsAreExactOnPolynomials() {
    let levels = levels(6, warped: true)
    for order in 1...3 {
      let from = (0..<order).map { levels[3 - $0] }
      let to = levels[4]
      let step = DPMSolver(order: order).prediction(from: from, to: to)
      for power in 0..<order where order != 2 || power == 0 {
        // ∫ e^{λ} λ^p dλ by a fine sum: x_t/σ_t − x_s/σ_s.
        let (a, b) = (from[0].logSNR, to.logSNR)
        let count = 20_000
        let integral = (0..<count).reduce(0.0) { sum, k in
          let lambda = a + (Double(k) + 0.5) * (b - a) / Double(count)
          return sum + exp(lambda) * pow(lambda, Double(power)) * (b - a) / Double(count)
        }
        let expected = to.noise * (0.7 / from[0].noise + integral)
        let found = apply(step, 0.7, from.map { pow($0.logSNR, Double(power)) })
        #expect(abs(found - expected) < 1e-9, "\(order) \(power)")
      }
    }
    let sde = SDEDPMSolver().prediction(from: [levels[3]], to: levels[4])
    // x_s = α_s + σ_s ε becomes α_t + noise of the variance σ_t².
    #expect(abs(sde.x * levels[3].x0 + sde.x0[0] - levels[4].x0) < 1e-14)
    let variance = pow(sde.x * levels[3].noise, 2) + pow(sde.noise, 2)
    #expect(abs(variance - pow(levels[4].noise, 2)) < 1e-14)
  }

  /// From where nothing is left of an image, and to where there is no noise, steps are x̂_0's alone.
  @Test func infiniteStepsAreFinite() {
    let (nothing, some, image) = (
      NoiseLevel((0, 1)), NoiseLevel((0.6, 0.8)), NoiseLevel((1, 0))
    )
    for rule in [DPMSolver(order: 3), UniPC(order: 3), SDEDPMSolver()] as [any MultistepRule] {
      let first = rule.prediction(from: [nothing], to: some)
      #expect(first.x == (first.noise == 0 ? 0.8 : 0) && first.x0 == [0.6])
      let last = rule.prediction(from: [some], to: image)
      #expect(last == LinearStep(x: 0, x0: [1], noise: 0))
    }
    #expect(NoiseLevelSolver.euler(from: nothing, to: some) == LinearStep(x: 0.8, x0: [0.6]))
  }

  /// φ_k by its series and by its recursion, against the integral ∫_0^1 e^{(1−u) z} u^{k−1}/(k−1)! du.
  @Test(arguments: [-30.0, -3, -1.001, -0.999, -0.1, -1e-8, 0, 0.5, 2])
  func phiIsAnIntegral(z: Double) {
    #expect(abs(phi(0, z) - exp(z)) < 1e-14 * exp(abs(z)))
    for k in 1...4 {
      let factorial = (1..<max(k, 2)).reduce(1.0) { $0 * Double($1) }
      let count = 20_000
      let integral = (0..<count).reduce(0.0) { sum, i in
        let u = (Double(i) + 0.5) / Double(count)
        return sum + exp((1 - u) * z) * pow(u, Double(k - 1)) / factorial / Double(count)
      }
      #expect(abs(phi(k, z) - integral) < 1e-7 * max(1, integral), "φ_\(k)(\(z))")
    }
  }
}
