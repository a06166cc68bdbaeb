// What a sampler is: a way from noise to an image that asks for x̂_0 on its way.

import Tensors

/// Turns x_T into x_0 by asking a network, again and again, what image it sees in the noise.
///
/// DDPM, DDIM, DPM-Solver and Heun's method are all functions of x̂_0(x_t, t). Whatever is done to
/// the network's idea of it, clipping for example, happens before a sampler sees it.
public protocol Sampler: Sendable {
  /// How often the network is asked for each image; nil where each image decides for itself.
  var evaluations: Int? { get }
  /// How images are made, for the files that hold them.
  var facts: [String: Fact] { get }
  /// Sentences for the user on what was chosen for them.
  var notes: [String] { get }

  /// Turns x_T into x_0 in place.
  ///
  /// - Parameters:
  ///   - x: x_T, later x_0, (n, h, w, c).
  ///   - noise: The random numbers of these images.
  ///   - pool: The memory of the calling worker.
  ///   - denoise: What the network sees in noisy images.
  /// - Throws: An error for the first image that does not arrive; the others have.
  func run(
    _ x: Tensor, _ noise: SampleNoise, _ pool: BufferPool, denoise: Denoise
  ) throws(IntegrationError)
}

extension Sampler {
  /// Nothing to say.
  public var notes: [String] { [] }
}

/// What a network sees in x_t, (n, h, w, c), where each image has a time t of its own: a step of the
/// chain that it was trained on, or a real number between two.
public typealias Denoise = (_ x: Tensor, _ t: [Double]) -> Denoised

/// What the network says of noisy images.
public struct Denoised {
  /// x̂_0, (n, h, w, c).
  public let x0: Tensor
  /// The raw output for the variance, (n, h, w, c); nil where it is not learned.
  public let variance: Tensor?

  /// The images that the network sees, and its output for the variance where there is one.
  public init(x0: Tensor, variance: Tensor? = nil) {
    self.x0 = x0
    self.variance = variance
  }
}

extension Tensor {
  /// One time for all images.
  func times(_ t: Double) -> [Double] { Array(repeating: t, count: shape.n) }
}
