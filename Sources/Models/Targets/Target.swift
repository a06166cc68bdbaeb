// The list of what a denoising network can be trained towards.

import Diffusion

extension DenoisingDiffusion {
  /// What the network's output is trained towards: a loss of one image, in named terms.
  ///
  /// A new one is a file with its `Target`, and a word in `allCases`.
  public struct Target: RawRepresentable, CaseIterable, Equatable, Sendable {
    /// Every target.
    public static let allCases: [Target] = [.simple, .bound, .hybrid]

    /// The name, a value of the key `objective`.
    public let rawValue: String
    /// The names of the terms.
    let terms: [String]
    /// The unit of the terms; nil where they have none.
    let unit: String?
    /// Whether the squared error has a weight that may be chosen.
    let takesWeighting: Bool
    /// Whether a learned variance learns from it; nil: there must be one.
    let teachesVariance: Bool?
    /// The terms of one image.
    let loss: @Sendable (_ image: NoisedImage, GaussianDiffusion) -> TargetLoss

    init(
      _ name: String, terms: [String], unit: String? = nil, takesWeighting: Bool = false,
      teachesVariance: Bool?,
      loss: @escaping @Sendable (NoisedImage, GaussianDiffusion) -> TargetLoss
    ) {
      (rawValue, self.terms, self.unit, self.loss) = (name, terms, unit, loss)
      (self.takesWeighting, self.teachesVariance) = (takesWeighting, teachesVariance)
    }

    /// The target of a name; nil where there is none.
    public init?(rawValue: String) {
      guard let target = Self.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
      self = target
    }

    /// Whether both have one name.
    public static func == (a: Target, b: Target) -> Bool { a.rawValue == b.rawValue }

    /// Why a model cannot be trained towards this, as a sentence; nil where it can.
    public func defect(variance: ReverseVariance, weighting: LossWeighting) -> String? {
      func names(_ isFit: (Target) -> Bool) -> String {
        Self.allCases.filter(isFit).map(\.rawValue).joined(separator: " or ")
      }
      if weighting != .none, !takesWeighting {
        return "\(rawValue) has weights of its own; leave weighting at none, or choose the "
          + "objective \(names(\.takesWeighting))."
      }
      switch (variance == .learned, teachesVariance) {
      case (true, false?):
        return "\(rawValue) says nothing of the variance; with variance learned, choose the "
          + "objective \(names { $0.teachesVariance != false })."
      case (false, nil):
        return "\(rawValue) is made for a learned variance; set variance=learned, or choose the "
          + "objective \(names { $0.teachesVariance != nil })."
      default: return nil
      }
    }
  }

  /// The loss of one image, and what its gradients still lack.
  struct TargetLoss {
    /// Each of the target's terms.
    var terms: [Double]
    /// The factor by which the gradient with respect to the output for the mean is too small.
    var factor: Double
    /// The same for the output for the variance.
    var varianceFactor = 0.0
  }

  /// One image of a batch: what is known of it, what the network says, and where the gradients go.
  struct NoisedImage {
    /// The step of the noise, 1 … T.
    let t: Int
    /// The weight of the squared error.
    let weight: Double
    let x0: UnsafeMutableBufferPointer<Float>
    let xt: UnsafeMutableBufferPointer<Float>
    /// The network's raw output for the mean.
    let output: UnsafeMutableBufferPointer<Float>
    /// That for the variance; nil where it is fixed.
    let variance: UnsafeMutableBufferPointer<Float>?
    /// All scalars are written; nil where no gradient is wanted.
    let gradient: UnsafeMutableBufferPointer<Float>?
    /// The same for the variance; nil where it is fixed, too.
    let varianceGradient: UnsafeMutableBufferPointer<Float>?

    /// The term of the bound at t in nats; writes the gradients that are wanted.
    func boundTerm(_ diffusion: GaussianDiffusion) -> Double {
      let (x0, xt, output) = (x0.span, xt.span, output.span)
      guard let variance = variance?.span else {
        guard var slope = gradient?.mutableSpan else {
          return diffusion.boundTerm(t: t, x0: x0, xt: xt, output: output)
        }
        return diffusion.boundTerm(t: t, x0: x0, xt: xt, output: output, gradient: &slope)
      }
      guard var slope = gradient?.mutableSpan, var varianceSlope = varianceGradient?.mutableSpan
      else {
        return diffusion.boundTerm(t: t, x0: x0, xt: xt, output: output, variance: variance)
      }
      return diffusion.boundTerm(
        t: t, x0: x0, xt: xt, output: output, variance: variance, gradient: &slope,
        varianceGradient: &varianceSlope)
    }
  }
}
