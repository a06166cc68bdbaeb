import Diffusion
import Foundation
import Layers
import MPI
import Parallel
import Storage
import Synchronization
import Tensors

/// Data-parallel training: each rank computes the gradients of its shards, all add them up, each
/// updates its part of the weights, all collect the weights.
///
/// The state is a function of configuration and step alone, not of ranks or workers.
public final class Trainer {
  /// What one step did.
  public struct StepReport: Sendable {
    /// The number of steps done, this one included.
    public let step: Int
    /// The mean loss of the batch, before the step.
    public let loss: Double
    /// The norm of the batch's gradient, before clipping.
    public let gradientNorm: Double
    /// Adam's learning rate at this step.
    public let learningRate: Double
  }

  /// The configuration with everything that was `auto` filled in.
  public let plan: TrainingPlan
  /// The number of steps done.
  public internal(set) var step = 0
  /// The mean loss of the last step.
  public internal(set) var loss = Double.nan
  /// The weights, all of them on every rank.
  package let weights: AlignedFloats
  /// The moments and the average, of this rank's part of the weights.
  package let adam: Adam
  package let exchange: GradientExchange
  private let workers: Workers
  private let reader: ImageReader
  private let shards: Range<Int>
  private var orders: [ShardOrder]
  private let shardGradient: ShardGradient
  private let shardSum: TreeSum
  private let images: AlignedFloats
  private let profile: OperationProfile?

  /// A trainer before its first step.
  ///
  /// - Parameters:
  ///   - plan: The same on all ranks.
  ///   - communicator: The ranks.
  ///   - workers: The threads of this rank.
  ///   - profile: Where the time of each kind of work is noted; nil: nowhere.
  /// - Throws: `StorageError` where the dataset cannot be read.
  public init(
    plan: TrainingPlan, communicator: Communicator, workers: Workers,
    profile: OperationProfile? = nil
  ) throws {
    self.plan = plan
    self.workers = workers
    self.profile = profile
    let configuration = plan.configuration
    let initial = plan.network.parameters.initialWeights(seed: plan.seed)
    weights = AlignedFloats(initial)
    exchange = GradientExchange(
      communicator: communicator, count: initial.count, reduction: configuration.reduction)
    adam = Adam(
      settings: configuration.adam, weights: weights,
      partition: exchange.partition, rank: exchange.owner)
    shards = plan.tree.shards(ofRank: communicator.rank, ranks: communicator.size)
    orders = shards.map { plan.order(ofShard: $0) }
    reader = try ImageReader(
      plan.dataset,
      range: orders.first!.images.lowerBound..<orders.last!.images.upperBound)
    shardGradient = ShardGradient(
      network: plan.network, diffusion: plan.diffusion, objective: configuration.objective,
      flips: configuration.flip, seed: plan.seed, profile: profile)
    shardSum = TreeSum(
      leaves: shards.count, count: initial.count, workers: workers.count,
      segmentLength: exchange.partition.bucketLength)
    images = AlignedFloats(count: shards.count * plan.shardBatch * plan.dataset.shape.count)
  }

  /// One training step; collective.
  ///
  /// - Throws: `StorageError` for images that cannot be read, `AgreedFailure` on all ranks where the
  ///   gradient is not finite, `MPIError`.
  public func trainStep() throws -> StepReport {
    try profile.measure(.batch) { try readImages() }
    let (gradient, shardLoss) = try computeShards()
    let mean = 1 / Double(plan.tree.shards)
    let norm = try exchange.squaredNorm().squareRoot() * mean
    loss = try exchange.sum(ofShardValues: [shardLoss]) * mean
    try refuseDivergence(norm)
    let rate = plan.configuration.learningRate(atStep: step)
    let clip = Adam.clipFactor(norm: norm, limit: plan.configuration.clipNorm)
    let update = adam.beginStep(learningRate: rate, gradientScale: mean * clip)
    try exchange.gather(weights) { bucket in
      workers.forEach(0..<workers.count) { [workers, weights, profile] worker, _ in
        profile.measure(.optimizer) {
          update.apply(
            bucket: bucket, piece: worker, of: workers.count, weights: weights, gradient: gradient)
        }
      }
    }
    step += 1
    return StepReport(step: step, loss: loss, gradientNorm: norm, learningRate: rate)
  }

  /// The number of times that each shard of the batch has gone through its images.
  public var epochs: [Int] {
    (0..<plan.tree.shards).map { plan.order(ofShard: $0).epochs(afterSteps: step) }
  }

  /// Reads x_0 of all of this rank's shards; HDF5 stays on this thread.
  private func readImages() throws {
    let shardCount = plan.shardBatch * plan.dataset.shape.count
    for index in orders.indices {
      try reader.read(
        orders[index].indices(step: step),
        into: images.elements.baseAddress! + index * shardCount)
    }
  }

  /// The sum of the gradients over all ranks' shards, in the parts that this rank owns, and that of
  /// the losses of its own shards, in the tree's order.
  ///
  /// What backward has finished of the sum travels while the rest is computed.
  private func computeShards() throws(MPIError) -> (gradient: AlignedFloats, loss: Double) {
    shardSum.restart()
    let shape = Shape(
      plan.shardBatch, plan.dataset.shape.height, plan.dataset.shape.width,
      plan.dataset.shape.channels)
    let (step, shards, sum, images, weights, shardGradient, profile) = (
      self.step, self.shards, shardSum, self.images, self.weights, self.shardGradient, self.profile
    )
    // Only the calling thread, which is the session's, touches it.
    nonisolated(unsafe) let travelling = OverlappedExchange(exchange, shardSum, profile)
    workers.run(
      { pool, isCaller in
        while let work = sum.claim() {
          let first = work.leaf * shape.count
          let x0 = Tensor(shape, images.elements[first..<first + shape.count], in: pool)
          let loss = shardGradient.compute(
            into: work.buffer.elements.baseAddress!, images: x0, step: step,
            shard: shards.lowerBound + work.leaf, weights: weights.elements.baseAddress!,
            pool: pool
          ) { offset in
            profile.measure(.shardSum) { sum.advance(work, downTo: offset) }
            if isCaller { travelling.advance() }
          }
          sum.deposit(work, value: loss)
        }
      }, meanwhile: { travelling.advance() })
    return try travelling.complete()
  }

  /// Stops all ranks where the numbers have left the finite ones.
  private func refuseDivergence(_ norm: Double) throws {
    guard !norm.isFinite || !loss.isFinite else { return }
    let reason = "step \(step + 1) diverged: the loss is \(loss), the gradient's norm \(norm)."
    throw AgreedFailure(
      rank: 0,
      failure: Failure(
        "\(reason) Resume from the last checkpoint with a smaller learning_rate.",
        exitCode: ExitCode.software))
  }
}
