// What the tests of this module share: recorded rows, exact expectations, a Gaussian world.

import Diffusion

extension NoiseSchedule {
  /// The mean and variance of the posterior q(x_{t−1} | x_t, x_0) of one scalar.
  func posterior(t: Int, x0: Double, xt: Double) -> (mean: Double, variance: Double) {
    let mean = posteriorMeanCoefficients(t)
    return (mean.x0 * x0 + mean.xt * xt, posteriorVariance(t))
  }
}

extension GaussianDiffusion {
  /// The factor w_t for which the bound's term is w_t × `simpleTerm` + a constant, for t ≥ 2.
  ///
  /// w_t = d a²/(2σ_t²) with a = ∂μ_θ/∂output; for ε-prediction that is
  /// d β_t²/(2 σ_t² α_t (1−ᾱ_t)) (Ho et al. 2020, eq. 12). The simple objective sets it to 1.
  ///
  /// - Parameters:
  ///   - t: The step, 2 … T; also 1 for continuous images.
  ///   - dimensions: d.
  func boundWeight(_ t: Int, dimensions: Int) -> Double {
    precondition(t > 1 || levels == nil, "The decoder of grey levels is not a squared error.")
    let slope = prediction.conversion(to: .mean, at: t, of: schedule).scale
    return Double(dimensions) * slope * slope / (2 * reverseVariance(t))
  }
}

/// The rows of a recorded text, which has `width` tokens a row.
func rows(of text: String, width: Int) -> [[String]] {
  let tokens = text.split(whereSeparator: \.isWhitespace).map(String.init)
  precondition(tokens.count % width == 0, "A recorded text has whole rows.")
  return stride(from: 0, to: tokens.count, by: width).map { Array(tokens[$0..<($0 + width)]) }
}

/// The Gauss–Hermite rule that is exact for polynomials of degree 5 in z ~ N(0, 1).
///
/// The terms of the bound are of degree 2 in each noise when the network is affine, and their
/// squares of degree 4: expectations are exact, and no test draws a random number.
let normalRule: [(node: Double, weight: Double)] = [
  (-3.0.squareRoot(), 1.0 / 6), (0, 2.0 / 3), (3.0.squareRoot(), 1.0 / 6),
]

/// E f(z) over z ~ N(0, 1).
func expectation(_ f: (Double) -> Double) -> Double {
  normalRule.reduce(0) { $0 + $1.weight * f($1.node) }
}

/// Data x_0 ~ N(mean, deviation²) of one scalar, where everything has a closed form.
struct GaussianWorld {
  let mean: Double
  let deviation: Double

  /// The best network's raw output for x_t: the posterior mean of x_0, as the model wants it.
  func output(_ xt: Double, t: Int, _ diffusion: GaussianDiffusion) -> Double {
    let schedule = diffusion.schedule
    let signal = schedule.forwardCoefficients(t).x0
    let gain =
      deviation * deviation * signal
      / (schedule.cumulativeAlpha(t) * deviation * deviation + schedule.noiseVariance(t))
    let x0 = mean + gain * (xt - signal * mean)
    return Prediction.x0.conversion(to: diffusion.prediction, at: t, of: schedule)(
      x0, xt: xt)
  }

  /// −log p(x_0) in nats.
  func negativeLogDensity(_ x0: Double) -> Double {
    negativeLogNormal(
      squaredDistance: (x0 - mean) * (x0 - mean), variance: deviation * deviation,
      dimensions: 1)
  }

  /// E over x_t of the bound's term t for this x_0, with the best network.
  func boundTerm(_ x0: Double, t: Int, _ diffusion: GaussianDiffusion) -> Double {
    let factor = diffusion.schedule.forwardCoefficients(t)
    return expectation { z in
      // x_t as the Float that the term sees.
      let xt = Float(factor.x0 * x0 + factor.noise * z)
      return diffusion.boundTerm(
        t: t, x0: [Float(x0)].span, xt: [xt].span,
        output: [Float(output(Double(xt), t: t, diffusion))].span)
    }
  }

  /// The whole bound in expectation, for this x_0, with the best network.
  func bound(_ x0: Double, _ diffusion: GaussianDiffusion) -> Double {
    (1...diffusion.schedule.steps).reduce(diffusion.terminalTerm(x0: [Float(x0)].span)) {
      $0 + boundTerm(x0, t: $1, diffusion)
    }
  }
}

/// The relative difference of two numbers, or the absolute one below `floor`.
func difference(_ a: Double, _ b: Double, floor: Double = 1) -> Double {
  abs(a - b) / max(abs(b), floor)
}

/// Values of no particular pattern in [−1, 1), on a grid of 2⁻¹⁰ so that Float holds them exactly.
func scattered(_ count: Int, seed: UInt32) -> [Float] {
  var state = seed &* 2_654_435_761 &+ 1
  return (0..<count).map { _ in
    state = state &* 1_664_525 &+ 1_013_904_223
    return Float(state >> 21) / 1024 - 1
  }
}
