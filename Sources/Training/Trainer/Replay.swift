// One step computed again, shard by shard, without changing anything.

import Foundation
import Models
import Parallel
import Storage
import Synchronization
import Tensors

/// The step that follows a checkpoint, computed again on one rank: with the same bits as in the run, on
/// however many ranks that was.
public struct Replay: Sendable {
  /// What a shard has given.
  public struct Shard: Sendable {
    /// Its number.
    public let number: Int
    /// Its images, as indices of the dataset.
    public let images: [Int]
    /// What was drawn for each of them, the timestep for example, by its name.
    public let choices: [String: [Int]]
    /// Its losses: means over its images.
    public let losses: LossReport
    /// The norm of the gradient of each tensor of the network, in forward order.
    public let norms: [(tensor: String, norm: Double)]

    /// The norm of its whole gradient.
    public var norm: Double {
      norms.reduce(0) { $0 + $1.norm * $1.norm }.squareRoot()
    }

    fileprivate let vector: [Double]
  }

  /// The number of the step that is computed, 1 for the first of the run.
  public var step: Int { checkpoint.progress.step + 1 }
  /// The number of shards of its batch.
  public var shardCount: Int { plan.tree.shards }

  private let checkpoint: Checkpoint
  private let plan: TrainingPlan
  private let objective: any Objective
  private let images: ShardImages

  /// Opens a checkpoint and the images that its run was trained on.
  ///
  /// - Parameters:
  ///   - path: The checkpoint.
  ///   - data: The dataset; nil: where the checkpoint says that it was.
  /// - Throws: `StorageError`, `ConfigurationError`.
  public init(path: String, data: String?) throws {
    checkpoint = try Checkpoint.read(path: path, sections: .model)
    try checkpoint.requireModel(path: path)
    try checkpoint.requireProgress(path: path)
    var configuration = try Configuration.described(in: checkpoint.configuration, path: path)
    configuration.training.shards = checkpoint.progress.shards
    configuration.training.steps = max(configuration.training.steps, checkpoint.progress.step + 1)
    if let named = data ?? checkpoint.provenance[Provenance.dataset], configuration.data.path != nil
    {
      configuration.data.path = named
    }
    plan = try TrainingPlan(configuration, rankCount: 1)
    try plan.dataset.requireImages(
      of: checkpoint,
      checksum: try (plan.dataset.contentHash ?? plan.dataset.verify()) + plan.conditions.checksum,
      advice: "name the right ones with --data")
    var objective = plan.objective
    objective.state = checkpoint.state
    self.objective = objective
    images = try ShardImages(plan, rank: 0, ranks: 1)
  }

  /// Computes some shards.
  ///
  /// - Parameters:
  ///   - shards: Their numbers, 0 ..< `shardCount`.
  ///   - workers: Who computes: each takes a shard at a time.
  /// - Throws: `StorageError` for images that cannot be read.
  public func compute(_ shards: Range<Int>, _ workers: Workers) throws -> [Shard] {
    precondition(
      shards.lowerBound >= 0 && shards.upperBound <= shardCount, "There are not so many.")
    let weights = AlignedFloats(checkpoint.model)
    let outcomes = Mutex<[Int: Result<Shard, StorageError>]>([:])
    workers.forEach(shards) { [self] number, pool in
      let outcome: Result<Shard, StorageError>
      do throws(StorageError) {
        outcome = .success(try compute(number, weights, pool))
      } catch {
        outcome = .failure(error)
      }
      outcomes.withLock { $0[number] = outcome }
    }
    return try shards.map { try outcomes.withLock(\.self)[$0]!.get() }
  }

  /// The losses of the whole batch, with the bits that the run has seen.
  ///
  /// - Parameter shards: All shards.
  public func losses(of shards: [Shard]) -> LossReport {
    precondition(shards.count == shardCount, "The loss of a batch needs all of its shards.")
    return LossReport(
      ShardTree.sum(shards.map(\.vector)), mean: 1 / Double(shardCount), of: objective)
  }

  private func compute(
    _ number: Int, _ weights: AlignedFloats, _ pool: BufferPool
  ) throws(StorageError) -> Shard {
    let before = checkpoint.progress.step
    let batch = try images.batch(ofShard: number, step: before, pool)
    let gradient = AlignedFloats(count: weights.count)
    defer { withExtendedLifetime((weights, gradient)) {} }
    let work = ShardGradient(
      objective, flips: plan.configuration.data.flip, seed: plan.seed, shards: shardCount,
      memory: plan.configuration.training.memory,
      precision: plan.configuration.training.precision)
    let losses = work.compute(
      into: gradient.elements.baseAddress!, batch, step: before, shard: number,
      weights: weights.elements.baseAddress!, pool: pool)
    let vector = LossReport.vector(losses)
    let draws = Draws(seed: plan.seed, step: before, shard: number, of: shardCount)
    return Shard(
      number: number, images: plan.order(ofShard: number).indices(step: before),
      choices: objective.choices(draws, count: batch.count),
      losses: LossReport(vector, mean: 1, of: objective),
      norms: objective.parameters.layout.entries.map { entry in
        let squares = entry.range.reduce(0.0) {
          $0 + Double(gradient.elements[$1]) * Double(gradient.elements[$1])
        }
        return (entry.name, squares.squareRoot())
      }, vector: vector)
  }
}
