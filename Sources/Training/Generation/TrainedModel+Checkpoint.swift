// Trained models from checkpoints: one rank reads, all receive.

import Foundation
import MPI
import Models
import Storage
import Tensors

extension TrainedModel {
  /// A model with the file that it is from.
  public struct Loaded {
    /// The model.
    public let trained: TrainedModel
    /// The checkpoint.
    public let path: String
    /// The number of training steps.
    public let step: Int
    /// How many images at the end of its dataset the run has not trained on.
    public let heldOut: Int
  }

  /// Reads a checkpoint on the first rank, for all; collective.
  ///
  /// So all ranks have the same weights, whatever a training run saves meanwhile and whatever the
  /// disks of the nodes hold.
  ///
  /// - Parameters:
  ///   - path: A checkpoint, or a run folder, which stands for its newest good checkpoint.
  ///   - kind: Which weights.
  ///   - report: Told on the first rank of damaged checkpoints that were passed over, and of what
  ///     an old one does not say.
  /// - Throws: `AgreedFailure`, `MPIError`.
  public static func load(
    path: String, _ kind: WeightKind, _ job: Job, report: (String) -> Void
  ) throws -> Loaded {
    let communicator = try job.communicator()
    let read = try job.together {
      communicator.rank == 0 ? try Self.read(path: path, kind, report) : nil
    }
    return try share(read, communicator)
  }

  /// A checkpoint that the first rank has read and checked.
  package struct Source {
    let file: String
    let checkpoint: Checkpoint
    let kind: WeightKind
    let weights: [Float]
  }

  /// The model of the checkpoint that the first rank has read, on all ranks; collective.
  package static func share(
    _ read: Source?, _ communicator: Communicator,
    makeModel: (Configuration) throws -> any Objective = { try $0.model() }
  ) throws -> Loaded {
    func shared(_ text: String?) throws(MPIError) -> String {
      try communicator.broadcast(text ?? "", from: 0)
    }
    let (file, yaml) = (try shared(read?.file), try shared(read?.checkpoint.configuration))
    let step = try communicator.broadcast([read?.checkpoint.progress.step ?? 0], from: 0)[0]
    let weights = try communicator.broadcast(read?.weights ?? [], from: 0)
    let state = try Checkpoint.shareState(read?.checkpoint, communicator)
    let facts = try Checkpoint.shareFacts(read?.checkpoint, communicator)
    let kind = try shared(read?.kind.rawValue)
    let (trained, heldOut) = try communicator.together {
      let configuration = try Self.configuration(yaml, path: file)
      var model = try makeModel(configuration)
      model.state = state
      if let facts { model.adopt(facts, weights: kind) }
      return (
        TrainedModel(model, weights: weights, configuration.data),
        configuration.validation.heldOut ?? 0
      )
    }
    return Loaded(trained: trained, path: file, step: step, heldOut: heldOut)
  }

  /// Reads and checks a checkpoint.
  package static func read(
    path: String, _ kind: WeightKind, _ report: (String) -> Void,
    makeModel: (Configuration) throws -> any Objective = { try $0.model() }
  ) throws -> Source {
    let file = try checkpointPath(path, report)
    let checkpoint = try Checkpoint.read(path: file, sections: kind.section)
    let weights = try kind.weights(in: checkpoint, path: file)
    let configuration = try configuration(checkpoint.configuration, path: file)
    let model: any Objective
    do {
      model = try makeModel(configuration)
    } catch {
      throw StorageError.badData(path: file, reason: "/config describes no model: \(error)")
    }
    try model.parameters.layout.require(of: checkpoint, path: file)
    try model.requireState(of: checkpoint, path: file)
    if let facts = model.facts {
      guard let found = checkpoint.facts else {
        throw StorageError.badData(path: file, reason: "has no group /\(facts.name)")
      }
      if let place = facts.difference(from: found) {
        throw StorageError.badData(
          path: file, reason: "\(place) is not what the settings in /config say")
      }
    }
    if configuration.data.levels == 0, configuration.data.valueRange == nil {
      report("\(file) does not say the range of its images: samples are in -1 … 1.")
    }
    return Source(file: file, checkpoint: checkpoint, kind: kind, weights: weights)
  }

  /// The checkpoint that a path stands for: itself, or the newest good one of a run folder.
  ///
  /// - Throws: `StorageError`.
  private static func checkpointPath(_ path: String, _ report: (String) -> Void) throws -> String {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw StorageError.missingInput(
        path: path, reason: "there is no checkpoint and no run folder of this name")
    }
    guard isFolder.boolValue else { return path }
    let run = RunFolder(path)
    let folder = run.exists ? run.checkpoints : CheckpointFolder(path: path)
    let latest = try folder.latestGood()
    for skipped in latest.skipped { report("skipped \(skipped)") }
    guard let newest = latest.path else {
      throw StorageError.missingInput(
        path: path, reason: "there is no good checkpoint in this folder")
    }
    return newest
  }

  /// The configuration in a checkpoint, with everything filled in.
  private static func configuration(_ yaml: String, path: String) throws -> Configuration {
    var configuration = Configuration()
    do {
      try configuration.apply(yaml: yaml, source: "\(path):/config")
    } catch {
      throw StorageError.badData(path: path, reason: "/config cannot be used: \(error)")
    }
    guard configuration.data.shape != nil, configuration.data.levels != nil else {
      throw StorageError.badData(path: path, reason: "/config does not say the image's extents")
    }
    return configuration
  }
}
