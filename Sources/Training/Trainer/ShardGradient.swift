// The work of one worker: the losses of one shard of one step, and their gradient.

import Layers
import Models
import Tensors

/// Computes a shard's losses and gradient, whatever the model.
///
/// It runs on one thread, whose loops others may help with, and draws its random numbers from
/// (seed, step, shard, image), so that it has the same bits on whichever worker of whichever rank.
package struct ShardGradient: Sendable {
  private let objective: any Objective
  private let augmentation: Augmentation
  private let seed: UInt64
  private let shards: Int
  private let memory: MemoryUse
  private let precision: Precision
  private let profile: OperationProfile?
  private let preparedKernels: PreparedKernels?

  /// The work on one model's shards.
  ///
  /// - Parameters:
  ///   - shards: The number of shards of a batch.
  ///   - memory: What is kept of the forward pass.
  ///   - precision: The format of the operands of products.
  ///   - preparedKernels: Where shards find the transformed kernels of these weights; nil: nowhere.
  package init(
    _ objective: any Objective, flips: Bool, seed: UInt64, shards: Int,
    memory: MemoryUse = .normal, precision: Precision = .float32,
    profile: OperationProfile? = nil, preparedKernels: PreparedKernels? = nil
  ) {
    self.objective = objective
    augmentation = Augmentation(flips: flips)
    self.seed = seed
    self.shards = shards
    self.memory = memory
    self.precision = precision
    self.profile = profile
    self.preparedKernels = preparedKernels
  }

  /// Computes the gradient of the shard's loss into `gradient`, whatever that holds.
  ///
  /// - Parameters:
  ///   - batch: The shard's images; changed in place where they are augmented.
  ///   - step: The number of steps done before.
  ///   - shard: The number of the shard.
  ///   - weights: The parameter buffer.
  ///   - finished: Called now and then in the backward pass with the element from which to its end
  ///     the gradient is final.
  package func compute(
    into gradient: UnsafeMutablePointer<Float>, _ batch: Batch, step: Int, shard: Int,
    weights: UnsafePointer<Float>, pool: BufferPool, finished: (_ downTo: Int) -> Void = { _ in }
  ) -> Losses {
    pool.givesPagesBack = memory == .less
    let draws = Draws(seed: seed, step: step, shard: shard, of: shards)
    profile.measure(.batch) { augmentation.apply(to: batch.images, draws) }
    let pass = Pass(
      pool: pool, weights: weights, gradient: gradient,
      dropoutStreams: (0..<batch.count).map { draws.stream(.dropout, image: $0) },
      recomputes: memory == .less, precision: precision, profile: profile,
      preparedKernels: preparedKernels)
    let losses = objective.loss(batch, draws, pass)
    pass.backward(finished)
    return losses
  }
}
