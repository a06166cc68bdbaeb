// The weights that a run begins with, where it does not draw them.

import Logging
import MPI
import Models
import Storage
import Tensors

/// Weights of another run, or of another program, that a new run takes over: nothing else of it, so that
/// the optimizer is new and the first step is 1.
struct InitialWeights {
  /// The whole parameter buffer, the same on all ranks.
  let weights: [Float]
  /// Where they come from, a line.
  let origin: String

  /// Reads them on the first rank, for all; collective.
  ///
  /// Of a checkpoint, the moving average is taken over, which is what samples best.
  ///
  /// - Parameters:
  ///   - path: A checkpoint, a run folder, which stands for its newest good checkpoint, or a folder of
  ///     diffusers.
  ///   - plan: The run that begins.
  /// - Throws: `AgreedFailure` where there are no such weights, or those of another network: the line
  ///   names the tensor and the setting. `MPIError`.
  init(_ path: String, _ plan: TrainingPlan, _ job: Job, _ logger: Logger) throws {
    let communicator = try job.communicator()
    let read = try job.together {
      () throws -> (weights: [Float], origin: String)? in
      guard communicator.rank == 0 else { return nil }
      let source = try Self.source(path, plan, logger)
      try Self.requireFit(source, plan)
      for difference in try Self.differences(source, plan) {
        logger.warning("\(source.file): \(difference.key) was \(difference.other) there.")
      }
      let (kind, step) = (source.kind.rawValue, source.checkpoint.progress.step)
      return (source.weights, "\(source.file), step \(step), \(kind)")
    }
    weights = try communicator.broadcast(read?.weights ?? [], from: 0)
    origin = try communicator.broadcast(read?.origin ?? "", from: 0)
    logger.info("The first weights are those of \(origin).")
  }

  private static func source(
    _ path: String, _ plan: TrainingPlan, _ logger: Logger
  ) throws -> TrainedModel.Source {
    guard DiffusersFolder.fits(path) else {
      return try TrainedModel.read(path: path, .ema) { logger.warning("\($0)") }
    }
    var options = DiffusersImport.Options()
    // What the folder may not say is that of the run.
    let images = plan.dataset.shape
    options.likelySize = (images.height, images.width)
    options.likelyClassNames = plan.configuration.conditioning.classNames
    let found = try DiffusersImport(folder: path, options)
    for note in found.notes { logger.warning("\(note)") }
    return TrainedModel.Source(
      file: path, checkpoint: found.checkpoint, kind: .ema, weights: found.checkpoint.ema)
  }

  /// Refuses weights of another network.
  private static func requireFit(_ source: TrainedModel.Source, _ plan: TrainingPlan) throws {
    let own = plan.objective.parameters.layout
    guard let fault = difference(of: source.checkpoint.layout, from: own) else { return }
    let others = try differences(source, plan)
    let reason = others.first { $0.shapes }.map {
      ": \($0.key) is \($0.own) here and \($0.other) there; set it as it is there, or leave out "
        + "--init-from"
    }
    throw StorageError.badData(
      path: source.file, reason: "does not fit this run: \(fault)\(reason ?? "")")
  }

  /// The first tensor in which two layouts differ, as a sentence without its end; nil where none does.
  private static func difference(of found: ParameterLayout, from own: ParameterLayout) -> String? {
    let theirs = Dictionary(uniqueKeysWithValues: found.entries.map { ($0.name, $0.shape) })
    for entry in own.entries {
      guard let shape = theirs[entry.name] else {
        return "it has no tensor \(entry.name), which is \(entry.shape) here"
      }
      guard shape == entry.shape else {
        return "its tensor \(entry.name) is \(shape), and \(entry.shape) here"
      }
    }
    let names = Set(own.entries.map(\.name))
    if let more = found.entries.first(where: { !names.contains($0.name) }) {
      return "it has a tensor \(more.name), and this run has none"
    }
    return found == own ? nil : "its tensors stand in another order"
  }

  /// The sections whose settings say what the weights mean.
  private static let sections: Set = [
    "run", "data", "network", "diffusion", "latents", "conditioning",
  ]
  /// Settings of them that say nothing of the network's tensors.
  private static let shapeless: Set = [
    "flip", "levels", "value_range", "dropout", "heads", "groups", "diffusion_steps", "schedule",
    "beta_start", "beta_end", "betas", "zero_terminal_snr", "prediction", "timestep_sampling",
  ]
  /// Settings of them that may differ without a word: they say nothing of what the network has learned.
  private static let silent: Set = ["name", "flip", "dropout", "timestep_sampling"]

  /// A setting that is another one than in the source.
  private struct Difference {
    let key, own, other: String
    /// Whether tensors may have other extents because of it.
    let shapes: Bool
  }

  /// The settings of the model that are others here, in the order of the documentation.
  private static func differences(
    _ source: TrainedModel.Source, _ plan: TrainingPlan
  ) throws -> [Difference] {
    let there = try Configuration.described(in: source.checkpoint.configuration, path: source.file)
    return Configuration.sections.filter { sections.contains($0.title) }.flatMap(\.settings)
      .filter { !silent.contains($0.key) && ($0.role == .model || $0.key == "variance") }
      .compactMap { setting in
        let (own, other) = (setting.value(in: plan.configuration), setting.value(in: there))
        guard own != other else { return nil }
        return Difference(
          key: setting.key, own: shortened(own), other: shortened(other),
          shapes: !shapeless.contains(setting.key))
      }
  }

  private static func shortened(_ value: String) -> String {
    value.count <= 100 ? value : "\(value.prefix(99))…"
  }
}
