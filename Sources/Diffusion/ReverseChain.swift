// The bound of a chain that visits some steps, from how well x_0 is predicted at each.

/// A chain through some steps of a longer one, with one variance for each of its reverse steps.
///
/// The mean of a reverse step is μ̃(x_t, x̂_0), so that L_{t−1} depends on the network through
/// ‖x_0 − x̂_0‖² alone. Evaluated once at all t, these errors give the bound of every sub-sequence and
/// of every such variance.
public struct ReverseChain: Sendable {
  /// The steps of the whole chain, rising.
  public let steps: [Int]
  /// The chain of these steps; its step i is `steps[i − 1]`.
  public let schedule: NoiseSchedule
  /// σ² of step i, at index i − 1.
  public let variances: [Double]

  /// A chain through `steps` of `whole`.
  ///
  /// - Parameters:
  ///   - variance: One of the fixed ones, or `analytic`, which needs `noiseNorms`.
  ///   - noiseNorms: Γ_1 … Γ_T of the whole chain.
  ///   - levels: The grey levels of the images; nil: they are continuous, and the fixed variances
  ///     are β_1 at the first step (`GaussianDiffusion.reverseVariance`).
  public init(
    _ whole: NoiseSchedule, visiting steps: [Int], variance: ReverseVariance,
    noiseNorms: [Double]? = nil, levels: Int?
  ) {
    let chain = whole.respaced(to: steps)
    (self.steps, schedule) = (steps, chain)
    variances = (1...chain.steps).map { i in
      if variance == .analytic {
        guard let norms = noiseNorms, norms.count == whole.steps else {
          preconditionFailure("An analytic variance needs Γ of every step.")
        }
        let t = steps[i - 1]
        return chain.reverseVariance(x0Variance: whole.x0Variance(noiseNorm: norms[t - 1], t), i)
      }
      if i == 1, levels == nil { return chain.beta(1) }
      return chain.fixedVariance(variance, i)
    }
  }

  /// KL(q(x_s | x_t, x_0) ‖ p_θ(x_s | x_t)) in nats of step i, 2 … K, from t = `steps[i − 1]` to s =
  /// `steps[i − 2]`.
  ///
  /// - Parameters:
  ///   - squaredError: ‖x_0 − x̂_0(x_t)‖², summed over the d scalars.
  ///   - dimensions: d.
  public func term(_ i: Int, squaredError: Double, dimensions: Int) -> Double {
    precondition(i > 1, "The first step is the decoder's.")
    let coefficient = schedule.posteriorMeanCoefficients(i).x0
    return klNormal(
      squaredDistance: coefficient * coefficient * squaredError,
      variance: schedule.posteriorVariance(i), reference: variances[i - 1], dimensions: dimensions)
  }
}

extension GaussianDiffusion {
  /// x̂_0 of one image in Double.
  ///
  /// - Parameters:
  ///   - t: The step of x_t, 1 … T.
  ///   - clipping: Whether x̂_0 is forced into [−1, 1].
  public func predictedX0(
    t: Int, xt: Span<Float>, output: Span<Float>, clipping: Bool
  ) -> [Double] {
    precondition(xt.count == output.count, "x_t and the output have one size.")
    let toX0 = prediction.conversion(to: .x0, at: t, of: schedule)
    return xt.indices.map { i in
      let value = toX0(Double(output[i]), xt: Double(xt[i]))
      return clipping ? min(max(value, -1), 1) : value
    }
  }

  /// L_0 = −log p(x_0 | x_1) in nats for x̂_0 as the mean: the discretised normal of Ho et al. 2020,
  /// eq. 13, or a density where the image is continuous.
  ///
  /// - Parameter variance: σ².
  public func decoderTerm(x0: Span<Float>, predicted: [Double], variance: Double) -> Double {
    precondition(x0.count == predicted.count, "x_0 and its prediction have one size.")
    guard let levels else {
      return negativeLogNormal(
        squaredDistance: squaredError(x0, predicted), variance: variance, dimensions: x0.count)
    }
    let decoder = DiscretizedNormal(levels: levels, standardDeviation: variance.squareRoot())
    return x0.indices.reduce(0) { sum, i in
      sum
        - decoder.logProbability(
          ofLevel: decoder.level(nearestTo: Double(x0[i])), mean: predicted[i])
    }
  }
}

/// ‖x_0 − x̂_0‖².
public func squaredError(_ x0: Span<Float>, _ predicted: [Double]) -> Double {
  var sum = 0.0
  for i in x0.indices {
    let e = Double(x0[i]) - predicted[i]
    sum += e * e
  }
  return sum
}
