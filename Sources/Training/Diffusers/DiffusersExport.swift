// A checkpoint as a pipeline folder of diffusers.

import Diffusion
import Foundation
import Layers
import Models
import Storage
import Tensors

/// A model that diffusers' `DDPMPipeline` can load, before it is written.
///
/// Equal checkpoints give equal bytes, and an import gives the same files again.
public struct DiffusersExport: Sendable {
  /// The checkpoint.
  public let path: String
  /// The step of the checkpoint.
  public let step: Int
  /// The number of scalars that are learned.
  public let parameters: Int
  private let weights: [Float]
  private let tensors: [DiffusersTensor]
  private let network: JSONValue
  private let scheduler: JSONValue
  private let record: DiffusersRecord
  private let card: String

  /// Refuses, before any work, a folder that holds what no export has written, or one that has without
  /// `--force`.
  ///
  /// - Throws: `StorageError.cannotCreate`.
  public static func check(target: String, isForced: Bool) throws(StorageError) {
    try AtomicFolder.check(
      target, "an exported model", isForced: isForced, isOurs: DiffusersFolder.isOurs)
  }

  /// Reads a checkpoint, and finds out whether diffusers can say what it is.
  ///
  /// - Parameters:
  ///   - checkpoint: A checkpoint, or a run folder: its newest good checkpoint.
  ///   - kind: Which weights.
  ///   - license: Under which licence the model may be used; nil: to be filled in.
  ///   - report: Told of damaged checkpoints that were passed over.
  /// - Throws: `StorageError`; `DiffusersError` for what cannot be said.
  public init(
    checkpoint: String, _ kind: WeightKind, license: String? = nil, report: (String) -> Void
  ) throws {
    let source = try TrainedModel.read(path: checkpoint, kind, report)
    let found = source.checkpoint
    let configuration = try Configuration.described(in: found.configuration, path: source.file)
    guard let model = try configuration.model() as? DenoisingDiffusion else {
      throw DiffusersError.family(
        configuration.latentDiffusion.path == nil
          ? "a model of the family \(configuration.run.model)" : "a diffusion of latents")
    }
    let rows: Int?
    switch model.condition {
    case .none: rows = nil
    // One more, for no class.
    case .classes(let count): rows = count + 1
    case .text, .encodedText: throw DiffusersError.captions
    }
    network = try DiffusersUNet(
      network: configuration.network, images: model.network.images,
      outputChannels: model.network.outputChannels, classRows: rows
    ).file()
    scheduler = try DiffusersScheduler.file(configuration.diffusion, model.diffusion.schedule)
    tensors = DiffusersTensor.all(
      model.network.parameters.layout, levels: configuration.network.multipliers.count)
    weights = source.weights
    (path, step, parameters) = (source.file, found.progress.step, source.weights.count)
    record = DiffusersRecord(
      configuration: found.configuration, step: step,
      loss: found.progress.loss.isFinite ? found.progress.loss : nil,
      // Of an import, both are those that were exported.
      weights: found.provenance[DiffusersImport.weightsKey] ?? kind.rawValue,
      // Without its folders, which are nobody else's business.
      dataset: found.provenance[Provenance.dataset].flatMap { path in
        path.split(separator: "/").last.map(String.init)
      },
      datasetHash: found.provenance[Provenance.datasetHash])
    card =
      DiffusersCard(
        configuration: configuration, record: record, parameters: parameters, license: license
      ).text
  }

  /// Writes the folder: all of it is there afterwards, or nothing has changed.
  ///
  /// - Parameter target: As `check` has accepted it.
  /// - Throws: `StorageError.cannotCreate`, `.inputOutput`.
  public func write(to target: String) throws(StorageError) {
    let folder = try AtomicFolder(target)
    do throws(StorageError) { try fill(folder) } catch { throw folder.named(error) }
    try folder.publish()
  }

  private func fill(_ folder: borrowing AtomicFolder) throws(StorageError) {
    let unet = try folder.makeFolder("unet")
    let own = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) })
    try Safetensors.write(
      tensors.map { Safetensors.Tensor(name: $0.name, shape: $0.shape) },
      metadata: record.metadata, to: "\(unet)/\(DiffusersFolder.safetensors)"
    ) { tensor in
      let tensor = own[tensor.name]!
      return tensor.exported(weights[tensor.entry.range])
    }
    try AtomicFile.write(text(network), to: "\(unet)/\(DiffusersFolder.config)")
    try AtomicFile.write(
      text(scheduler),
      to: "\(try folder.makeFolder("scheduler"))/\(DiffusersFolder.schedulerConfig)")
    try AtomicFile.write(
      text(
        .object([
          "_class_name": "DDPMPipeline", "_diffusers_version": .text(diffusersVersion),
          "scheduler": .list(["diffusers", "DDPMScheduler"]),
          "unet": .list(["diffusers", .text(DiffusersUNet.className)]),
        ])), to: "\(folder.path)/\(DiffusersFolder.index)")
    try AtomicFile.write(card, to: "\(folder.path)/\(DiffusersFolder.card)")
  }

  private func text(_ value: JSONValue) -> String { value.string(pretty: true) + "\n" }
}
