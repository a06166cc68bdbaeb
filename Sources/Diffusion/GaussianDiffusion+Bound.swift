/// The variational bound of one image, term by term:
/// −log p_θ(x_0) ≤ E_q[L_T + Σ_{t=2}^T L_{t−1} + L_0] (Ho et al. 2020, eq. 5).
extension GaussianDiffusion {
  /// L_T = KL(q(x_T | x_0) ‖ N(0, I)) in nats, summed over the d scalars of `clean`.
  ///
  /// No parameter enters it; it says how much of the image the forward process leaves.
  public func terminalTerm(clean: Span<Float>) -> Double {
    var squares = 0.0
    for i in clean.indices {
      squares += Double(clean[i]) * Double(clean[i])
    }
    return klNormal(
      squaredDistance: schedule.cumulativeAlpha(schedule.steps) * squares,
      variance: schedule.noiseVariance(schedule.steps), reference: 1, dimensions: clean.count)
  }

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
  ///   - clean: x_0, d scalars.
  ///   - noisy: x_t, drawn from q(x_t | x_0), d scalars.
  ///   - output: The network's raw output for x_t, d scalars.
  public func boundTerm(
    t: Int, clean: Span<Float>, noisy: Span<Float>, output: Span<Float>
  ) -> Double {
    checkSizes(clean, noisy, output)
    if t == 1, let levels { return decoderTerm(levels, clean: clean, noisy: noisy, output: output) }
    let error = MeanError(self, t)
    var squares = 0.0
    for i in clean.indices {
      let e = error(clean: clean[i], noisy: noisy[i], output: output[i])
      squares += e * e
    }
    return normalTerm(t, squaredDistance: squares, dimensions: clean.count)
  }

  /// One term of the bound as above, and its derivative with respect to the raw output.
  ///
  /// - Parameter gradient: The derivative, d scalars; all are written.
  public func boundTerm(
    t: Int, clean: Span<Float>, noisy: Span<Float>, output: Span<Float>,
    gradient: inout MutableSpan<Float>
  ) -> Double {
    checkSizes(clean, noisy, output)
    precondition(gradient.count == output.count, "The gradient has the size of the output.")
    if t == 1, let levels {
      return decoderTerm(
        levels, clean: clean, noisy: noisy, output: output, gradient: &gradient)
    }
    let error = MeanError(self, t)
    // Both kinds of term hold ‖e‖²/(2σ²) with e = m − μ_θ, and ∂μ_θ/∂output is a number.
    let factor = -error.output / reverseVariance(t)
    var squares = 0.0
    for i in clean.indices {
      let e = error(clean: clean[i], noisy: noisy[i], output: output[i])
      squares += e * e
      gradient[i] = Float(factor * e)
    }
    return normalTerm(t, squaredDistance: squares, dimensions: clean.count)
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

  /// L_0 of an image with grey levels (Ho et al. 2020, eq. 13).
  private func decoderTerm(
    _ levels: Int, clean: Span<Float>, noisy: Span<Float>, output: Span<Float>
  ) -> Double {
    let decoder = DiscretizedNormal(
      levels: levels, standardDeviation: reverseVariance(1).squareRoot())
    let toMean = prediction.conversion(to: .mean, at: 1, of: schedule)
    var sum = 0.0
    for i in clean.indices {
      let mean = toMean(Double(output[i]), noisy: Double(noisy[i]))
      sum -= decoder.logProbability(
        ofLevel: decoder.level(nearestTo: Double(clean[i])), mean: mean)
    }
    return sum
  }

  /// L_0 of an image with grey levels, and its derivative with respect to the raw output.
  private func decoderTerm(
    _ levels: Int, clean: Span<Float>, noisy: Span<Float>, output: Span<Float>,
    gradient: inout MutableSpan<Float>
  ) -> Double {
    let decoder = DiscretizedNormal(
      levels: levels, standardDeviation: reverseVariance(1).squareRoot())
    let toMean = prediction.conversion(to: .mean, at: 1, of: schedule)
    var sum = 0.0
    for i in clean.indices {
      let mean = toMean(Double(output[i]), noisy: Double(noisy[i]))
      let (logProbability, derivative) = decoder.logProbabilityAndDerivative(
        ofLevel: decoder.level(nearestTo: Double(clean[i])), mean: mean)
      sum -= logProbability
      gradient[i] = Float(-derivative * toMean.scale)
    }
    return sum
  }

  /// Traps unless x_0, x_t and the output have one size.
  func checkSizes(_ clean: Span<Float>, _ noisy: Span<Float>, _ output: Span<Float>) {
    precondition(
      clean.count == noisy.count && clean.count == output.count,
      "x_0, x_t and the output have one size.")
  }
}

/// μ̃_t(x_t, x_0) − μ_θ(x_t, t) of one scalar, as one affine function; x_0 − μ_θ at t = 1, where
/// μ̃_1 = x_0.
private struct MeanError {
  let clean: Double
  let noisy: Double
  /// ∂μ_θ/∂output.
  let output: Double

  init(_ diffusion: GaussianDiffusion, _ t: Int) {
    let posterior = diffusion.schedule.posteriorMeanCoefficients(t)
    let toMean = diffusion.prediction.conversion(to: .mean, at: t, of: diffusion.schedule)
    clean = posterior.clean
    noisy = posterior.noisy - toMean.noisy
    output = toMean.scale
  }

  @inline(__always)
  func callAsFunction(clean x0: Float, noisy xt: Float, output o: Float) -> Double {
    clean * Double(x0) + noisy * Double(xt) - output * Double(o)
  }
}
