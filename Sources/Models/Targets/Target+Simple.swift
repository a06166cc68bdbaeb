// The simple objective: the squared error of the prediction.

import Diffusion

extension DenoisingDiffusion.Target {
  /// The mean squared error of the prediction (Ho, Jain, Abbeel 2020, equation 14), times the weight
  /// of t.
  public static let simple = Self(
    "simple", terms: ["simple"], takesWeighting: true, teachesVariance: false
  ) { image, diffusion in
    let (x0, xt, output) = (image.x0.span, image.xt.span, image.output.span)
    let error: Double
    if var slope = image.gradient?.mutableSpan {
      error = diffusion.simpleTerm(t: image.t, x0: x0, xt: xt, output: output, gradient: &slope)
    } else {
      error = diffusion.simpleTerm(t: image.t, x0: x0, xt: xt, output: output)
    }
    return .init(terms: [image.weight * error], factor: image.weight)
  }
}
