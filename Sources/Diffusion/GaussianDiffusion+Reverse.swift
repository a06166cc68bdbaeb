// From the network's raw output to x̂_0, and from x̂_0 to x_{t−1}.

extension GaussianDiffusion {
  /// Writes the network's idea of x_0.
  ///
  /// - Parameters:
  ///   - t: The step of x_t, 1 … T.
  ///   - xt: x_t, d scalars.
  ///   - output: The network's raw output for x_t, d scalars.
  ///   - clipping: Whether to force x_0 into [−1, 1]. A value that is not a number stays none.
  ///   - x0: The prediction of x_0, d scalars; all are written.
  public func predictedX0(
    t: Int, xt: Span<Float>, output: Span<Float>, clipping: Bool,
    into x0: inout MutableSpan<Float>
  ) {
    precondition(
      xt.count == output.count && xt.count == x0.count, "x_t, the output and x_0 have one size.")
    let toX0 = prediction.conversion(to: .x0, at: t, of: schedule)
    for i in xt.indices {
      let value = toX0(Double(output[i]), xt: Double(xt[i]))
      // `min` and `max` in this order pass on a value that is not a number.
      x0[i] = Float(clipping ? min(max(value, -1), 1) : value)
    }
  }
}

extension NoiseSchedule {
  /// Writes x_{t−1} = μ̃_t(x_t, x̂_0) + σ z in the place of x_t; at t = 1 it is x̂_0 itself.
  ///
  /// For an x̂_0 that was not clipped the mean is the μ_θ of the bound (Ho et al. 2020, eq. 11).
  ///
  /// - Parameters:
  ///   - t: The step of x_t, 1 … T.
  ///   - x0: x̂_0, d scalars.
  ///   - variance: σ² ≥ 0.
  ///   - noise: z ~ N(0, I), d scalars; not read at t = 1, where it may be empty.
  ///   - x: x_t, and then x_{t−1}; d scalars.
  ///
  /// Source: Ho et al. 2020, algorithm 2.
  public func reverseStep(
    t: Int, x0: Span<Float>, variance: Double, noise: Span<Float>, x: inout MutableSpan<Float>
  ) {
    precondition(x.count == x0.count, "x_t and x̂_0 have one size.")
    precondition(t == 1 || noise.count == x.count, "x_{t−1} and its noise have one size.")
    let mean = posteriorMeanCoefficients(t)
    let deviation = variance.squareRoot()
    for i in x0.indices {
      let value = mean.x0 * Double(x0[i]) + mean.xt * Double(x[i])
      x[i] = Float(t == 1 ? value : value + deviation * Double(noise[i]))
    }
  }
}
