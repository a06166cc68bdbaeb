import Diffusion
import Foundation
import Layers
import Storage
import Tensors

/// Which of a checkpoint's weights are used.
public enum WeightKind: String, CaseIterable, Sendable {
  /// The moving average over the training.
  case average
  /// The weights of the last step.
  case model
}

extension Denoiser {
  /// Reads a trained network.
  ///
  /// - Parameters:
  ///   - path: A checkpoint, or a run folder, which stands for its newest good checkpoint.
  ///   - kind: Which weights.
  ///   - report: Told of damaged checkpoints that were passed over.
  /// - Returns: The network, the file that it is from, and the number of its training steps.
  /// - Throws: `StorageError`.
  public static func load(
    path: String, _ kind: WeightKind, report: (String) -> Void
  ) throws -> (denoiser: Denoiser, path: String, step: Int) {
    let file = try checkpointPath(path, report)
    let checkpoint = try Checkpoint.read(path: file, sections: kind == .model ? .model : .average)
    let values = kind == .model ? checkpoint.model : checkpoint.average
    guard !values.isEmpty else {
      throw StorageError.badData(
        path: file, reason: "has no \(kind.rawValue) weights; choose the others with --weights")
    }
    let configuration = try configuration(of: checkpoint, path: file)
    let network = UNet(configuration.network)
    try network.parameters.layout.require(of: checkpoint, path: file)
    let diffusion = try diffusion(of: configuration, path: file)
    guard diffusion.schedule.betas.count == checkpoint.betas.count,
      zip(diffusion.schedule.betas, checkpoint.betas).allSatisfy({ abs($0 - $1) <= 1e-9 * $1 })
    else {
      throw StorageError.badData(
        path: file, reason: "/diffusion/betas are not those of the schedule in /config")
    }
    let weights = AlignedFloats(count: values.count)
    _ = weights.elements.update(from: values)
    let denoiser = Denoiser(network: network, diffusion: diffusion, weights: weights)
    return (denoiser, file, checkpoint.progress.step)
  }

  /// The checkpoint that a path stands for: itself, or the newest good one of a run folder.
  ///
  /// - Throws: `StorageError`.
  public static func checkpointPath(_ path: String, _ report: (String) -> Void) throws -> String {
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

  private static func diffusion(
    of configuration: Configuration, path: String
  ) throws(StorageError) -> GaussianDiffusion {
    do throws(DiffusionError) {
      return try configuration.diffusion
    } catch {
      throw .badData(path: path, reason: "/config describes no diffusion process: \(error)")
    }
  }

  /// The configuration in a checkpoint, with everything filled in.
  private static func configuration(
    of checkpoint: Checkpoint, path: String
  ) throws -> Configuration {
    var configuration = Configuration()
    do {
      try configuration.apply(yaml: checkpoint.configuration, source: "\(path):/config")
    } catch {
      throw StorageError.badData(path: path, reason: "/config cannot be used: \(error)")
    }
    guard configuration.height != nil, configuration.width != nil,
      configuration.imageChannels != nil, configuration.levels != nil
    else {
      throw StorageError.badData(path: path, reason: "/config does not say the image's extents")
    }
    configuration.adoptExtents()
    if let defect = configuration.network.defect {
      throw StorageError.badData(path: path, reason: "/config describes no network: \(defect)")
    }
    return configuration
  }
}
