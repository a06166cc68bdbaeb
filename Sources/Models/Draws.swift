// The random numbers of a batch, wherever it is computed.

import Tensors

/// The random numbers of some images: functions of what they are for and of who they belong to,
/// never of the rank or the thread that asks.
public struct Draws: Sendable {
  private enum Owner: Sendable {
    /// The images of one shard at one step of training.
    case shard(Int, step: Int)
    /// Images by their numbers, outside training.
    case images(first: Int)
  }

  /// Positions from here on belong to draws outside training, which so never meet those of a shard.
  private static let outside = 1 << 23

  private let seed: UInt64
  private let owner: Owner

  /// Those of a shard.
  ///
  /// - Parameters:
  ///   - step: The number of steps done before.
  ///   - shard: The number of the shard.
  public init(seed: UInt64, step: Int, shard: Int) {
    self.seed = seed
    owner = .shard(shard, step: step)
  }

  /// Those of images that are evaluated: functions of seed and image.
  ///
  /// - Parameter first: The number of the batch's first image; the others follow.
  public init(seed: UInt64, firstImage first: Int) {
    self.seed = seed
    owner = .images(first: first)
  }

  /// The stream of one image for one purpose.
  ///
  /// - Parameters:
  ///   - n: The image's place in the batch.
  ///   - index: Tells several streams of one purpose apart, the timesteps of a bound for example; 0
  ///     to 127 in training.
  public func stream(
    _ purpose: RandomStream.Purpose, image n: Int, index: Int = 0
  ) -> RandomStream {
    switch owner {
    case .shard(let shard, let step):
      precondition(
        index == 0 ? n < Self.outside : n < 1 << 16 && index < 1 << 7,
        "A shard has fewer than 2¹⁶ images, or one stream a purpose.")
      return RandomStream(
        seed: seed, purpose: purpose, step: step, shard: shard, position: index << 16 | n)
    case .images(let first):
      return RandomStream(
        seed: seed, purpose: purpose, step: index, shard: first + n, position: Self.outside)
    }
  }
}
