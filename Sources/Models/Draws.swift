// The random numbers of a batch, wherever it is computed.

import Tensors

/// The random numbers of some images: functions of what they are for and of who they belong to,
/// never of the rank or the thread that asks.
public struct Draws: Sendable {
  private enum Owner: Sendable {
    /// The images of one shard of `shards` at one step of training.
    case shard(Int, of: Int, step: Int)
    /// Images by their numbers, outside training.
    case images(first: Int)
  }

  /// Positions from here on belong to draws outside training, which so never meet those of a shard.
  private static let outside = 1 << 23
  /// The position of what all images of a batch share.
  private static let shared = outside + 1
  /// The position of what belongs to an image for good.
  private static let fixed = outside + 2

  private let seed: UInt64
  private let owner: Owner

  /// Those of a shard.
  ///
  /// - Parameters:
  ///   - step: The number of steps done before.
  ///   - shard: The number of the shard.
  ///   - shards: The number of shards of the batch.
  public init(seed: UInt64, step: Int, shard: Int, of shards: Int) {
    precondition(0..<shards ~= shard, "Shard \(shard) of \(shards) does not exist.")
    self.seed = seed
    owner = .shard(shard, of: shards, step: step)
  }

  /// Those of images that are evaluated: functions of seed and image.
  ///
  /// - Parameter first: The number of the batch's first image; the others follow.
  public init(seed: UInt64, firstImage first: Int) {
    self.seed = seed
    owner = .images(first: first)
  }

  /// Whether they are those of a step of training.
  public var isTraining: Bool { step != nil }

  /// The number of steps of training that were done before; nil outside training.
  public var step: Int? {
    if case .shard(_, _, let step) = owner { step } else { nil }
  }

  /// The stream of an image of a dataset for one purpose, the same at every visit.
  ///
  /// - Parameter number: The image's number in its dataset.
  public func fixedStream(_ purpose: RandomStream.Purpose, number: Int) -> RandomStream {
    RandomStream(seed: seed, purpose: purpose, shard: number, position: Self.fixed)
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
    case .shard(let shard, _, let step):
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

  /// A number of [0, 1) for each image of the whole batch, spread so evenly that any part of [0, 1)
  /// gets its share of them, and each by itself uniform (Kingma et al. 2021, appendix I.1).
  ///
  /// In training it is frac(u + i/B) for image i of the B of the whole batch, on whichever rank it
  /// is, with one random u a step. Outside training the batch has no end, and it is frac(u + i φ)
  /// with the golden ratio φ, which spreads every run of neighbouring images.
  ///
  /// - Parameters:
  ///   - n: The image's place in its shard.
  ///   - count: The number of images of the shard.
  public func spread(_ purpose: RandomStream.Purpose, image n: Int, of count: Int) -> Double {
    func start(step: Int) -> Double {
      RandomStream(seed: seed, purpose: purpose, step: step, position: Self.shared).uniform()
    }
    let place =
      switch owner {
      case .shard(let shard, let shards, let step):
        start(step: step) + Double(shard * count + n) / Double(shards * count)
      case .images(let first):
        start(step: 0) + Double(first + n) * 0.618_033_988_749_894_8
      }
    return place - place.rounded(.down)
  }
}
