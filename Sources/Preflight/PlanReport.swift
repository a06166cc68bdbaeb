// What a run would be: everything that is known before its first step.

import Foundation
import MPI
import Storage
import Tensors
import Training

/// What `ddpm-dist train` would do: the JSON of `--dry-run --json`.
public struct PlanReport: Codable, Sendable {
  /// A setting with its value.
  public struct SettingValue: Codable, Sendable {
    /// Its key.
    public let key: String
    /// Its value, as in a YAML file.
    public let value: String
    /// Where it comes from: `default`, `configuration`, `command line`, `checkpoint` or `computed`.
    public let origin: String
  }

  /// The images.
  public struct Dataset: Codable, Sendable {
    /// The file.
    public let path: String
    /// All images, and those that are trained on.
    public let images, trained: Int
    /// The extents of an image.
    public let height, width, channels: Int
    /// The number of grey levels; nil for floating-point images.
    public let levels: Int?
    /// The checksum.
    public let checksum: String
  }

  /// How the work is cut.
  public struct Division: Codable, Sendable {
    /// The ranks of this job, and the worker threads of each.
    public let ranks, workers: Int
    /// The images a step, and the shards that they are cut into.
    public let batch, shards: Int
    /// The numbers of ranks that these shards fit.
    public let fittingRanks: [Int]
  }

  /// `ddpm-dist`, and its version.
  public let program, version: String
  /// The run's folder.
  public let run: String
  /// The step that it goes on from, 0 where it begins, and its last.
  public let step, steps: Int
  /// Every setting, in the order of the documentation.
  public let settings: [SettingValue]
  /// The images.
  public let dataset: Dataset
  /// How the work is cut.
  public let division: Division
  /// The learned scalars, and the tensors that they are in.
  public let parameters, tensors: Int
  /// Whether the network was tried: where its weights and a gradient alone take more memory than this
  /// machine has free, it was not, its arithmetic is 0, and its memory is without activations.
  public let isTried: Bool
  /// The bytes that this machine has free; nil where it does not tell.
  public let freeBytes: Int?
  /// 2 × the multiply-adds of a training step, 10⁹: of an image, and of a step over all ranks.
  public let gigaflopPerImage, gigaflopPerStep: Double
  /// The memory of a rank.
  package let memory: MemoryEstimate
  /// The most memory of the first rank and of the others, bytes.
  public let peakBytes, otherPeakBytes: Int
  /// The files.
  package let disk: DiskEstimate
  /// All bytes on the disk at most.
  public let diskBytes: Int

  /// Finds out what would be run, and refuses what `ddpm-dist train` would refuse; collective.
  ///
  /// Nothing is written, and no folder is made.
  ///
  /// - Returns: The report on rank 0; nil elsewhere.
  /// - Throws: `AgreedFailure` on all ranks, `MPIError`.
  public static func of(_ options: RunOptions, job: Job) throws -> PlanReport? {
    BLAS.useOneThread()
    let logger = try job.logger()
    let request = try RunRequest(options, job, logger, takesLock: false)
    let origins = try SettingOrigin.origins(of: request, options, job)
    let communicator = try job.communicator()
    let nodes = try NodeReport(
      communicator: communicator, requested: request.plan.configuration.training.workers)
    let plan = request.plan
    return try job.together {
      // As a run does at its start: images that the format does not allow are refused here.
      _ = try ImageReader(
        plan.dataset, range: plan.trainedImages(ofRank: communicator.rank, of: communicator.size))
      guard communicator.rank == 0 else { return nil }
      let free = [MachineMemory()?.freeBytes, ResourceLimits.current.addressBytes]
        .compactMap(\.self).min()
      let untried = NetworkTrial(untried: plan)
      let isTried = 2 * untried.weightBytes < free ?? .max
      let progress = Training.Progress()
      progress.show { "trying the network" }
      let trial = isTried ? try NetworkTrial(plan) : untried
      progress.interrupt()
      return PlanReport(
        request, origins, trial, isTried: isTried, freeBytes: free, ranks: communicator.size,
        workers: nodes.workers)
    }
  }

  private init(
    _ request: RunRequest, _ origins: [String: SettingOrigin], _ trial: NetworkTrial, isTried: Bool,
    freeBytes: Int?, ranks: Int, workers: Int
  ) {
    (self.isTried, self.freeBytes) = (isTried, freeBytes)
    let (plan, configuration) = (request.plan, request.plan.configuration)
    let (dataset, layout) = (plan.dataset, plan.objective.parameters.layout)
    (program, version) = ("ddpm-dist", programVersion)
    (run, step, steps) = (request.folder.path, request.step, configuration.training.steps)
    settings = Configuration.settings.map {
      SettingValue(
        key: $0.key, value: $0.value(in: configuration),
        origin: (origins[$0.key] ?? .default).rawValue)
    }
    self.dataset = Dataset(
      path: dataset.path, images: dataset.count, trained: plan.imageCount,
      height: dataset.shape.height, width: dataset.shape.width, channels: dataset.shape.channels,
      levels: dataset.levels, checksum: request.images)
    division = Division(
      ranks: ranks, workers: workers, batch: configuration.training.batch,
      shards: plan.tree.shards, fittingRanks: plan.tree.validRankCounts)
    (parameters, tensors) = (layout.count, layout.entries.count)
    gigaflopPerImage = trial.gigaflopPerImage
    gigaflopPerStep = trial.gigaflopPerImage * Double(configuration.training.batch)
    memory = MemoryEstimate(trial, plan, ranks: ranks, workers: workers)
    (peakBytes, otherPeakBytes) = (
      memory.peakBytes(isFirst: true), memory.peakBytes(isFirst: false)
    )
    disk = DiskEstimate(plan)
    diskBytes = disk.bytes
  }

  /// The report as JSON with sorted keys in snake case, and a line break at its end.
  public func json() throws -> String { try reportJSON(self) }
}

/// A report as JSON with sorted keys in snake case, and a line break at its end.
func reportJSON(_ report: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(report), as: UTF8.self) + "\n"
}

extension TrainingPlan {
  /// The images that the shards of a rank draw from.
  func trainedImages(ofRank rank: Int, of ranks: Int) -> Range<Int> {
    let shards = tree.shards(ofRank: rank, ranks: ranks)
    let (first, last) = (order(ofShard: shards.first!), order(ofShard: shards.last!))
    return first.images.lowerBound..<last.images.upperBound
  }
}
