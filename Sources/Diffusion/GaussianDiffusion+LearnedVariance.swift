// What follows from a network that emits the variance of each scalar too.

import Foundation

extension NoiseSchedule {
  /// log β̃_t and log β_t, between which a learned log σ² lies for a fraction f of 0 … 1:
  /// log σ² = f log β_t + (1−f) log β̃_t (Nichol & Dhariwal 2021, eq. 15).
  ///
  /// The network emits v with f = (v + 1)/2, so that 0 is the middle; v is not bounded. β̃_1 = 0
  /// gives way to β̃_2, as for the fixed variances.
  public func logVarianceEnds(_ t: Int) -> (small: Double, large: Double) {
    (log(smallVariance(t)), log(beta(t)))
  }

  /// Writes x_{t−1} = μ̃_t(x_t, x̂_0) + σ z in the place of x_t, with σ² of each scalar; at t = 1 it
  /// is x̂_0 itself.
  ///
  /// - Parameters:
  ///   - t: The step of x_t, 1 … T.
  ///   - x0: x̂_0, d scalars.
  ///   - variance: The network's raw output v for the variance, d scalars.
  ///   - noise: z ~ N(0, I), d scalars; not read at t = 1.
  ///   - x: x_t, and then x_{t−1}; d scalars.
  public func reverseStep(
    t: Int, x0: Span<Float>, learned variance: Span<Float>, noise: Span<Float>,
    x: inout MutableSpan<Float>
  ) {
    precondition(
      x.count == x0.count && x.count == variance.count && x.count == noise.count,
      "x_t, x̂_0, the variance and the noise have one size.")
    let mean = posteriorMeanCoefficients(t)
    let (small, large) = logVarianceEnds(t)
    for i in x0.indices {
      let value = mean.x0 * Double(x0[i]) + mean.xt * Double(x[i])
      let logVariance = small + (Double(variance[i]) + 1) / 2 * (large - small)
      x[i] = Float(t == 1 ? value : value + exp(logVariance / 2) * Double(noise[i]))
    }
  }
}

extension GaussianDiffusion {
  /// One term of the bound for a learned variance: as `boundTerm(t:x0:xt:output:)`, with σ² of each
  /// scalar.
  ///
  /// - Parameters:
  ///   - t: The step, 1 … T.
  ///   - x0: x_0, d scalars.
  ///   - xt: x_t, drawn from q(x_t | x_0), d scalars.
  ///   - output: The network's raw output for the mean, d scalars.
  ///   - variance: Its raw output v for the variance, d scalars.
  public func boundTerm(
    t: Int, x0: Span<Float>, xt: Span<Float>, output: Span<Float>, variance: Span<Float>
  ) -> Double {
    boundTerm(t, x0, xt, output, variance) { _, _, _ in }
  }

  /// The same, and its derivatives with respect to both raw outputs.
  ///
  /// - Parameters:
  ///   - gradient: The derivative with respect to the output for the mean, d scalars; all are
  ///     written.
  ///   - varianceGradient: That with respect to v, d scalars; all are written.
  public func boundTerm(
    t: Int, x0: Span<Float>, xt: Span<Float>, output: Span<Float>, variance: Span<Float>,
    gradient: inout MutableSpan<Float>, varianceGradient: inout MutableSpan<Float>
  ) -> Double {
    precondition(
      gradient.count == output.count && varianceGradient.count == output.count,
      "A gradient has the size of its output.")
    return boundTerm(t, x0, xt, output, variance) { i, mean, logVariance in
      gradient[i] = Float(mean)
      varianceGradient[i] = Float(logVariance)
    }
  }

  /// - Parameter slopes: Takes the derivatives with respect to both raw outputs.
  @inline(__always)
  private func boundTerm(
    _ t: Int, _ x0: Span<Float>, _ xt: Span<Float>, _ output: Span<Float>,
    _ variance: Span<Float>, slopes: (_ i: Int, _ mean: Double, _ variance: Double) -> Void
  ) -> Double {
    checkSizes(x0, xt, output)
    precondition(variance.count == output.count, "Each scalar has a mean and a variance.")
    let toMean = prediction.conversion(to: .mean, at: t, of: schedule)
    let (small, large) = schedule.logVarianceEnds(t)
    let ofV = (large - small) / 2  // ∂ log σ²/∂v
    func logVariance(_ i: Int) -> Double { small + (Double(variance[i]) + 1) * ofV }
    var total = 0.0

    if t == 1, let levels {
      let decoder = DiscretizedNormal(levels: levels, standardDeviation: 1)
      for i in x0.indices {
        let decoder = decoder.with(standardDeviation: exp(logVariance(i) / 2))
        let value = decoder.logProbabilityAndDerivatives(
          ofLevel: decoder.level(nearestTo: Double(x0[i])),
          mean: toMean(Double(output[i]), xt: Double(xt[i])))
        total -= value.logProbability
        slopes(i, -value.mean * toMean.scale, -value.logDeviation * ofV / 2)
      }
      return total
    }
    // At t = 1, the density of a continuous x_0, which has no variance of its own.
    let posterior = schedule.posteriorMeanCoefficients(t)
    let xtFactor = posterior.xt - toMean.xt
    let own = schedule.posteriorVariance(t)
    let constant = t == 1 ? log(2 * Double.pi) : -log(own) - 1
    for i in x0.indices {
      let e =
        posterior.x0 * Double(x0[i]) + xtFactor * Double(xt[i]) - toMean.scale * Double(output[i])
      let logVariance = logVariance(i)
      let precision = exp(-logVariance)
      let ratio = (own + e * e) * precision
      total += 0.5 * (constant + logVariance + ratio)
      slopes(i, -toMean.scale * e * precision, 0.5 * (1 - ratio) * ofV)
    }
    return total
  }
}

extension GaussianDiffusion {
  /// One term of the bound of a chain that visits some steps of this one, for a learned variance and
  /// a prediction of x_0, in nats: of t = 1 the decoder's, else the KL.
  ///
  /// - Parameters:
  ///   - i: The step of the chain.
  ///   - chain: The chain that is visited.
  ///   - x0: x_0, d scalars.
  ///   - predicted: x̂_0, d scalars.
  ///   - variance: The network's raw output v for the variance, d scalars.
  public func learnedTerm(
    _ i: Int, of chain: NoiseSchedule, x0: Span<Float>, predicted: [Double], variance: Span<Float>
  ) -> Double {
    precondition(
      x0.count == predicted.count && x0.count == variance.count,
      "x_0, its prediction and the variance have one size.")
    let (small, large) = chain.logVarianceEnds(i)
    func logVariance(_ k: Int) -> Double { small + (Double(variance[k]) + 1) / 2 * (large - small) }
    if i == 1, let levels {
      let decoder = DiscretizedNormal(levels: levels, standardDeviation: 1)
      return x0.indices.reduce(0) { sum, k in
        sum
          - decoder.with(standardDeviation: exp(logVariance(k) / 2)).logProbability(
            ofLevel: decoder.level(nearestTo: Double(x0[k])), mean: predicted[k])
      }
    }
    let coefficient = chain.posteriorMeanCoefficients(i).x0
    let own = chain.posteriorVariance(i)
    let constant = i == 1 ? log(2 * Double.pi) : -log(own) - 1
    return x0.indices.reduce(0) { sum, k in
      let e = coefficient * (Double(x0[k]) - predicted[k])
      return sum + 0.5 * (constant + logVariance(k) + (own + e * e) * exp(-logVariance(k)))
    }
  }
}
