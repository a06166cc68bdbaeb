// A folder of diffusers as a checkpoint.

import Foundation
import Layers
import Models
import Storage
import Tensors

/// A network of diffusers as a model of ours, with its weights: for sampling and evaluation, and to begin
/// a run with. There are no moments of an optimizer, so that no run goes on from it.
public struct DiffusersImport {
  /// What diffusers' files may not say.
  public struct Options: Sendable {
    /// The grey levels of the images, 0 for continuous ones; nil: as an export of ours says, else 256.
    public var levels: Int?
    /// The rows and columns of an image, where `sample_size` is null.
    public var size: (height: Int, width: Int)?
    /// The names of the classes: one for each row of the table of classes, or one fewer, where the last
    /// row stands for no class; nil: as an export of ours says, else numbers.
    public var classNames: [String]?
    /// The rows and columns that are taken where neither is said.
    var likelySize: (height: Int, width: Int)?
    /// Names that are taken where neither is said, if they are as many.
    var likelyClassNames: [String]?

    /// What the files say.
    public init() {}
  }

  /// The attribute of a checkpoint's provenance that tells which weights were exported.
  static let weightsKey = "exported_weights"

  /// The checkpoint: weights, and the same as their average.
  public let checkpoint: Checkpoint
  /// What the user should know of the folder, a sentence each.
  public let notes: [String]

  /// Reads a folder.
  ///
  /// - Parameters:
  ///   - path: A pipeline, a model, or the flat layout of old pipelines.
  ///   - options: What the files may not say.
  /// - Throws: `StorageError`, which names file, key and value where our network has no such thing;
  ///   `ConfigurationError` for options that do not fit.
  public init(folder path: String, _ options: Options = Options()) throws {
    let folder = try DiffusersFolder(path)
    let settings = try DiffusersSettings(path: folder.network)
    let unet = try DiffusersUNet(settings, size: options.size ?? options.likelySize)
    if let size = options.size, size != (unet.images.height, unet.images.width) {
      throw settings.refusal(
        "sample_size", nil,
        "leave out --size \(size.height)x\(size.width), which is for folders that do not say it")
    }
    let weights = try DiffusersWeights(folder.weightFiles())
    let record = try DiffusersRecord(weights.metadata, path: weights.path)
    var notes = DiffusersUNet.unknownKeys(settings).map {
      "\(folder.network): \($0) is no key of \(DiffusersUNet.className), and left out of account"
    }
    var configuration =
      try record.map { record throws(StorageError) in
        try Self.base(record, path: weights.path)
      } ?? Configuration()
    configuration.network = unet.network
    configuration.data.height = unet.images.height
    configuration.data.width = unet.images.width
    configuration.data.imageChannels = unet.images.channels
    if record == nil || options.levels != nil {
      configuration.data.levels = options.levels ?? 256
      configuration.data.valueRange = configuration.data.levels == 0 ? [-1, 1] : []
    }
    let scheduler = try DiffusersScheduler(
      try folder.scheduler.map { path throws(StorageError) in try DiffusersSettings(path: path) }
        ?? DiffusersSettings(defaultsOf: path),
      base: record == nil ? nil : configuration.diffusion,
      learnsVariance: unet.outputChannels > unet.images.channels)
    if folder.scheduler == nil {
      notes.append(
        "\(path) has no \(DiffusersFolder.schedulerConfig): the process is taken to be that of diffusers' "
          + "defaults, 1000 steps, linear from 1e-4 to 0.02, of which the network predicts the noise"
      )
    }
    if !scheduler.clips {
      notes.append(
        "\(folder.scheduler!): clip_sample is false; draw with ddpm-sample --no-clip to have it so")
    }
    if let rows = unet.classRows, record == nil,
      (options.classNames ?? options.likelyClassNames)?.count ?? rows == rows
    {
      notes.append(
        "\(folder.network): all \(rows) rows of the table of classes are taken to be classes, and no class "
          + "adds nothing; where the last row stands for no class, give names of the others with "
          + "--class-names")
    }
    configuration.diffusion = scheduler.settings
    try Self.nameClasses(&configuration, rows: unet.classRows, options, settings)
    let checked = try Self.checked(configuration, folder.network)
    try weights.requireRoom(for: checked.network, folder.network)
    let model: any Objective
    do { model = try checked.model() } catch {
      throw StorageError.badData(
        path: folder.network, reason: "describes no model of ours: \(error)")
    }
    let scalars = try weights.read(
      DiffusersTensor.all(
        model.parameters.layout, levels: checked.network.multipliers.count),
      count: model.parameters.layout.count)
    let training = checked.training
    let shards = training.shards ?? 1
    let step = record?.step ?? 0
    checkpoint = Checkpoint(
      layout: model.parameters.layout, model: scalars, ema: scalars, firstMoment: [],
      secondMoment: [],
      progress: Checkpoint.Progress(
        step: step, imagesSeen: step * training.batch,
        epochs: Array(repeating: 0, count: shards), seed: UInt64(training.seed), shards: shards,
        loss: record?.loss ?? .nan),
      configuration: checked.yaml(roles: [.model, .training]), facts: model.facts,
      state: model.state, provenance: Self.provenance(record, path))
    self.notes = notes
  }

