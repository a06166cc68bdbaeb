// The simple objective: the squared error of the prediction.

extension DenoisingDiffusion.Target {
  /// The mean squared error of the prediction (Ho, Jain, Abbeel 2020, equation 14).
  public static let simple = Self("simple", terms: ["simple"]) { image, diffusion in
    let (x0, xt, output) = (image.x0.span, image.xt.span, image.output.span)
    guard var slope = image.gradient?.mutableSpan else {
      return ([diffusion.simpleTerm(t: image.t, x0: x0, xt: xt, output: output)], 1)
    }
    return (
      [diffusion.simpleTerm(t: image.t, x0: x0, xt: xt, output: output, gradient: &slope)], 1
    )
  }
}
