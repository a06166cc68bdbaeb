// The best variance of a reverse step, from one number of the data for each t.

import Foundation

extension NoiseSchedule {
  /// The variance of x_0 given x_t, mean over scalars and data, from Γ_t = E‖ε̂(x_t, t)‖²/d:
  /// (1−ᾱ_t)/ᾱ_t · (1 − Γ_t), clipped to [0, 1] (Bao et al. 2022, theorem 1 and section 4.1).
  ///
  /// Scalars of [−1, 1] cannot vary by more than 1. A Γ_t of 1 or more comes of an error of the
  /// network or of few images, where little of the noise can be told from the image; it counts as
  /// 0.999, so that no step has the variance 0. Where ᾱ_T = 0, ε̂ says nothing, and it is 1.
  public func x0Variance(noiseNorm: Double, _ t: Int) -> Double {
    let signal = cumulativeAlpha(t)
    guard signal > 0 else { return 1 }
    let told = noiseNorm < 1 ? 1 - noiseNorm : 1e-3
    return min(noiseVariance(t) / signal * told, 1)
  }

  /// The variance σ² of the step from t to t − 1 that is best for the bound and for images:
  /// β̃_t + c² Var(x_0 | x_t), c = √ᾱ_{t−1} β_t/(1−ᾱ_t) (Bao et al. 2022, eq. 6 with λ² = β̃).
  ///
  /// It is what x_{t−1} varies by given x_t: by the posterior's variance, and by the x_0 in the
  /// posterior's mean.
  public func reverseVariance(x0Variance: Double, _ t: Int) -> Double {
    let coefficient = posteriorMeanCoefficients(t).x0
    return posteriorVariance(t) + coefficient * coefficient * x0Variance
  }
}

extension GaussianDiffusion {
  /// One image's part of Γ_t, as 1 − ‖ε − ε̂‖²/d; nothing is clipped.
  ///
  /// For the best network E⟨ε, ε̂⟩ = E‖ε̂‖², so that the expectation is E‖ε̂‖²/d. But it scatters as
  /// the error does and not as the noise: where little of the image is left, some hundred images
  /// tell 1 − Γ_t to a percent, which ‖ε̂‖² does not. For any other network it gives the variance
  /// that is best beside this network's mean (Bao et al. 2022b, "imperfect mean").
  ///
  /// - Parameters:
  ///   - t: The step of x_t, 1 … T.
  ///   - x0: x_0, d scalars.
  ///   - xt: x_t, d scalars.
  ///   - output: The network's raw output for the mean, d scalars.
  public func noiseNorm(
    t: Int, x0: Span<Float>, xt: Span<Float>, output: Span<Float>
  ) -> Double {
    checkSizes(x0, xt, output)
    let toNoise = prediction.conversion(to: .epsilon, at: t, of: schedule)
    let noise = Prediction.epsilon.definition(t, schedule)
    var squares = 0.0
    for i in xt.indices {
      let x = Double(xt[i])
      let error =
        noise.x0 * Double(x0[i]) + noise.xt * x - toNoise(Double(output[i]), xt: x)
      squares += error * error
    }
    return 1 - squares / Double(xt.count)
  }
}
