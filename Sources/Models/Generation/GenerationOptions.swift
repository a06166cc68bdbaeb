// What a user says of the images that they want.

import Layers
import Sampling

/// What a user says of the images that they want.
public struct GenerationOptions: Sendable {
  /// The seed of all random numbers.
  public var seed: UInt64 = 1
  /// What is to be made.
  public var task = GenerationTask.images(from: .drawn)
  /// The name of the sampler; nil: the task's default.
  public var sampler: String?
  /// What the sampler is told.
  public var samplerOptions = SamplerOptions()
  /// What keeps the predicted x_0 in the range of images, before each step; nil: the task's default.
  public var clipping: Clipping?

  /// What the images show, one after the other and again from the first; empty: nothing is said.
  public var conditions: [Condition] = []
  /// How strongly they follow it.
  public var guidance = Guidance()

  /// Images of seed 1.
  public init() {}

  /// What image `number` is to show.
  public func condition(ofImage number: Int) -> Condition {
    conditions.isEmpty ? .none : conditions[number % conditions.count]
  }
}

/// What is to be made.
public enum GenerationTask: Equatable, Sendable {
  /// Images from noise.
  case images(from: SampleStart)
  /// Given images, taken to x_T and back.
  case reconstruction
  /// Variations of given images: from x_t of such a step t.
  case variation(noiseLevel: Int)
  /// Given images, of which a part is painted anew: where `mask`, (h, w, c), is true; each part of the
  /// way is gone `repeats` times.
  case inpainting(mask: [Bool], repeats: Int)
  /// Images across two latents of a model that has some.
  case walk(LatentWalk)

  /// Whether images are given.
  public var needsImages: Bool {
    switch self {
    case .images, .walk: false
    case .reconstruction, .variation, .inpainting: true
    }
  }
}

/// What keeps a predicted x_0 in [−1, 1].
public enum Clipping: Equatable, Sendable {
  /// Nothing.
  case none
  /// Each scalar is forced into [−1, 1].
  case range
  /// Of each image, this share of all |x̂_0| is within ±s; where s > 1, scalars are forced into [−s, s] and
  /// divided by s (Saharia et al. 2022, section 2.3).
  case dynamic(share: Double)

  /// Clips the scalars of one image; a value that is not a number stays none.
  package func apply(to x0: inout MutableSpan<Float>) {
    switch self {
    case .none: break
    case .range:
      // `min` and `max` in this order pass on a value that is not a number.
      for i in x0.indices { x0[i] = min(max(x0[i], -1), 1) }
    case .dynamic(let share):
      var sizes: [Float] = []
      sizes.reserveCapacity(x0.count)
      for i in x0.indices { sizes.append(abs(x0[i])) }
      guard sizes.allSatisfy(\.isFinite) else { return }
      sizes.sort()
      // Between two sizes, linearly: the quantile of NumPy and PyTorch.
      let place = share * Double(sizes.count - 1)
      let low = Int(place)
      let (a, b) = (Double(sizes[low]), Double(sizes[min(low + 1, sizes.count - 1)]))
      let limit = Float(a + (place - Double(low)) * (b - a))
      guard limit > 1 else { return Clipping.range.apply(to: &x0) }
      for i in x0.indices { x0[i] = min(max(x0[i], -limit), limit) / limit }
    }
  }
}
