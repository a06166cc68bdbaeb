// What is known before the first step, and found to fit together.

import MPI
import Models
import Parallel
import Storage
import Tensors

/// A configuration that has met its dataset and its ranks: everything is known and fits together.
public struct TrainingPlan: Sendable {
  /// The configuration with extents, scale, shards and the end of the schedule filled in.
  public let configuration: Configuration
  /// The images to train on, and behind them those that are held out.
  public let dataset: ImageDataset
  /// The images that tell whether the run is still learning; nil where none are asked.
  public let validation: ValidationImages?
  /// What the model is told of the images.
  package let conditions: ImageConditions
  /// The model to train, before its first step.
  public let objective: any Objective
  /// The order in which the shards of a batch are added.
  public let tree: ShardTree

  /// The number of images to train on, the first of the dataset.
  public var imageCount: Int { dataset.count - configuration.validation.heldOut! }
  /// The images of one shard of a batch.
  public var shardBatch: Int { configuration.training.batch / tree.shards }
  /// The seed of all random numbers.
  public var seed: UInt64 { UInt64(configuration.training.seed) }

  /// Checks everything that can be checked before the first step.
  ///
  /// - Parameters:
  ///   - configuration: As the user gave it.
  ///   - rankCount: The number of ranks R.
  ///   - makeModel: Makes the model of the configuration with everything filled in.
  /// - Throws: `ConfigurationError`, `StorageError`, and what `makeModel` throws.
  public init(
    _ configuration: Configuration, rankCount: Int,
    makeModel: (Configuration) throws -> any Objective = { try $0.model() }
  ) throws {
    var configuration = configuration
    dataset = try Self.openDataset(configuration.data)
    try configuration.data.adopt(dataset)
    try configuration.conditioning.adopt(dataset)
    try configuration.latentDiffusion.adopt(dataset)
    conditions = try ImageConditions(dataset, configuration.conditioning)
    let batch = configuration.training.batch
    try configuration.validation.holdOut(of: dataset)
    let heldOut = configuration.validation.heldOut!
    guard batch <= dataset.count - heldOut else {
      throw StorageError.badData(
        path: dataset.path,
        reason: heldOut > 0
          ? "has \(max(0, dataset.count - heldOut)) images beside the \(heldOut) that are held out, "
            + "fewer than one batch of \(batch)"
          : "has \(dataset.count) images, fewer than one batch of \(batch); "
            + "set batch to at most \(dataset.count)")
    }
    validation = try ValidationImages(of: &configuration, beside: dataset, conditions)
    tree = try configuration.training.shardTree(rankCount: rankCount)
    configuration.training.shards = tree.shards
    try configuration.validation.check()
    try configuration.optimizer.complete(forSteps: configuration.training.steps)
    objective = try makeModel(configuration)
    try objective.prepare()
    self.configuration = configuration
  }

  /// Which images a shard draws.
  package func order(ofShard shard: Int) -> ShardOrder {
    ShardOrder(
      count: imageCount, shard: shard, shards: tree.shards, batch: shardBatch, seed: seed)
  }

  private static func openDataset(_ settings: DataSettings) throws -> ImageDataset {
    guard let path = settings.path else { return try .digits() }
    return try ImageDataset(path: path, group: settings.group == "/" ? nil : settings.group)
  }
}

extension TrainingPlan {
  /// The weights that the model draws from the seed, the same for any number of workers.
  package func drawnWeights(_ workers: Workers) -> AlignedFloats {
    let (registry, seed) = (objective.parameters, seed)
    let weights = AlignedFloats(count: registry.layout.count)
    workers.forEach(registry.layout.entries.indices) { tensor, _ in
      registry.fill(tensor, of: weights.elements, seed: seed)
    }
    return weights
  }

  /// Whether the transformed kernels of both passes take 64 MiB at most, where sharing them pays.
  package var hasFewKernels: Bool { objective.parameters.layout.count <= 1 << 21 }

  /// Whether a rank's shards share transformed kernels: where a worker computes several shards a step. What
  /// larger networks gain is little, and their kernels take much memory.
  package func sharesKernels(shards: Int, workers: Int) -> Bool {
    shards > workers && hasFewKernels
  }
}
