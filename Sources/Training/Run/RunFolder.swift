// The names of the files of a run.

import Foundation
import Storage

/// The folder of one run: configuration, metrics, checkpoints, sample grids, and snapshots of the
/// power averages where the run keeps them.
///
///     config.yaml   metrics.jsonl   checkpoints/step-00000500.h5   samples/step-00000500.png
///     averages/step-00000100.h5   diverged/step-00000700.h5   history.jsonl   lock
///     report.html   status.json   metrics.csv   data.png   events.out.tfevents.….ddpm-dist
public struct RunFolder: Sendable {
  /// The folder's path.
  public let path: String

  /// The run at a path, which need not exist yet.
  public init(_ path: String) { self.path = path }

  /// The resolved configuration.
  public var configuration: String { "\(path)/config.yaml" }
  /// One JSON object a step.
  public var metrics: String { "\(path)/metrics.jsonl" }
  /// One JSON object a start.
  public var history: String { "\(path)/history.jsonl" }
  /// A page on the run.
  public var report: String { "\(path)/report.html" }
  /// How the run goes, for scripts.
  public var status: String { "\(path)/status.json" }
  /// The metrics as a table.
  public var table: String { "\(path)/metrics.csv" }
  /// The curves of a long log, so that it is read only once.
  public var curves: String { "\(path)/metrics.curves.json" }
  /// The first images that the run learns from.
  public var dataGrid: String { "\(path)/data.png" }
  /// The checkpoints.
  public var checkpoints: CheckpointFolder { CheckpointFolder(path: "\(path)/checkpoints") }

  /// The snapshots of the power averages.
  public var averages: CheckpointFolder { CheckpointFolder(path: "\(path)/averages") }

  /// The states from which steps diverged.
  public var diverged: CheckpointFolder { CheckpointFolder(path: "\(path)/diverged") }

  /// The grid of images drawn after a step.
  public func samples(step: Int) -> String {
    let digits = String(step)
    let name = String(repeating: "0", count: max(0, 8 - digits.count)) + digits
    return "\(path)/samples/step-\(name).png"
  }

  /// The way of some images of the newest grid from noise.
  public var trajectory: String { "\(path)/samples/trajectory.png" }

  /// The grids of images drawn so far, in the order of their steps.
  public func sampleGrids() -> [(step: Int, path: String)] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(path)/samples")) ?? []
    return names.compactMap { Int($0.dropFirst(5).dropLast(4)) }.sorted()
      .map { ($0, samples(step: $0)) }.filter { FileManager.default.fileExists(atPath: $0.1) }
  }

  /// Whether a run has begun here, or what it has kept has been brought here.
  public var exists: Bool {
    [configuration, metrics, history].contains { FileManager.default.fileExists(atPath: $0) }
      || [checkpoints, averages].contains { (try? $0.steps().isEmpty) == false }
  }

  /// The file by which a user asks the run to stop.
  public var stopFile: String { "\(path)/STOP" }

  /// The text of the resolved configuration; nil where there is none, or an empty one.
  ///
  /// - Throws: `StorageError.inputOutput` where it cannot be read.
  package func configurationText() throws(StorageError) -> String? {
    let text = try AtomicFile.contents(of: configuration).map {
      String(decoding: $0, as: UTF8.self)
    }
    return text.flatMap { $0.allSatisfy(\.isWhitespace) ? nil : $0 }
  }

  /// Makes the folders, writes the configuration and removes what a killed writer has left.
  ///
  /// Only under the run's lock.
  ///
  /// - Parameters:
  ///   - yaml: The resolved configuration.
  ///   - keepsAverages: Whether the run makes snapshots of its power averages.
  ///   - step: Where the run goes on: snapshots of later steps are removed, as those steps are done
  ///     again.
  ///   - record: What is written before the configuration.
  /// - Throws: `StorageError.cannotCreate` or `.inputOutput`.
  package func prepare(
    configuration yaml: String, keepsAverages: Bool = false, afterStep step: Int = 0,
    before record: () throws(StorageError) -> Void = {}
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
    try sweep()
    if FileManager.default.fileExists(atPath: averages.path) { try averages.remove(after: step) }
    try record()
    try AtomicFile.write(Array(yaml.utf8), to: configuration)
  }

  /// Removes the temporary files of every kind that killed writers have left.
  ///
  /// Only under the run's lock.
  ///
  /// - Throws: `StorageError.missingInput` or `.inputOutput`.
  package func sweep() throws(StorageError) {
    try checkpoints.removeStaleTemporaries()
    for folder in [averages, diverged] where FileManager.default.fileExists(atPath: folder.path) {
      try folder.removeStaleTemporaries()
    }
    try AtomicFile.removeLeft(in: diverged.path) { $0.hasPrefix("step-") && $0.hasSuffix(".json") }
    try AtomicFile.removeLeft(in: "\(path)/samples") { name in
      let picture = "\(path)/samples/\(name)"
      if picture == trajectory { return true }
      // The name of the grid of the step that it names, and no other.
      guard let step = Int(name.dropFirst(5).dropLast(4)), step >= 0 else { return false }
      return samples(step: step) == picture
    }
    let own = [
      configuration, metrics, history, report, status, table, curves, dataGrid,
      "\(path)/\(RunLock.name)",
    ]
    try AtomicFile.removeLeft(in: path) {
      own.contains("\(path)/\($0)") || $0.hasPrefix("events.out.tfevents.")
    }
  }
}
