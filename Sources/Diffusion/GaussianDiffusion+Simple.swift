// The simple objective: the squared error of the raw output (Ho et al. 2020, eq. 14).

extension GaussianDiffusion {
  /// The squared error between the raw output and its target, mean over the d scalars.
  ///
  /// The target is `Prediction.definition`. ε and v are taken from x_0 and x_t, so that ε is the
  /// noise in the x_t that the network saw: the rounding of x_t to Float moves it by at most
  /// 6e-8 |x_t|/√(1−ᾱ_t).
  ///
  /// - Parameters:
  ///   - t: The step, 1 … T.
  ///   - x0: x_0, d ≥ 1 scalars.
  ///   - xt: x_t, d scalars.
  ///   - output: The network's raw output for x_t, d scalars.
  public func simpleTerm(
    t: Int, x0: Span<Float>, xt: Span<Float>, output: Span<Float>
  ) -> Double {
    simpleTerm(t, x0, xt, output) { _, _ in }
  }

  /// The squared error as above, and its derivative with respect to the raw output.
  ///
  /// - Parameter gradient: The derivative, d scalars; all are written.
  public func simpleTerm(
    t: Int, x0: Span<Float>, xt: Span<Float>, output: Span<Float>,
    gradient: inout MutableSpan<Float>
  ) -> Double {
    precondition(gradient.count == output.count, "The gradient has the size of the output.")
    return simpleTerm(t, x0, xt, output) { i, slope in gradient[i] = Float(slope) }
  }

  @inline(__always)
  private func simpleTerm(
    _ t: Int, _ x0: Span<Float>, _ xt: Span<Float>, _ output: Span<Float>,
    slope: (Int, Double) -> Void
  ) -> Double {
    checkSizes(x0, xt, output)
    let target = prediction.definition(t, schedule)
    let factor = 2 / Double(x0.count)
    let squares = sum(x0.count) { i in
      let e = Double(output[i]) - target.x0 * Double(x0[i]) - target.xt * Double(xt[i])
      return (e * e, factor * e)
    } slope: {
      slope($0, $1)
    }
    return squares / Double(x0.count)
  }
}
