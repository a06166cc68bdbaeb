// The names of the files of a run.

import Foundation
import Storage

/// The folder of one run: configuration, metrics, checkpoints, sample grids, and snapshots of the
/// power averages where the run keeps them.
///
///     config.yaml   metrics.jsonl   checkpoints/step-00000500.h5   samples/step-00000500.png
///     averages/step-00000100.h5
public struct RunFolder: Sendable {
  /// The folder's path.
  public let path: String

  /// The run at a path, which need not exist yet.
  public init(_ path: String) { self.path = path }

  /// The resolved configuration.
  public var configuration: String { "\(path)/config.yaml" }
  /// One JSON object a step.
  public var metrics: String { "\(path)/metrics.jsonl" }
  /// The checkpoints.
  public var checkpoints: CheckpointFolder { CheckpointFolder(path: "\(path)/checkpoints") }

  /// The snapshots of the power averages.
  public var averages: CheckpointFolder { CheckpointFolder(path: "\(path)/averages") }

  /// The grid of images drawn after a step.
  public func samples(step: Int) -> String {
    let digits = String(step)
    let name = String(repeating: "0", count: max(0, 8 - digits.count)) + digits
    return "\(path)/samples/step-\(name).png"
  }

  /// Whether a run has begun here, or its checkpoints have been brought here.
  public var exists: Bool {
    FileManager.default.fileExists(atPath: configuration)
      || FileManager.default.fileExists(atPath: metrics)
      || (try? checkpoints.steps().isEmpty) == false
  }

  /// The file by which a user asks the run to stop.
  public var stopFile: String { "\(path)/STOP" }

  /// Makes the folders, writes the configuration and removes what a killed writer has left.
  ///
  /// - Parameters:
  ///   - yaml: The resolved configuration.
  ///   - keepsAverages: Whether the run makes snapshots of its power averages.
  ///   - step: Where the run goes on: snapshots of later steps are removed, as those steps are done
  ///     again.
  /// - Throws: `StorageError.cannotCreate` or `.inputOutput`.
  package func prepare(
    configuration yaml: String, keepsAverages: Bool = false, afterStep step: Int = 0
  ) throws(StorageError) {
    var folders = [path, "\(path)/checkpoints", "\(path)/samples"]
    if keepsAverages { folders.append(averages.path) }
    for folder in folders {
      do {
        try FileManager.default.createDirectory(
          atPath: folder, withIntermediateDirectories: true)
      } catch {
        throw .cannotCreate(
          path: folder,
          reason: "the run folder cannot be made (\(systemCause(of: error))); choose another --run")
      }
    }
    try checkpoints.removeStaleTemporaries()
    if FileManager.default.fileExists(atPath: averages.path) {
      try averages.removeStaleTemporaries()
      try averages.remove(after: step)
    }
    try AtomicFile.write(Array(yaml.utf8), to: configuration)
  }
}
