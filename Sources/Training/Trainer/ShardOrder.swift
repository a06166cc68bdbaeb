// Which images are drawn when.

import Synchronization
import Tensors

/// Which images a shard draws at which step: without replacement, epoch after epoch.
///
/// Shard v of V owns the v-th contiguous V-th of the dataset; sizes differ by one image at most.
/// The permutation of an epoch is a function of (seed, shard, epoch) alone.
public final class ShardOrder: Sendable {
  /// The images of the dataset that the shard owns.
  public let images: Range<Int>
  private let seed: UInt64
  private let shard: Int
  private let batch: Int
  private let cached = Mutex<(epoch: Int, order: [Int])>((-1, []))

  /// The order of one shard.
  ///
  /// - Parameters:
  ///   - count: The images of the dataset, at least `batch` for each shard.
  ///   - shard: 0 ..< shards.
  ///   - batch: The images that the shard draws at each step.
  public init(count: Int, shard: Int, shards: Int, batch: Int, seed: UInt64) {
    images = Self.images(count: count, shard: shard, shards: shards)
    precondition(images.count >= batch, "A shard owns at least the images of one step.")
    self.seed = seed
    self.shard = shard
    self.batch = batch
  }

  /// The images that a shard owns.
  public static func images(count: Int, shard: Int, shards: Int) -> Range<Int> {
    count * shard / shards..<count * (shard + 1) / shards
  }

  /// The number of times that the shard has gone through its images after `step` steps.
  public func epochs(afterSteps step: Int) -> Int { step * batch / images.count }

  /// The images of one step, as indices of the dataset.
  ///
  /// - Parameter step: The number of steps done before, 0, 1, ….
  public func indices(step: Int) -> [Int] {
    cached.withLock { cached in
      (step * batch..<(step + 1) * batch).map { draw in
        let (epoch, place) = draw.quotientAndRemainder(dividingBy: images.count)
        if cached.epoch != epoch {
          let stream = RandomStream(seed: seed, purpose: .order, step: epoch, shard: shard)
          cached = (epoch, stream.permutation(count: images.count))
        }
        return images.lowerBound + cached.order[place]
      }
    }
  }
}
