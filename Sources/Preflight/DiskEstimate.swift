// How much a run writes to the disk.

import Models
import Tensors
import Training

/// The files of a run, by their size.
package struct DiskEstimate: Codable, Equatable, Sendable {
  /// The bytes of a checkpoint.
  package let checkpointBytes: Int
  /// The checkpoints that are there together at most: those that are kept, the best one, and one that is written
  /// before an old one goes.
  package let checkpoints: Int
  /// The bytes of all snapshots of the power averages.
  package let averageBytes: Int
  /// The bytes of all grids of images at most: pictures that cannot be compressed.
  package let gridBytes: Int
  /// The bytes of the metrics and what is made of them, about.
  package let logBytes: Int
  /// The number of files and folders.
  package let files: Int

  /// The bytes of everything.
  package var bytes: Int { checkpoints * checkpointBytes + averageBytes + gridBytes + logBytes }

  /// The bytes without which the run ends: where the disk is full, older checkpoints are given up for the
  /// newest.
  package var leastBytes: Int {
    bytes - max(0, checkpoints - 2) * checkpointBytes
  }

  /// What HDF5 keeps of a tensor beside its elements, about.
  private static let tensorBytes = 900
  /// What a checkpoint holds beside tensors: configuration, provenance, tables, and the loss so far, about.
  private static let headBytes = 48 << 10

  /// The files of a run.
  package init(_ plan: TrainingPlan) {
    let (settings, layout) = (plan.configuration, plan.objective.parameters.layout)
    let (steps, recording) = (settings.training.steps, settings.recording)
    let group = 4 * layout.count + Self.tensorBytes * layout.entries.count
    let averages = settings.optimizer.averageLengths.count
    checkpointBytes = (4 + averages) * group + Self.headBytes
    let made = steps / recording.checkpointEvery + 1
    checkpoints = min(made, recording.keepCheckpoints + (plan.validation == nil ? 1 : 2))
    let every = settings.optimizer.averageEvery
    let snapshots = every > 0 ? steps / every : 0
    averageBytes = snapshots * (averages * group + Self.headBytes)
    var grids = recording.sampleEvery > 0 ? steps / recording.sampleEvery : 0
    if recording.sampleLast { grids += 1 }
    if !plan.objective.drawsImages { grids = 0 }
    // A picture has a pixel between two images, and three bytes a pixel.
    let shape = plan.dataset.shape
    gridBytes =
      (grids + 1) * (recording.sampleCount * (shape.height + 1) * (shape.width + 1) * 3 + 1024)
    let sums = plan.objective.sums.filter(\.isLogged).reduce(0) { $0 + $1.count }
    let line = 450 + 40 * plan.objective.terms.count + 20 * sums
    // The log, half as much in metrics.csv, and half more than it in TensorBoard's file.
    logBytes = 3 * line * steps + (1 << 20)
    files = checkpoints + snapshots + grids + 16
  }
}
