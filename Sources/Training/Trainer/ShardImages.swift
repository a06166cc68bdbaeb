// The images of a rank's shards, from the file to the network.

import Models
import Storage
import Tensors

/// Gives each worker the images of the shard that it computes, at any step.
///
/// A worker reads by itself, into the tensor that the network sees: from memory where the rank's
/// part of the dataset fits, else from the file, where workers take turns (`ImageReader`).
struct ShardImages: Sendable {
  /// The shards of the rank.
  let shards: Range<Int>
  private let orders: [ShardOrder]
  private let reader: ImageReader
  private let conditions: ImageConditions
  private let plan: TrainingPlan
  private let shape: Shape

  /// Opens the part of the dataset that a rank trains on.
  ///
  /// - Throws: `StorageError`.
  init(_ plan: TrainingPlan, rank: Int, ranks: Int) throws(StorageError) {
    shards = plan.tree.shards(ofRank: rank, ranks: ranks)
    orders = shards.map { plan.order(ofShard: $0) }
    reader = try ImageReader(
      plan.dataset, range: orders.first!.images.lowerBound..<orders.last!.images.upperBound)
    conditions = plan.conditions
    self.plan = plan
    let images = plan.dataset.shape
    shape = Shape(plan.shardBatch, images.height, images.width, images.channels)
  }

  /// The images of one shard at one step.
  ///
  /// - Parameters:
  ///   - index: The shard's number within the rank.
  ///   - step: The number of steps done before.
  func batch(
    ofShard index: Int, step: Int, _ pool: BufferPool
  ) throws(StorageError) -> Batch {
    let indices = orders[index].indices(step: step)
    let images = Tensor(shape, in: pool)
    try reader.read(indices, into: images.pointer)
    let draws = Draws(
      seed: plan.seed, step: step, shard: shards.lowerBound + index, of: plan.tree.shards)
    return Batch(
      images: images, conditions: conditions.conditions(of: indices, draws),
      numbers: Array(indices))
  }
}
