/// One step of the reverse process, from the network's raw output to x_{t−1}.
extension GaussianDiffusion {
  /// Writes the network's idea of x_0 into `clean`.
  ///
  /// - Parameters:
  ///   - t: The step of x_t, 1 … T.
  ///   - noisy: x_t, d scalars.
  ///   - output: The network's raw output for x_t, d scalars.
  ///   - clipping: Whether to force x_0 into [−1, 1]. A value that is not a number stays none.
  ///   - clean: The prediction of x_0, d scalars; all are written.
  public func predictedClean(
    t: Int, noisy: Span<Float>, output: Span<Float>, clipping: Bool,
    into clean: inout MutableSpan<Float>
  ) {
    precondition(
      noisy.count == output.count && noisy.count == clean.count,
      "x_t, the output and x_0 have one size.")
    let toClean = prediction.conversion(to: .clean, at: t, of: schedule)
    for i in noisy.indices {
      let value = toClean(Double(output[i]), noisy: Double(noisy[i]))
      clean[i] = Float(clipping ? clipped(value) : value)
    }
  }

  /// Writes the mean μ_θ(x_t, t) of the reverse step into `mean`.
  ///
  /// With clipping, μ = μ̃_t(x_t, x_0) for the predicted x_0 forced into [−1, 1]; without, μ is the
  /// same affine function of output and x_t that the bound is stated for (Ho et al. 2020, eq. 11).
  ///
  /// - Parameters: As of `predictedClean`; `mean` has d scalars and all are written.
  public func reverseMean(
    t: Int, noisy: Span<Float>, output: Span<Float>, clipping: Bool,
    into mean: inout MutableSpan<Float>
  ) {
    precondition(
      noisy.count == output.count && noisy.count == mean.count,
      "x_t, the output and the mean have one size.")
    if clipping {
      let toClean = prediction.conversion(to: .clean, at: t, of: schedule)
      let toMean = Prediction.clean.conversion(to: .mean, at: t, of: schedule)
      for i in noisy.indices {
        let x = Double(noisy[i])
        mean[i] = Float(toMean(clipped(toClean(Double(output[i]), noisy: x)), noisy: x))
      }
    } else {
      let toMean = prediction.conversion(to: .mean, at: t, of: schedule)
      for i in noisy.indices {
        mean[i] = Float(toMean(Double(output[i]), noisy: Double(noisy[i])))
      }
    }
  }

  /// Writes x_{t−1} = μ_θ(x_t, t) + σ_t z into `previous`; at t = 1 it is the mean alone.
  ///
  /// - Parameters:
  ///   - t: The step of x_t, 1 … T.
  ///   - noisy: x_t, d scalars.
  ///   - output: The network's raw output for x_t, d scalars.
  ///   - noise: z ~ N(0, I), d scalars; not read at t = 1, where it may be empty.
  ///   - clipping: Whether the predicted x_0 is forced into [−1, 1] first.
  ///   - previous: x_{t−1}, d scalars; all are written.
  ///
  /// Source: Ho et al. 2020, algorithm 2.
  public func reverseStep(
    t: Int, noisy: Span<Float>, output: Span<Float>, noise: Span<Float>, clipping: Bool,
    into previous: inout MutableSpan<Float>
  ) {
    reverseMean(t: t, noisy: noisy, output: output, clipping: clipping, into: &previous)
    if t == 1 { return }
    precondition(noise.count == previous.count, "x_{t−1} and its noise have one size.")
    let deviation = reverseVariance(t).squareRoot()
    for i in noise.indices {
      previous[i] = Float(Double(previous[i]) + deviation * Double(noise[i]))
    }
  }
}

/// x forced into [−1, 1]; `min` and `max` in this order hand on a value that is not a number.
@inline(__always)
private func clipped(_ x: Double) -> Double {
  min(max(x, -1), 1)
}
