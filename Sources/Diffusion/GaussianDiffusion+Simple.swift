/// The simple objective: the squared error of the raw output (Ho et al. 2020, eq. 14).
extension GaussianDiffusion {
  /// What the raw output is trained towards: `clean` x_0 + `noisy` x_t, for each scalar.
  ///
  /// | prediction | target |
  /// | --- | --- |
  /// | `epsilon` | ε = (x_t − √ᾱ_t x_0)/√(1−ᾱ_t) |
  /// | `clean` | x_0 |
  /// | `mean` | μ̃_t(x_t, x_0) |
  public func targetCoefficients(_ t: Int) -> (clean: Double, noisy: Double) {
    let target = Prediction.clean.conversion(to: prediction, at: t, of: schedule)
    return (target.scale, target.noisy)
  }

  /// The squared error between the raw output and its target, mean over the d scalars.
  ///
  /// ε is taken from x_0 and x_t, so that it is the noise in the x_t that the network saw: the
  /// rounding of x_t to Float moves it by at most 6e-8 |x_t|/√(1−ᾱ_t).
  ///
  /// - Parameters:
  ///   - t: The step, 1 … T.
  ///   - clean: x_0, d ≥ 1 scalars.
  ///   - noisy: x_t, d scalars.
  ///   - output: The network's raw output for x_t, d scalars.
  public func simpleTerm(
    t: Int, clean: Span<Float>, noisy: Span<Float>, output: Span<Float>
  ) -> Double {
    checkSizes(clean, noisy, output)
    let target = targetCoefficients(t)
    var squares = 0.0
    for i in clean.indices {
      let e =
        Double(output[i]) - target.clean * Double(clean[i]) - target.noisy * Double(noisy[i])
      squares += e * e
    }
    return squares / Double(clean.count)
  }

  /// The squared error as above, and its derivative with respect to the raw output.
  ///
  /// - Parameter gradient: The derivative, d scalars; all are written.
  public func simpleTerm(
    t: Int, clean: Span<Float>, noisy: Span<Float>, output: Span<Float>,
    gradient: inout MutableSpan<Float>
  ) -> Double {
    checkSizes(clean, noisy, output)
    precondition(gradient.count == output.count, "The gradient has the size of the output.")
    let target = targetCoefficients(t)
    let factor = 2 / Double(clean.count)
    var squares = 0.0
    for i in clean.indices {
      let e =
        Double(output[i]) - target.clean * Double(clean[i]) - target.noisy * Double(noisy[i])
      squares += e * e
      gradient[i] = Float(factor * e)
    }
    return squares / Double(clean.count)
  }

  /// The factor w_t for which the bound's term is w_t × `simpleTerm` + a constant, for t ≥ 2.
  ///
  /// w_t = d a²/(2σ_t²) with a = ∂μ_θ/∂output; for ε-prediction that is
  /// d β_t²/(2 σ_t² α_t (1−ᾱ_t)) (Ho et al. 2020, eq. 12). The simple objective sets it to 1.
  ///
  /// - Parameters:
  ///   - t: The step, 2 … T; also 1 for continuous images.
  ///   - dimensions: d.
  public func boundWeight(_ t: Int, dimensions: Int) -> Double {
    precondition(t > 1 || levels == nil, "The decoder of grey levels is not a squared error.")
    let slope = prediction.conversion(to: .mean, at: t, of: schedule).scale
    return Double(dimensions) * slope * slope / (2 * reverseVariance(t))
  }
}
