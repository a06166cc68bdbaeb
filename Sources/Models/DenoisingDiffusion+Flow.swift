// The likelihood of images by the probability flow of a denoising diffusion model.

import Diffusion
import Layers
import Sampling
import Tensors

extension DenoisingDiffusion {
  /// The probability flow of this model.
  ///
  /// - Throws: `EvaluationError.flowBetweenSteps` for a network that predicts the mean.
  public func probabilityFlow() throws(EvaluationError) -> ProbabilityFlow {
    if diffusion.prediction == .mean { throw .flowBetweenSteps }
    return ProbabilityFlow(ContinuousTime(diffusion.schedule))
  }

  /// log p of each image by the probability flow; see `ProbabilityFlow.logDensity` for what p is.
  ///
  /// Grey levels are spread over their bins: noise, uniform on ±1/(K−1), is added to each scalar.
  /// Continuous images are taken as they are.
  ///
  /// - Parameters:
  ///   - batch: A whole group of images.
  ///   - draws: Their random numbers: the noise, and the directions of the trace.
  ///   - makePass: Makes a pass over the weights for one evaluation of a network.
  /// - Throws: `EvaluationError` for options that cannot be followed, `IntegrationError` for the
  ///   first image that does not arrive.
  public func flowLikelihood(
    _ batch: Batch, _ options: FlowOptions, _ draws: Draws, _ makePass: () -> Pass
  ) throws -> [FlowLikelihood] {
    try options.check()
    let flow = try probabilityFlow()
    let (shape, images) = (batch.images.shape, 0..<batch.count)
    let d = shape.imageCount
    let spread = images.map { n in
      let image = batch.images.image(n).map(Double.init)
      guard let levels = diffusion.levels else { return image }
      var noise = [Float](repeating: 0, count: d)
      noise.withUnsafeMutableBufferPointer {
        draws.stream(.dequantization, image: n).fillUniform($0, limit: 1 / Double(levels - 1))
      }
      return zip(image, noise).map { $0 + Double($1) }
    }
    let probes: ProbabilityFlow.Probes =
      switch options.trace {
      case .exact: .exact(images: batch.count, dimensions: d)
      case .hutchinson(let count):
        .hutchinson(
          (0..<count).map { probe in
            images.map { draws.stream(.probe, image: $0, index: probe).signs(count: d) }
          })
      }
    return try flow.logDensity(of: spread, probes: probes, options.integrator) {
      estimates($0, $1, $2, shape, flow.times, conditions: batch.conditions, makePass())
    }.map { FlowLikelihood(nats: $0.nats, evaluations: $0.evaluations) }
  }

  /// ε̂ of noisy images and, from the tape, the quadratic forms of its Jacobian.
  ///
  /// - Parameters:
  ///   - x: x_t of each image.
  ///   - t: The time of each.
  ///   - directions: v of each; nil: no form is wanted, and nothing is recorded.
  ///   - shape: (n, h, w, c) of the images.
  ///   - times: Those of the schedule.
  ///   - conditions: What each image is said to show; empty: nothing.
  ///   - pass: A pass for one evaluation.
  package func estimates(
    _ x: [[Double]], _ t: [Double], _ directions: [[Double]]?, _ shape: Shape,
    _ times: ContinuousTime, conditions: [Condition] = [], _ pass: Pass
  ) -> ProbabilityFlow.Estimates {
    let xt = Tensor(shape, x.joined().map(Float.init), in: pass.pool)
    let input = directions == nil ? Variable(xt) : .input(xt)
    let conditioning = Conditioning(times: t.map(times.timestep), conditions: conditions)
    let output = split(network(input, conditioning, pass), pass).mean
    let toEpsilon = t.map { t in
      guard
        let conversion = diffusion.prediction.conversion(
          to: .epsilon, for: times.forwardCoefficients(t))
      else { preconditionFailure("A network that predicts the mean knows whole steps only.") }
      return conversion
    }
    let epsilon = x.indices.map { n in
      zip(output.value.image(n), x[n]).map { toEpsilon[n](Double($0), xt: $1) }
    }
    guard let directions else { return ProbabilityFlow.Estimates(epsilon: epsilon) }
    pass.loss(of: output) { gradients in
      for (n, direction) in directions.enumerated() {
        _ = gradients[0].image(n).update(from: direction.map(Float.init))
      }
    }
    pass.backward()
    guard let products = input.gradient else {
      preconditionFailure("A network's output depends on its input.")
    }
    let forms = directions.enumerated().map { n, direction in
      let (scale, xt) = (toEpsilon[n].scale, toEpsilon[n].xt)
      return zip(products.image(n), direction).reduce(0.0) { sum, pair in
        sum + (scale * Double(pair.0) + xt * pair.1) * pair.1
      }
    }
    return ProbabilityFlow.Estimates(epsilon: epsilon, forms: forms)
  }
}
