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
    public internal(set) var trained: TrainedModel
    /// The checkpoint.
    public let path: String
    /// The number of training steps.
    public let step: Int
    /// What the model is told that images show.
    public let conditioning: ConditioningSettings
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
  ///   - latent: Where the autoencoder is whose latents it is a model of; nil: where the checkpoint says.
  ///   - precision: The format of the operands of products, whatever it was trained with.
  ///   - report: Told on the first rank of damaged checkpoints that were passed over, and of what
  ///     an old one does not say.
  /// - Throws: `AgreedFailure`, `MPIError`.
  public static func load(
    path: String, _ kind: WeightKind, latent: String? = nil, precision: Precision = .float32,
    _ job: Job, report: (String) -> Void
  ) throws -> Loaded {
    let communicator = try job.communicator()
    let read = try job.together {
      communicator.rank == 0 ? try Self.read(path: path, kind, report) : nil
    }
    var loaded = try share(read, communicator) { configuration in
      var configuration = configuration
      if let latent {
        guard configuration.latentDiffusion.path != nil else {
          throw ConfigurationError(
            source: "--latent", reason: "is for a diffusion of latents, which this is not.")
        }
        configuration.latentDiffusion.path = latent
      }
      return try configuration.model()
    }
    loaded.trained.precision = precision
    if let notice = precision.notice, communicator.rank == 0 { report(notice) }
    return loaded
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
    let (trained, configuration) = try communicator.together {
      let configuration = try Configuration.described(in: yaml, path: file)
      var model = try makeModel(configuration)
      model.state = state
      if let facts { model.adopt(facts, weights: kind) }
      return (TrainedModel(model, weights: weights, configuration.data), configuration)
    }
    return Loaded(
      trained: trained, path: file, step: step, conditioning: configuration.conditioning,
      heldOut: configuration.validation.heldOut ?? 0)
  }

  /// Reads and checks a checkpoint.
  package static func read(
    path: String, _ kind: WeightKind, _ report: (String) -> Void,
    makeModel: (Configuration) throws -> any Objective = { try $0.model() }
  ) throws -> Source {
    let (file, checkpoint) = try find(path, kind.section, report, makeModel)
    let weights = try kind.weights(in: checkpoint, path: file)
    let configuration = try Configuration.described(in: checkpoint.configuration, path: file)
    if configuration.data.levels == 0, configuration.data.valueRange == nil {
      report("\(file) does not say the range of its images: samples are in -1 … 1.")
    }
    return Source(file: file, checkpoint: checkpoint, kind: kind, weights: weights)
  }

  /// The checkpoint that a path stands for: itself, or the newest good one of a run folder.
  ///
  /// - Throws: `StorageError`; where a folder has checkpoints and none is good, that of the newest.
  private static func find(
    _ path: String, _ sections: Checkpoint.Sections, _ report: (String) -> Void,
    _ makeModel: (Configuration) throws -> any Objective
  ) throws(StorageError) -> (path: String, Checkpoint) {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw .missingInput(
        path: path, reason: "there is no checkpoint and no run folder of this name")
    }
    guard isFolder.boolValue else {
      let checkpoint = try Checkpoint.read(path: path, sections: sections)
      try checkpoint.requireModel(path: path, makeModel)
      return (path, checkpoint)
    }
    let run = RunFolder(path)
    let folder = run.exists ? run.checkpoints : CheckpointFolder(path: path)
    let (found, skipped) = try folder.newest { (step) throws(StorageError) in
      let (path, checkpoint) = (
        folder.path(step: step), try folder.read(step: step, sections: sections)
      )
      try checkpoint.requireModel(path: path, makeModel)
      return (path, checkpoint)
    }
    guard let found else {
      throw skipped.first
        ?? .missingInput(path: path, reason: "there is no good checkpoint in this folder")
    }
    for error in skipped { report("skipped \(error)") }
    return found
  }
}
