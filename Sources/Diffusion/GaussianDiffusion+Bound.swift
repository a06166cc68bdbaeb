// The variational bound of one image, term by term:
// −log p_θ(x_0) ≤ E_q[L_T + Σ_{t=2}^T L_{t−1} + L_0] (Ho et al. 2020, eq. 5).

extension GaussianDiffusion {
  /// L_T = KL(q(x_T | x_0) ‖ N(0, I)) in nats, summed over the d scalars of x_0.
  ///
  /// No parameter enters it; it says how much of the image the forward process leaves.
  public func terminalTerm(x0: Span<Float>) -> Double { schedule.terminalTerm(x0: x0) }

  /// One term of the bound in nats, summed over the d scalars, for one drawn x_t.
  ///
  /// For t ≥ 2 it is L_{t−1} = KL(q(x_{t−1} | x_t, x_0) ‖ p_θ(x_{t−1} | x_t)), for t = 1 it is
  /// L_0 = −log p_θ(x_0 | x_1): the discretised normal of eq. 13 where the image has grey levels,
  /// a normal density where it is continuous. The predicted x_0 is never clipped here.
  ///
  /// With t uniform on 1 … T, T times this plus L_T is an unbiased estimate of the bound.
  ///
  /// - Parameters:
  ///   - t: The step, 1 … T.
  ///   - x0: x_0, d scalars.
  ///   - xt: x_t, drawn from q(x_t | x_0), d scalars.
  ///   - output: The network's raw output for x_t, d scalars.
  public func boundTerm(
    t: Int, x0: Span<Float>, xt: Span<Float>, output: Span<Float>
  ) -> Double {
    boundTerm(t, x0, xt, output) { _, _ in }
  }

  /// One term of the bound as above, and its derivative with respect to the raw output.
  ///
  /// - Parameter gradient: The derivative, d scalars; all are written.
  public func boundTerm(
    t: Int, x0: Span<Float>, xt: Span<Float>, output: Span<Float>,
    gradient: inout MutableSpan<Float>
  ) -> Double {
    precondition(gradient.count == output.count, "The gradient has the size of the output.")
    return boundTerm(t, x0, xt, output) { i, slope in gradient[i] = Float(slope) }
  }

  @inline(__always)
  private func boundTerm(
    _ t: Int, _ x0: Span<Float>, _ xt: Span<Float>, _ output: Span<Float>,
    slope: (Int, Double) -> Void
  ) -> Double {
    checkSizes(x0, xt, output)
    let toMean = prediction.conversion(to: .mean, at: t, of: schedule)
    if t == 1, let levels {
      // Ho et al. 2020, eq. 13.
      let decoder = DiscretizedNormal(
        levels: levels, standardDeviation: reverseVariance(1).squareRoot())
      return sum(x0.count) { i in
        let (logProbability, derivative) = decoder.logProbabilityAndDerivative(
          ofLevel: decoder.level(nearestTo: Double(x0[i])),
          mean: toMean(Double(output[i]), xt: Double(xt[i])))
        return (-logProbability, -derivative * toMean.scale)
      } slope: {
        slope($0, $1)
      }
    }
    // Both kinds of normal term hold ‖e‖²/(2σ²) with e = μ̃_t − μ_θ, and ∂μ_θ/∂output is a number.
    // At t = 1, μ̃_1 = x_0.
    let posterior = schedule.posteriorMeanCoefficients(t)
    let xtFactor = posterior.xt - toMean.xt
    let factor = -toMean.scale / reverseVariance(t)
    let squares = sum(x0.count) { i in
      let e =
        posterior.x0 * Double(x0[i]) + xtFactor * Double(xt[i]) - toMean.scale * Double(output[i])
      return (e * e, factor * e)
    } slope: {
      slope($0, $1)
    }
    return normalTerm(t, squaredDistance: squares, dimensions: x0.count)
  }

  /// The term for ‖m − μ_θ‖², m being what μ_θ is compared with: μ̃_t for t ≥ 2, x_0 for t = 1.
  private func normalTerm(_ t: Int, squaredDistance: Double, dimensions: Int) -> Double {
    if t == 1 {
      return negativeLogNormal(
        squaredDistance: squaredDistance, variance: reverseVariance(1), dimensions: dimensions)
    }
    return klNormal(
      squaredDistance: squaredDistance, variance: schedule.posteriorVariance(t),
      reference: reverseVariance(t), dimensions: dimensions)
  }

  /// Traps unless x_0, x_t and the output have one size.
  func checkSizes(_ x0: Span<Float>, _ xt: Span<Float>, _ output: Span<Float>) {
    precondition(
      x0.count == xt.count && x0.count == output.count, "x_0, x_t and the output have one size.")
  }
}

extension NoiseSchedule {
  /// L_T = KL(q(x_T | x_0) ‖ N(0, I)) in nats, summed over the d scalars of x_0.
  public func terminalTerm(x0: Span<Float>) -> Double {
    var squares = 0.0
    for i in x0.indices { squares += Double(x0[i]) * Double(x0[i]) }
    return klNormal(
      squaredDistance: cumulativeAlpha(steps) * squares, variance: noiseVariance(steps),
      reference: 1, dimensions: x0.count)
  }
}
