// What is in a folder of checkpoints, file by file.

import Foundation
import Storage

/// The checkpoints of a run, judged by their content.
public struct CheckpointList {
  /// One file.
  public struct Entry: Sendable {
    /// The file.
    public let path: String
    /// The step in its name.
    public let step: Int
    /// Its size in bytes; nil for what is no file.
    public let bytes: Int?
    /// When it was made, ISO 8601; nil where it does not say or cannot be read.
    public let date: String?
    /// The loss of its last step; nil where it cannot be read.
    public let loss: Double?
    /// Why it cannot be used; nil where it is good.
    public let fault: StorageError?
    /// Whether the link to the best checkpoint leads to it.
    public let isBest: Bool
  }

  /// The files, the oldest step first.
  public let entries: [Entry]
  /// The paths of HDF5 files whose names are none of a checkpoint.
  public let strangers: [String]

  /// Looks at every checkpoint of a run.
  ///
  /// - Throws: `StorageError.missingInput` where there is no such run, `.inputOutput`.
  public init(run: RunFolder) throws(StorageError) {
    let folder = run.checkpoints
    let best = try folder.bestStep
    strangers = try folder.strangers()
    entries = try folder.steps().map { step in
      let path = folder.path(step: step)
      var (checkpoint, fault): (Checkpoint?, StorageError?)
      do throws(StorageError) {
        checkpoint = try Self.good(path, step: step)
      } catch {
        fault = error
      }
      let attributes = try? FileManager.default.attributesOfItem(atPath: path)
      let isFile = attributes?[.type] as? FileAttributeType == .typeRegular
      return Entry(
        path: path, step: step, bytes: isFile ? attributes?[.size] as? Int : nil,
        date: checkpoint?.provenance["date"], loss: checkpoint?.progress.loss, fault: fault,
        isBest: step == best)
    }
  }

  /// Reads a checkpoint and everything that can be checked of it.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - step: The step in its name; nil: read from the name, where that is one of a checkpoint.
  /// - Throws: `StorageError` that says why it cannot be used.
  @discardableResult
  public static func good(_ path: String, step: Int? = nil) throws(StorageError) -> Checkpoint {
    let checkpoint = try Checkpoint.read(path: path, sections: .present)
    try checkpoint.requireModel(path: path)
    try checkpoint.requireProgress(path: path)
    guard let named = step ?? CheckpointFolder.step(ofPath: path) else { return checkpoint }
    try checkpoint.requireStep(named, path: path)
    return checkpoint
  }
}
