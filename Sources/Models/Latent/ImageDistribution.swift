// What a decoder's output says of an image: p(x | z).

import Diffusion
import Foundation
import Layers
import Tensors

/// A distribution of images, independent for each scalar, whose parameters a decoder emits.
public struct ImageDistribution: Equatable, Sendable {
  /// The distribution of one scalar.
  public enum Kind: String, CaseIterable, Sendable {
    /// Black or white; the decoder emits the logit of white.
    case bernoulli
    /// A normal density.
    case normal
    /// A normal cut into the bins of grey levels.
    case discretizedNormal = "discretized_normal"
    /// A logistic distribution cut into the bins of grey levels.
    case discretizedLogistic = "discretized_logistic"
  }

  /// Where the deviation comes from: σ of a normal, the scale s of a logistic.
  public enum Deviation: String, CaseIterable, Sendable {
    /// It is a setting.
    case fixed
    /// One number for all images, learned.
    case shared
    /// The decoder emits one for each image.
    case image
  }

  /// The distribution of one scalar.
  public let kind: Kind
  /// Where the deviation comes from.
  public let deviation: Deviation
  /// The deviation, or that before training.
  public let sigma: Double
  /// The grey levels of an image; nil where it is continuous.
  public let levels: Int?

  /// A distribution; the discretised ones need levels.
  public init(_ kind: Kind, deviation: Deviation, sigma: Double, levels: Int?) {
    precondition(sigma > 0, "A deviation is positive.")
    precondition(
      levels != nil || [.bernoulli, .normal].contains(kind), "Bins are those of grey levels.")
    (self.kind, self.deviation, self.sigma, self.levels) = (kind, deviation, sigma, levels)
  }

  /// Whether there is a deviation at all.
  var hasDeviation: Bool { kind != .bernoulli }

  /// −log p of each image in nats, on the tape.
  ///
  /// - Parameters:
  ///   - x: (n, h, w, c): 0 and 1 for `bernoulli`, else in [−1, 1].
  ///   - mean: The means, or logits, (n, h, w, c).
  ///   - logDeviation: log σ of each image, (n, 1, 1, 1); nil: it is fixed.
  ///   - weight: The factor of each image's cost in what training descends along.
  package func cost(
    of x: Tensor, mean: Variable, logDeviation: Variable?, weight: Double, _ pass: Pass
  ) -> [Double] {
    pass.loss(of: [mean] + [logDeviation].compactMap(\.self)) { gradients in
      (0..<x.shape.n).map { n in
        let logSigma = logDeviation.map { Double($0.value.pointer[n]) } ?? log(sigma)
        let (nats, slope) = cost(
          x.image(n), mean.value.image(n), logSigma, slopes: gradients.first?.image(n),
          factor: weight)
        if gradients.count > 1 { gradients[1].pointer[n] = Float(weight * slope) }
        return nats
      }
    }
  }

  /// −log p of one image, and its derivative with respect to log σ.
  private func cost(
    _ x: UnsafeMutableBufferPointer<Float>, _ mean: UnsafeMutableBufferPointer<Float>,
    _ logSigma: Double, slopes: UnsafeMutableBufferPointer<Float>?, factor: Double
  ) -> (nats: Double, slope: Double) {
    let sigma = exp(logSigma)
    var (nats, logSigmaSlope) = (0.0, 0.0)
    switch kind {
    case .bernoulli:
      nats = BernoulliCost.sum(
        of: x.baseAddress!, logits: mean.baseAddress!, slope: slopes?.baseAddress,
        factor: Float(factor), count: x.count)
    case .normal:
      let precision = 1 / (sigma * sigma)
      var squares = 0.0
      for i in x.indices {
        let error = Double(mean[i]) - Double(x[i])
        squares += error * error
        slopes?[i] = Float(factor * error * precision)
      }
      nats = negativeLogNormal(
        squaredDistance: squares, variance: sigma * sigma, dimensions: x.count)
      logSigmaSlope = Double(x.count) - squares * precision
    case .discretizedNormal, .discretizedLogistic:
      let levels = levels!
      let normal = DiscretizedNormal(levels: levels, standardDeviation: 1)
        .with(standardDeviation: sigma)
      let logistic = DiscretizedLogistic(levels: levels, scale: sigma)
      for i in x.indices {
        let level = normal.level(nearestTo: Double(x[i]))
        let (logProbability, meanSlope, deviationSlope) =
          kind == .discretizedNormal
          ? normal.logProbabilityAndDerivatives(ofLevel: level, mean: Double(mean[i]))
          : logistic.logProbabilityAndDerivatives(ofLevel: level, mean: Double(mean[i]))
        nats -= logProbability
        logSigmaSlope -= deviationSlope
        slopes?[i] = Float(-factor * meanSlope)
      }
    }
    return (nats, logSigmaSlope)
  }

  /// The mean of an image in [−1, 1], in place of what the decoder emits.
  func showMean(_ image: UnsafeMutableBufferPointer<Float>) {
    for i in image.indices {
      image[i] =
        kind == .bernoulli
        ? Float(2 / (1 + exp(-Double(image[i]))) - 1) : min(max(image[i], -1), 1)
    }
  }

  /// A draw of an image in [−1, 1], in place of what the decoder emits.
  func show(
    _ image: UnsafeMutableBufferPointer<Float>, logDeviation: Double?, _ stream: RandomStream
  ) {
    let sigma = exp(logDeviation ?? log(sigma))
    switch kind {
    case .bernoulli:
      for (i, u) in stream.uniforms(count: image.count).enumerated() {
        image[i] = u < 1 / (1 + exp(-Double(image[i]))) ? 1 : -1
      }
    case .normal, .discretizedNormal:
      var noise = [Float](repeating: 0, count: image.count)
      noise.withUnsafeMutableBufferPointer { stream.fillNormal($0) }
      for i in image.indices { image[i] = Float(Double(image[i]) + sigma * Double(noise[i])) }
      round(image)
    case .discretizedLogistic:
      for (i, u) in stream.uniforms(count: image.count).enumerated() {
        image[i] = Float(Double(image[i]) + sigma * log(u / (1 - u)))
      }
      round(image)
    }
  }

  /// Brings draws to the levels, or into the range.
  private func round(_ image: UnsafeMutableBufferPointer<Float>) {
    for i in image.indices {
      // `min` and `max` in this order pass on a value that is not a number.
      let value = min(max(image[i], -1), 1)
      guard kind != .normal, let levels, value.isFinite else {
        image[i] = value
        continue
      }
      let steps = Float(levels - 1)
      image[i] = ((value + 1) / 2 * steps).rounded() / steps * 2 - 1
    }
  }
}
