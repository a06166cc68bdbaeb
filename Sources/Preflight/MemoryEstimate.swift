// How much memory a rank of a run needs, and what for.

import Parallel
import Tensors
import Training

/// The memory of a rank, part by part.
package struct MemoryEstimate: Codable, Equatable, Sendable {
  /// What a rank keeps in memory, and how much.
  package struct Part: Codable, Equatable, Sendable {
    /// What it is.
    package let name: String
    /// Its bytes.
    package let bytes: Int
  }

  /// What a rank has while it trains.
  package let training: [Part]
  /// What the first rank has beside it while a checkpoint is saved.
  package let saving: [Part]
  /// What a rank has beside it while images are validated or drawn; nothing where neither happens.
  package let drawing: [Part]

  /// The bytes of a rank between two steps.
  package var residentBytes: Int { Self.sum(training) }

  /// The most bytes of a rank.
  ///
  /// - Parameter isFirst: Whether it is the one that saves.
  package func peakBytes(isFirst: Bool) -> Int {
    residentBytes + max(isFirst ? Self.sum(saving) : 0, Self.sum(drawing))
  }

  private static func sum(_ parts: [Part]) -> Int { parts.reduce(0) { $0 + $1.bytes } }

  /// What a run needs.
  ///
  /// - Parameters:
  ///   - trial: What its network needs.
  ///   - plan: The run.
  ///   - ranks: The number of ranks.
  ///   - workers: The threads of a rank.
  package init(_ trial: NetworkTrial, _ plan: TrainingPlan, ranks: Int, workers: Int) {
    let (settings, count) = (plan.configuration, trial.weightBytes / 4)
    let partition = ParameterPartition(
      count: count, ranks: settings.training.reduction == .tree ? ranks : 1,
      bucketBytes: GradientExchange.bucketBytes(ranks: ranks))
    let owned = 4 * (0..<partition.ranks).map { partition.ownedCount(rank: $0) }.max()!
    let shards = plan.tree.shards / ranks
    let averages = settings.optimizer.averageLengths.count
    let buffers = TreeSum.usualBufferCount(leaves: shards, workers: workers)
    let kernels =
      plan.sharesKernels(shards: shards, workers: workers)
      ? [Part(name: "transformed kernels", bytes: trial.sharedKernelBytes)] : []
    training =
      [
        Part(name: "program and libraries", bytes: trial.programBytes),
        Part(name: "parameters", bytes: trial.weightBytes),
        Part(name: "gradients of \(buffers) shards", bytes: buffers * trial.weightBytes),
        Part(name: "Adam's moments", bytes: 2 * owned),
        Part(name: averages == 0 ? "average" : "averages", bytes: (1 + averages) * owned),
        Part(name: "buckets of other ranks", bytes: 4 * GradientExchange.receivedCount(partition)),
        Part(name: "activations", bytes: min(workers, shards) * trial.shardBytes),
        Part(name: "images", bytes: Self.imageBytes(plan, ranks: ranks)),
      ] + kernels
    // It is gathered into its file: one bucket, what the file holds back, and what is around the tensors.
    let tensors = (4 + averages) * plan.objective.parameters.layout.entries.count
    saving = [
      Part(
        name: "a checkpoint's bucket",
        bytes: min(4 * partition.bucketLength, trial.weightBytes) + (2 << 20) + 4096 * tensors)
    ]
    drawing =
      plan.evaluatesImages
      ? [
        Part(name: "weights at rest", bytes: trial.weightBytes + trial.preparedBytes),
        Part(name: "groups of images", bytes: workers * trial.evaluationBytes),
      ] : []
  }

  /// The bytes of the images that a rank keeps in memory: those of its shards, and its part of validation's.
  private static func imageBytes(_ plan: TrainingPlan, ranks: Int) -> Int {
    func kept(_ images: Int, _ size: Int) -> Int {
      let (bytes, overflow) = images.multipliedReportingOverflow(by: size)
      return overflow || bytes > 1 << 30 ? 0 : bytes
    }
    let size = plan.dataset.shape.count * plan.dataset.format.bytes
    let own = kept((plan.imageCount + ranks - 1) / ranks, size)
    guard let validation = plan.validation else { return own }
    return own + kept((validation.range.count + ranks - 1) / ranks, size)
  }
}

extension TrainingPlan {
  /// Whether the run evaluates its network without a gradient: for grids of samples or validation.
  var evaluatesImages: Bool {
    let recording = configuration.recording
    let drawsGrids =
      objective.drawsImages
      && (recording.sampleLast || 1...configuration.training.steps ~= recording.sampleEvery)
    return drawsGrids || validation != nil
  }
}
