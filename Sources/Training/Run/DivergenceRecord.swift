// What is known of a step that diverged, in a file for people.

import Foundation
import Models
import Storage

/// A step that diverged: its numbers, its images and what was drawn for them, and where the state is from
/// which it can be computed again.
///
/// Written as JSON beside that state: `diverged/step-00000701.json` beside `diverged/step-00000700.h5`.
struct DivergenceRecord: Encodable {
  /// How many states are kept: each is as large as a checkpoint.
  static let kept = 3

  private struct Shard: Encodable {
    /// The number of the shard.
    let shard: Int
    /// Its images, as indices of the dataset.
    let images: [Int]
    /// What was drawn for each of them, the timestep for example.
    let choices: [String: [Int]]
  }

  private let step: Int
  private let seed: UInt64
  private let onDivergence: String
  private let loss, gradientNorm: Double?
  private let usualLoss, usualGradientNorm: Double
  private let suspiciousSteps: Int
  private let dataset: String
  private let state: String
  private let replay: String
  private let shards: [Shard]

  /// The record of a step.
  ///
  /// - Parameters:
  ///   - evidence: What was seen.
  ///   - plan: That of the run.
  ///   - objective: What is trained, as it was before the step.
  ///   - state: The path of the state from which the step can be computed again.
  init(
    _ evidence: DivergenceWatch.Evidence, _ plan: TrainingPlan, _ objective: any Objective,
    state: String
  ) {
    func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }
    (step, seed) = (evidence.step, plan.seed)
    onDivergence = plan.configuration.training.onDivergence.rawValue
    (loss, gradientNorm) = (finite(evidence.loss), finite(evidence.norm))
    (usualLoss, usualGradientNorm) = (evidence.usualLoss, evidence.usualNorm)
    (suspiciousSteps, dataset) = (evidence.row, plan.dataset.path)
    (self.state, replay) = (state, "ddpm-dist replay \(state)")
    shards = (0..<plan.tree.shards).map { shard in
      let draws = Draws(
        seed: plan.seed, step: evidence.step - 1, shard: shard, of: plan.tree.shards)
      return Shard(
        shard: shard, images: plan.order(ofShard: shard).indices(step: evidence.step - 1),
        choices: objective.choices(draws, count: plan.shardBatch))
    }
  }

  /// A record, and the state that belongs to it, which takes its tensors.
  struct Files {
    fileprivate let folder: CheckpointFolder
    /// The path of the record.
    let record: String
    /// The file of the state.
    let state: TensorFile

    /// Finishes the state, and removes older ones with their records.
    ///
    /// - Returns: The paths of record and state; no state where its tensors are not finite.
    /// - Throws: `StorageError`.
    func finish() throws(StorageError) -> (record: String, state: String?) {
      var written: String?
      do throws(StorageError) {
        try state.finish()
        written = state.path
      } catch {
        guard case .badData = error else { throw error }
      }
      let (removed, failed) = try CheckpointRotation(folder).prune(keeping: kept)
      if let error = failed.first { throw error }
      for step in removed.compactMap(folder.step(ofPath:)) {
        try? FileManager.default.removeItem(atPath: path(of: step + 1, folder))
      }
      return (record, written)
    }
  }

  /// Writes the record, and opens the file of the state.
  ///
  /// - Parameters:
  ///   - checkpoint: The state before the step, without its tensors.
  ///   - averages: The lengths of its power averages.
  ///   - folder: The run's folder of such states.
  ///   - make: Makes the record for the path of the state.
  /// - Throws: `StorageError`.
  static func begin(
    _ checkpoint: Checkpoint, averages: [Double], in folder: CheckpointFolder,
    _ make: (_ state: String) -> DivergenceRecord
  ) throws(StorageError) -> Files {
    do {
      try FileManager.default.createDirectory(
        atPath: folder.path, withIntermediateDirectories: true)
    } catch {
      throw .cannotCreate(path: folder.path, reason: systemCause(of: error))
    }
    let state = folder.path(step: checkpoint.progress.step)
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let bytes = try? encoder.encode(make(state)) else {
      preconditionFailure("A record has finite numbers only.")
    }
    let record = path(of: checkpoint.progress.step + 1, folder)
    try AtomicFile.write(Array(bytes) + Array("\n".utf8), to: record)
    return Files(
      folder: folder, record: record,
      state: try checkpoint.file(at: state, averages: averages))
  }

  private static func path(of step: Int, _ folder: CheckpointFolder) -> String {
    String(folder.path(step: step).dropLast(2)) + "json"
  }
}