  /// The configuration of an export of ours.
  private static func base(
    _ record: DiffusersRecord, path: String
  ) throws(StorageError) -> Configuration {
    let configuration = try Configuration.described(in: record.configuration, path: path)
    guard configuration.run.model == ModelFamily.ddpm.name,
      configuration.latentDiffusion.path == nil, configuration.conditioning.condition != .text
    else {
      throw .badData(path: path, reason: "is damaged: its metadata tell of another kind of model")
    }
    guard configuration.training.shards ?? 1 <= 1 << 16 else {
      throw .badData(
        path: path,
        reason: "is damaged: its metadata tell of \(configuration.training.shards!) shards")
    }
    return configuration
  }

  /// What the rows of the table of classes stand for.
  private static func nameClasses(
    _ configuration: inout Configuration, rows: Int?, _ options: Options,
    _ settings: DiffusersSettings
  ) throws {
    guard let rows else {
      guard options.classNames == nil else {
        throw ConfigurationError(
          source: "--class-names", reason: "are of no use: the network is told no classes.")
      }
      configuration.conditioning.condition = .none
      configuration.conditioning.classNames = nil
      return
    }
    configuration.conditioning.condition = .class
    if let names = options.classNames {
      guard names.count == rows || names.count == rows - 1 else {
        throw ConfigurationError(
          source: "--class-names",
          reason:
            "are \(names.count), but the network's table of classes has \(rows) rows; give as "
            + "many names, or one fewer where the last row stands for no class.")
      }
      configuration.conditioning.classNames = names
      return
    }
    let likely = configuration.conditioning.classNames ?? options.likelyClassNames ?? []
    let fits = !likely.isEmpty && (likely.count == rows || likely.count == rows - 1)
    configuration.conditioning.classNames = fits ? likely : (0..<rows).map(String.init)
  }

  /// The configuration as its own text is read, so that every setting is one that can be given.
  private static func checked(
    _ configuration: Configuration, _ path: String
  ) throws(StorageError) -> Configuration {
    do throws(StorageError) {
      return try Configuration.described(in: configuration.yaml(), path: path)
    } catch {
      throw .badData(
        path: path, reason: "describes what this program's settings cannot say: \(error.reason)")
    }
  }

  private static func provenance(_ record: DiffusersRecord?, _ path: String) -> [String: String] {
    var provenance = [
      "program": "ddpm-dist \(programVersion)", "date": Date.now.formatted(.iso8601),
      "command": CommandLine.arguments.joined(separator: " "), "imported_from": path,
      weightsKey: record?.weights ?? "imported",
    ]
    guard let record else { return provenance }
    provenance[Provenance.dataset] = record.dataset
    provenance[Provenance.datasetHash] = record.datasetHash
    return provenance
  }
}
