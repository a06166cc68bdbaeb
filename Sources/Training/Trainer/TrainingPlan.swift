import Diffusion
import Layers
import MPI
import Parallel
import Storage

/// A configuration that has met its dataset and its ranks: everything is known and fits together.
public struct TrainingPlan: Sendable {
  /// The configuration with extents, levels and shards filled in.
  public let configuration: Configuration
  /// The images to train on.
  public let dataset: ImageDataset
  /// The network to train.
  public let network: UNet
  /// The diffusion process, and what the network's output means in it.
  public let diffusion: GaussianDiffusion
  /// The order in which the shards of a batch are added.
  public let tree: ShardTree

  /// The images of one shard of a batch.
  public var shardBatch: Int { configuration.batch / tree.shards }
  /// The seed of all random numbers.
  public var seed: UInt64 { UInt64(configuration.seed) }

  /// Checks everything that can be checked before the first step.
  ///
  /// - Parameters:
  ///   - configuration: As the user gave it.
  ///   - rankCount: The number of ranks R.
  /// - Throws: `ConfigurationError`, `StorageError`, `DiffusionError`.
  public init(_ configuration: Configuration, rankCount: Int) throws {
    var configuration = configuration
    dataset = try Self.openDataset(configuration)
    try configuration.adopt(dataset)
    let network = configuration.network
    if let defect = network.defect { throw ConfigurationError(source: "network", reason: defect) }
    if configuration.schedule == .linear, configuration.betaStart > configuration.betaEnd {
      throw ConfigurationError(
        source: "beta_start", reason: "is larger than beta_end; noise must not shrink.")
    }
    guard configuration.batch <= dataset.count else {
      throw StorageError.badData(
        path: dataset.path,
        reason: "has \(dataset.count) images, fewer than one batch of \(configuration.batch); "
          + "set batch to at most \(dataset.count)")
    }
    tree = try configuration.shardTree(rankCount: rankCount)
    configuration.shards = tree.shards
    diffusion = try configuration.diffusion
    self.network = UNet(network)
    self.configuration = configuration
  }

  /// Which images a shard draws.
  package func order(ofShard shard: Int) -> ShardOrder {
    ShardOrder(
      count: dataset.count, shard: shard, shards: tree.shards, batch: shardBatch, seed: seed)
  }

  private static func openDataset(_ configuration: Configuration) throws -> ImageDataset {
    guard let path = configuration.data else { return try .digits() }
    let group = configuration.dataGroup
    return try ImageDataset(path: path, group: group == "/" ? nil : group)
  }
}

extension Configuration {
  /// The process that the settings describe; `levels` must be filled in.
  var diffusion: GaussianDiffusion {
    get throws(DiffusionError) {
      guard let levels else { preconditionFailure("The grey levels are filled in first.") }
      let kind: NoiseSchedule.Kind =
        schedule == .linear ? .linear(from: betaStart, to: betaEnd) : .cosine
      return GaussianDiffusion(
        schedule: try NoiseSchedule(validating: kind, steps: diffusionSteps),
        prediction: prediction, variance: variance, levels: levels == 0 ? nil : levels)
    }
  }

  /// Fills in the extents and levels of the images, or refuses a dataset that has others.
  mutating func adopt(_ dataset: ImageDataset) throws(ConfigurationError) {
    func merge(_ key: String, _ own: Int?, _ found: Int) throws(ConfigurationError) -> Int {
      guard own ?? found == found else {
        throw ConfigurationError(
          source: key, reason: "is \(own!), but the images of \(dataset.path) have \(found).")
      }
      return found
    }
    height = try merge("height", height, dataset.shape.height)
    width = try merge("width", width, dataset.shape.width)
    imageChannels = try merge("image_channels", imageChannels, dataset.shape.channels)
    levels = try merge("levels", levels, dataset.levels ?? 0)
    adoptExtents()
  }

  /// Hands the image's extents on to the network; they must be filled in.
  mutating func adoptExtents() {
    guard let height, let width, let imageChannels else {
      preconditionFailure("The extents of the images are filled in first.")
    }
    (network.height, network.width, network.imageChannels) = (height, width, imageChannels)
  }

  /// The tree over the shards: those asked for, or for `auto` R · 2ᵏ, at least 8 where the batch
  /// allows it, so that 1, 2, 4 and 8 ranks choose alike.
  func shardTree(rankCount: Int) throws(ConfigurationError) -> ShardTree {
    var count = shards ?? rankCount
    if shards == nil {
      while count < 8, batch % (2 * count) == 0 { count *= 2 }
    }
    guard batch % count == 0 else {
      throw ConfigurationError(
        source: "batch",
        reason: shards == nil
          ? "\(batch) images cannot be shared by \(rankCount) ranks; choose a multiple of "
            + "\(rankCount), or another number of ranks."
          : "\(batch) images cannot be cut into \(count) shards; choose a multiple of \(count).")
    }
    let tree = ShardTree(shards: count)
    if let refusal = tree.refusal(ranks: rankCount) {
      throw ConfigurationError(source: "mpirun", reason: refusal)
    }
    return tree
  }
}
