// The list of what a denoising network can be trained towards.

import Diffusion

extension DenoisingDiffusion {
  /// What the network's output is trained towards: a loss of one image, in named terms.
  ///
  /// A new one is a file with its `Target`, and a word in `allCases`.
  public struct Target: RawRepresentable, CaseIterable, Equatable, Sendable {
    /// Every target.
    public static let allCases: [Target] = [.simple, .bound]

    /// The name, a value of the key `objective`.
    public let rawValue: String
    /// The names of the terms.
    let terms: [String]
    /// The unit of the terms; nil where they have none.
    let unit: String?
    /// The terms of one image.
    ///
    /// Where `image` wants a gradient, it is that of the sum of the terms with respect to the
    /// network's output, still without `factor`.
    let loss:
      @Sendable (_ image: NoisedImage, GaussianDiffusion) -> (terms: [Double], factor: Double)

    init(
      _ name: String, terms: [String], unit: String? = nil,
      loss:
        @escaping @Sendable (NoisedImage, GaussianDiffusion) -> (
          terms: [Double], factor: Double
        )
    ) {
      (rawValue, self.terms, self.unit, self.loss) = (name, terms, unit, loss)
    }

    /// The target of a name; nil where there is none.
    public init?(rawValue: String) {
      guard let target = Self.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
      self = target
    }

    /// Whether both have one name.
    public static func == (a: Target, b: Target) -> Bool { a.rawValue == b.rawValue }
  }

  /// One image of a batch: what is known of it, what the network says, and where the gradient goes.
  struct NoisedImage {
    /// The step of the noise, 1 … T.
    let t: Int
    let x0: UnsafeMutableBufferPointer<Float>
    let xt: UnsafeMutableBufferPointer<Float>
    /// The network's raw output.
    let output: UnsafeMutableBufferPointer<Float>
    /// All scalars are written; nil where no gradient is wanted.
    let gradient: UnsafeMutableBufferPointer<Float>?
  }
}
