// The derivatives with respect to the raw output against central differences.

import Diffusion
import Testing

@Suite struct GradientTests {
  static let steps = 10
  let schedule = NoiseSchedule(.linear(from: 0.01, to: 0.3), steps: steps)

  @Test(arguments: Prediction.allCases, [1, 2, steps])
  func boundTerm(prediction: Prediction, t: Int) {
    for variance in ReverseVariance.fixed {
      for levels in [nil, 2, 17, 256] {
        let diffusion = GaussianDiffusion(
          schedule: schedule, prediction: prediction, variance: variance, levels: levels)
        check(diffusion, t) { x0, xt, output in
          diffusion.boundTerm(t: t, x0: x0.span, xt: xt.span, output: output.span)
        } withGradient: { x0, xt, output in
          var gradient = [Float](repeating: .nan, count: output.count)
          var span = gradient.mutableSpan
          let value = diffusion.boundTerm(
            t: t, x0: x0.span, xt: xt.span, output: output.span, gradient: &span)
          return (value, gradient)
        }
      }
    }
  }

  @Test(arguments: Prediction.allCases, [1, 2, steps])
  func simpleTerm(prediction: Prediction, t: Int) {
    let diffusion = GaussianDiffusion(schedule: schedule, prediction: prediction)
    check(diffusion, t) { x0, xt, output in
      diffusion.simpleTerm(t: t, x0: x0.span, xt: xt.span, output: output.span)
    } withGradient: { x0, xt, output in
      var gradient = [Float](repeating: .nan, count: output.count)
      var span = gradient.mutableSpan
      let value = diffusion.simpleTerm(
        t: t, x0: x0.span, xt: xt.span, output: output.span, gradient: &span)
      return (value, gradient)
    }
  }

  /// Compares both forms of a term, and its gradient with differences of its value.
  private func check(
    _ diffusion: GaussianDiffusion, _ t: Int,
    value: ([Float], [Float], [Float]) -> Double,
    withGradient: ([Float], [Float], [Float]) -> (Double, [Float])
  ) {
    let count = 12
    let levels = Float((diffusion.levels ?? 65) - 1)
    let x0 = scattered(count, seed: 8).map { (($0 + 1) / 2 * levels).rounded() / levels * 2 - 1 }
    let xt = scattered(count, seed: 9)
    var output = scattered(count, seed: 10)
    let (both, gradient) = withGradient(x0, xt, output)
    #expect(both == value(x0, xt, output))
    // A step of 2⁻¹³ is exact in Float; the decoder's σ is 0.07, so that the error of third order
    // is below 1e-6 of the derivative.
    let h: Float = 0x1p-13
    var differences: [Double] = []
    for i in output.indices {
      let centre = output[i]
      output[i] = centre + h
      let up = value(x0, xt, output)
      output[i] = centre - h
      let down = value(x0, xt, output)
      output[i] = centre
      differences.append((up - down) / Double(2 * h))
    }
    let scale = differences.reduce(0) { max($0, abs($1)) }
    for (ours, expected) in zip(gradient, differences) {
      #expect(abs(Double(ours) - expected) < 1e-5 * abs(expected) + 1e-6 * scale)
    }
  }
}
