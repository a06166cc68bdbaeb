// Settings: steps, batches and who computes them.

import Parallel
import Tensors

/// What is kept of a forward pass for the backward pass.
public enum MemoryUse: String, CaseIterable, Sendable {
  /// Everything that it reads.
  case normal
  /// What blocks of the network begin with; they are computed again.
  case less
}

/// How much is trained, and how the work is cut.
public struct TrainingSettings: SettingsSection {
  /// The number of optimizer steps of the whole run.
  public var steps = 2000
  /// The images of one step, over all ranks.
  public var batch = 128
  /// The seed of all random numbers, 0 or more.
  public var seed = 1
  /// The shards of a batch; nil: chosen from the batch and the rank count.
  public var shards: Int?
  /// The worker threads of each rank; nil: the cores that the rank may use.
  public var workers: Int?
  /// What a shard keeps of its forward pass.
  public var memory = MemoryUse.normal
  /// The format of the operands of convolutions' and attention's products.
  public var precision = Precision.float32
  /// How the ranks add their gradients.
  public var reduction = GradientReduction.tree
  /// What to do when the run diverges.
  public var onDivergence = DivergencePolicy.stop
  /// Seconds without any progress of a rank that end the job; 0: it is not watched.
  public var hangTimeout = 600
  /// The steps between two comparisons of the ranks' weights; 0: none but with every checkpoint.
  public var compareWeightsEvery = 100

  /// Those of the embedded digits.
  public init() {}

  /// The keys: how much, on what, and in which order.
  public static let settings: [Setting<Self>] = [
    .integer(
      "steps", .training, \.steps, from: 1, unit: "steps", "optimizer steps of the whole run"),
    .integer("batch", .model, \.batch, from: 1, unit: "images", "images a step, over all ranks"),
    .integer("seed", .model, \.seed, from: 0, to: .max, "seed of all random numbers"),
    .integer(
      "shards", .model, \.shards, from: 1, "shards of a batch; auto: 8 or more where it allows"),
    .integer(
      "workers", .execution, \.workers, from: 1, to: Workers.largestCount, unit: "threads",
      "worker threads of each rank; auto: the cores that it may use"),
    .choice(
      "memory", .execution, \.memory,
      "less: blocks are computed again backward, a step takes a quarter to a half longer"),
    .choice(
      "precision", .training, \.precision,
      "bfloat16: products of rounded numbers, faster on CPUs with AVX-512 BF16; sums stay float32"),
    .choice(
      "reduction", .training, \.reduction,
      "how ranks add gradients (only tree: the same bits on any ranks)"),
    .choice(
      "on_divergence", .training, \.onDivergence,
      "where loss or gradient leave their way: end the run, leave the step out, or go back"),
    .integer(
      "hang_timeout", .execution, \.hangTimeout, from: 0, unit: "seconds",
      "how long a rank may make no progress before the job ends; 0: for ever"),
    .integer(
      "compare_weights_every", .execution, \.compareWeightsEvery, from: 0, unit: "steps",
      "steps between comparisons of all ranks' weights; 0: only with checkpoints"),
  ]

  /// The tree over the shards: those asked for, or for `auto` R · 2ᵏ, at least 8 where the batch
  /// allows it, so that 1, 2, 4 and 8 ranks choose alike.
  package func shardTree(rankCount: Int) throws(ConfigurationError) -> ShardTree {
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
