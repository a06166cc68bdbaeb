// The random numbers of sampled images.

import Tensors

/// x_T and the noise of every step: functions of (seed, image, step) alone.
///
/// So image i is the same whatever it is drawn with, and wherever.
public struct SampleNoise: Sendable {
  private let seed: UInt64
  private let images: Range<Int>
  /// x_T of images 0, 1, …; nil: drawn from the seed.
  private let starts: [Float]?

  /// The noise of some images.
  ///
  /// - Parameters:
  ///   - images: Their numbers.
  ///   - starts: x_T of images 0, 1, … (n, h, w, c), in the place of drawn ones; images beyond
  ///     start at 0.
  public init(seed: UInt64, images: Range<Int>, starts: [Float]? = nil) {
    self.seed = seed
    self.images = images
    self.starts = starts
  }

  /// Fills x_T of all the images, (n, h, w, c).
  public func fillStart(_ x: Tensor) {
    precondition(images.count == x.shape.n, "Each image needs its number.")
    for (n, image) in images.enumerated() {
      guard let starts else {
        RandomStream(seed: seed, purpose: .start, shard: image).fillNormal(x.image(n))
        continue
      }
      let scalars = image * x.shape.imageCount..<(image + 1) * x.shape.imageCount
      if scalars.upperBound <= starts.count {
        _ = x.image(n).update(from: starts[scalars])
      } else {
        x.image(n).update(repeating: 0)
      }
    }
  }

  /// Fills z of one image and one step with standard normals.
  ///
  /// - Parameters:
  ///   - n: The image's place among those of this object.
  ///   - step: Tells the steps of a sampler apart.
  public func fill(_ z: UnsafeMutableBufferPointer<Float>, image n: Int, step: Int) {
    RandomStream(seed: seed, purpose: .reverse, step: step, shard: images.lowerBound + n)
      .fillNormal(z)
  }
}
