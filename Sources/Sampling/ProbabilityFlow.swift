// The ordinary differential equation that has the densities of the diffusion.

import Diffusion
import Foundation

/// The probability flow of a diffusion process (Song et al. 2021, section 4.3): without any noise it
/// moves images so that at each time they have the density of x_t.
///
/// In x̃ = x_t/√ᾱ and σ̃ = √((1−ᾱ)/ᾱ) it is dx̃/dσ̃ = ε̂(x_t, t). It is integrated in x_t and
/// τ = log σ̃ instead, with σ = √(1−ᾱ):
///
///     dx_t/dτ = σ ε̂ − σ² x_t,    div = σ tr(∂ε̂/∂x_t) − σ² d
///
/// There x_t is of order 1 at all times, where x̃ grows with σ̃ by four orders of magnitude; and both
/// right sides are of order 1 and fade at both ends, where ε̂ tends to x_t and σ to 0, so that steps
/// grow there. An error of x_t, on which the tolerance is, is one of what the network sees.
public struct ProbabilityFlow: Sendable {
  /// The times of the process.
  public let times: ContinuousTime

  /// The flow of a process.
  public init(_ times: ContinuousTime) { self.times = times }

  /// What a network says of noisy images.
  public struct Estimates {
    /// ε̂ of each image.
    public let epsilon: [[Double]]
    /// vᵀ (∂ε̂/∂x_t) v of each image, where it has a direction v; otherwise empty.
    public let forms: [Double]

    /// Some estimates.
    public init(epsilon: [[Double]], forms: [Double] = []) {
      self.epsilon = epsilon
      self.forms = forms
    }
  }

  /// Asks a network for ε̂ of images x_t, each at a time t of its own, and for the quadratic forms
  /// of its Jacobian where each image has a direction.
  public typealias Estimator = (
    _ x: [[Double]], _ t: [Double], _ directions: [[Double]]?
  ) -> Estimates

  /// Directions v whose quadratic forms make a trace: Σ w vᵀJv.
  public struct Probes: Sendable {
    /// For each probe, the direction of each image.
    let directions: [[[Double]]]
    /// w.
    let weight: Double

    /// The mean over random directions with E[vvᵀ] = I, of which there is at least one for each
    /// image (Hutchinson 1989): an unbiased estimate.
    ///
    /// - Parameter directions: For each probe, the direction of each image.
    public static func hutchinson(_ directions: [[[Double]]]) -> Probes {
      precondition(!directions.isEmpty, "An estimate of a trace needs a direction.")
      return Probes(directions: directions, weight: 1 / Double(directions.count))
    }

    /// The trace itself, from as many directions as an image has scalars.
    public static func exact(images: Int, dimensions: Int) -> Probes {
      let directions = (0..<dimensions).map { axis in
        let unit = (0..<dimensions).map { $0 == axis ? 1.0 : 0 }
        return Array(repeating: unit, count: images)
      }
      return Probes(directions: directions, weight: 1)
    }
  }

  /// Moves images x_t along the flow, from one τ to another: upwards towards noise, or downwards
  /// towards images.
  ///
  /// - Parameters:
  ///   - points: x_t of each image; ∫ div dτ is added to its `integral` where there are probes.
  ///   - probes: How the trace is made; nil: no trace is wanted.
  /// - Returns: For each image, how often ε̂ was asked for; each time, all probes are.
  /// - Throws: An error for the first image that does not arrive.
  public func move(
    _ points: inout [DormandPrince.Point], from start: Double, to end: Double,
    probes: Probes? = nil, _ integrator: DormandPrince, _ estimate: Estimator
  ) throws(IntegrationError) -> [Int] {
    try integrator.integrate(&points, from: start, to: end) { logLevels, points in
      let x = points.map(\.x)
      let t = logLevels.map(times.step)
      let first = estimate(x, t, probes?.directions[0])
      var traces = first.forms
      for directions in probes?.directions.dropFirst() ?? [] {
        let forms = estimate(x, t, directions).forms
        for n in traces.indices { traces[n] += forms[n] }
      }
      return x.indices.map { n in
        // σ² = 1 − ᾱ = 1/(1 + σ̃⁻²).
        let variance = 1 / (1 + exp(-2 * logLevels[n]))
        let deviation = variance.squareRoot()
        let slope = zip(x[n], first.epsilon[n]).map { deviation * $1 - variance * $0 }
        guard let probes else { return DormandPrince.Point(x: slope) }
        return DormandPrince.Point(
          x: slope,
          integral: deviation * probes.weight * traces[n] - variance * Double(x[n].count))
      }
    }
  }

  /// log p(x̃) in nats for the density p that the flow gives to x̃ = x_1/√ᾱ_1, its images at the
  /// first step of the table, when it begins at the last step with x_T ~ N(0, I).
  ///
  /// log p(x̃) = log N(x_T; 0, I) + ∫ div dτ + d log √ᾱ_1, where x_T is where the flow takes x_1 from
  /// τ_1 to τ_T. This is log N(x̃_T; 0, (1+σ̃_T²) I) + ∫ tr(∂ε̂/∂x̃) dσ̃ without the parts that cancel.
  ///
  /// p is near, for a perfect network, to the density of an image with noise of the variance
  /// σ̃_1² = (1−ᾱ_1)/ᾱ_1 upon it, and not to that of x_0 itself, which no flow of the table reaches.
  ///
  /// - Parameters:
  ///   - images: x̃ of each image.
  ///   - probes: How the trace is made.
  /// - Returns: log p of each image, and how often ε̂ was asked for.
  /// - Throws: An error for the first image that does not arrive.
  public func logDensity(
    of images: [[Double]], probes: Probes, _ integrator: DormandPrince, _ estimate: Estimator
  ) throws(IntegrationError) -> [(nats: Double, evaluations: Int)] {
    let scale = times.forwardCoefficients(1).x0
    var points = images.map { DormandPrince.Point(x: $0.map { scale * $0 }) }
    let evaluations = try move(
      &points, from: times.range.lowerBound, to: times.range.upperBound, probes: probes,
      integrator, estimate)
    return zip(points, evaluations).map { point, evaluations in
      let d = point.x.count
      let squares = point.x.reduce(0) { $0 + $1 * $1 }
      let start = -negativeLogNormal(squaredDistance: squares, variance: 1, dimensions: d)
      return (start + point.integral + Double(d) * log(scale), evaluations)
    }
  }
}
