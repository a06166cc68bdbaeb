// The random numbers of sampled images.

import Foundation
import Tensors

/// x_T and the noise of every step: functions of (seed, image, step) alone.
///
/// So image i is the same whatever it is drawn with, and wherever.
public struct SampleNoise: Sendable {
  private let seed: UInt64
  private let images: Range<Int>
  private let start: SampleStart

  /// The noise of some images.
  ///
  /// - Parameters:
  ///   - images: Their numbers.
  ///   - start: Where their x_T come from.
  public init(seed: UInt64, images: Range<Int>, start: SampleStart = .drawn) {
    (self.seed, self.images, self.start) = (seed, images, start)
  }

  /// Fills x_T of all the images, (n, h, w, c).
  public func fillStart(_ x: Tensor) {
    precondition(images.count == x.shape.n, "Each image needs its number.")
    for (n, image) in images.enumerated() { start.fill(x.image(n), image: image, seed: seed) }
  }

  /// Fills z of one image and one step with standard normals.
  ///
  /// - Parameters:
  ///   - n: The image's place among those of this object.
  ///   - step: Tells the draws of a sampler apart.
  public func fill(_ z: UnsafeMutableBufferPointer<Float>, image n: Int, step: Int) {
    RandomStream(seed: seed, purpose: .reverse, step: step, shard: images.lowerBound + n)
      .fillNormal(z)
  }
}

/// Where x_T of an image comes from.
public enum SampleStart: Equatable, Sendable {
  /// The seed and the image's number.
  case drawn
  /// x_T of images 0, 1, … (n, h, w, c); images beyond start at 0.
  case given([Float])
  /// Between x_T of two seeds: image i is frame i mod `frames` of the way that image i / `frames` goes
  /// from the first seed to the second.
  case between(UInt64, UInt64, frames: Int)

  /// Fills x_T of an image.
  func fill(_ x: UnsafeMutableBufferPointer<Float>, image: Int, seed: UInt64) {
    switch self {
    case .drawn:
      RandomStream(seed: seed, purpose: .start, shard: image).fillNormal(x)
    case .given(let starts):
      let scalars = image * x.count..<(image + 1) * x.count
      if scalars.upperBound <= starts.count {
        _ = x.update(from: starts[scalars])
      } else {
        x.update(repeating: 0)
      }
    case .between(let first, let second, let frames):
      let ends = [first, second].map { seed in
        var end = [Float](repeating: 0, count: x.count)
        end.withUnsafeMutableBufferPointer {
          RandomStream(seed: seed, purpose: .start, shard: image / frames).fillNormal($0)
        }
        return end
      }
      let share = frames == 1 ? 0 : Double(image % frames) / Double(frames - 1)
      for (k, value) in sphericalMean(ends[0], ends[1], share).enumerated() { x[k] = value }
    }
  }
}

/// The point between two others on the arc of a circle: with ω the angle between a and b,
/// (sin((1−s) ω) a + sin(s ω) b)/sin ω (Song, Meng, Ermon 2021, eq. 67; Shoemake 1985).
///
/// Normal vectors of many scalars have nearly the same length, which a straight line between them
/// would not keep.
package func sphericalMean(_ a: [Float], _ b: [Float], _ share: Double) -> [Float] {
  var (products, squaresA, squaresB) = (0.0, 0.0, 0.0)
  for (x, y) in zip(a, b) {
    products += Double(x) * Double(y)
    squaresA += Double(x) * Double(x)
    squaresB += Double(y) * Double(y)
  }
  let cosine = products / (squaresA * squaresB).squareRoot()
  let angle = acos(min(max(cosine, -1), 1))
  // Nearly parallel or opposite, the arc is a line or undefined.
  let weights =
    sin(angle) > 1e-6
    ? (sin((1 - share) * angle) / sin(angle), sin(share * angle) / sin(angle))
    : (1 - share, share)
  return zip(a, b).map { Float(weights.0 * Double($0) + weights.1 * Double($1)) }
}
