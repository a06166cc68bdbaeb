// Settings: the autoencoder whose latents are diffused.

import Foundation
import Models
import Storage
import Synchronization
import Tensors

/// Which autoencoder stands between images and a denoiser, and what its latents are.
public struct LatentDiffusionSettings: SettingsSection {
  /// The autoencoder's checkpoint, or its run folder; nil: images themselves are diffused.
  public var path: String?
  /// What an image is encoded as.
  public var code = LatentCoder.Code.mean
  /// The checksum of its weights; nil: they have not been read.
  public var hash: String?
  /// The extents of an image's latents, (h, w, k); nil: they have not been read.
  public var extents: [Int]?
  /// The mean of each channel of the latents; empty: not measured.
  public var shift: [Double] = []
  /// The standard deviation of each; empty: not measured.
  public var scale: [Double] = []

  /// Images themselves are diffused.
  public init() {}

  /// The most images whose latents are measured.
  private static let measured = 4096

  /// The keys: which autoencoder, and what is known of its latents.
  public static let settings: [Setting<Self>] = [
    .path(
      "latent", .training, \.path,
      "diffuse the latents of this autoencoder, a checkpoint or a run folder"),
    .choice("latent_code", .model, \.code, "what an image is encoded as: its mean, or a draw"),
    .scalar(
      "latent_hash", .model, \.hash, values: "auto, or 32 hexadecimal digits",
      "the checksum of its weights; auto: as they are", text: { $0 ?? "auto" }
    ) { (text) throws(Setting<Self>.Mismatch) in
      if text == "auto" { return nil }
      guard text.count == 32, text.allSatisfy(\.isHexDigit) else {
        throw .init(reason: "needs auto, or 32 hexadecimal digits")
      }
      return text.lowercased()
    },
    .wholeNumbers(
      "latent_extents", .model, \.extents, limit: 3,
      "rows, columns and channels of the latents; auto: its own"),
    .numbers(
      "latent_shift", .model, \.shift, "the mean of each channel of the latents; []: measured"),
    .numbers(
      "latent_scale", .model, \.scale, "the deviation of each channel; []: measured"),
  ]

  /// The extents of an image's latents.
  var shape: ImageShape? {
    guard let extents, extents.count == 3, extents.allSatisfy({ (1...4096).contains($0) }) else {
      return nil
    }
    return ImageShape(height: extents[0], width: extents[1], channels: extents[2])
  }

  /// Takes what is `auto` here from another run.
  mutating func fill(from old: LatentDiffusionSettings) {
    guard old.path != nil else { return }
    (path, hash, extents) = (path ?? old.path, hash ?? old.hash, extents ?? old.extents)
    (shift, scale) = (
      shift.isEmpty ? old.shift : shift, scale.isEmpty ? old.scale : scale
    )
  }

  /// Fills in what the autoencoder and its latents of a dataset are, or refuses another one.
  mutating func adopt(_ dataset: ImageDataset) throws {
    guard path != nil else {
      guard self == LatentDiffusionSettings() else {
        throw ConfigurationError(
          source: "latent", reason: "is needed for the other settings of latents.")
      }
      return
    }
    let trained = try autoencoder()
    try trained.requireImages(of: dataset)
    hash = trained.checksum
    let model = try Self.coder(trained)
    let latents = model.chain.latents[0]
    let found = [latents.height, latents.width, latents.channels]
    guard extents ?? found == found else {
      throw ConfigurationError(
        source: "latent_extents", reason: "are \(extents!), but those of \(path!) are \(found).")
    }
    extents = found
    guard shift.isEmpty, scale.isEmpty else { return try requireMoments() }
    (shift, scale) = try Self.moments(
      of: dataset,
      LatentCoder(
        model, .mean, moments: Array(repeating: (0, 1), count: latents.channels)
      ) { trained.makePass($0) })
    try requireMoments()
  }

  private func requireMoments() throws(ConfigurationError) {
    guard let shape, shift.count == shape.channels, scale.count == shape.channels,
      scale.allSatisfy({ $0 > 0 })
    else {
      throw ConfigurationError(
        source: "latent_scale",
        reason: "and latent_shift need a number for each channel of the latents, and a latent that "
          + "is the same for all images cannot be diffused: set fewer latents.")
    }
  }

  /// The mean and the deviation of each channel over some images of a dataset, spread over it.
  private static func moments(
    of dataset: ImageDataset, _ coder: LatentCoder
  ) throws -> (shift: [Double], scale: [Double]) {
    let channels = coder.latents.channels
    var moments = [Moments](repeating: Moments(), count: channels)
    let count = min(dataset.count, measured)
    let reader = try ImageReader(dataset, range: 0..<dataset.count)
    let (pool, shape) = (BufferPool(), dataset.shape)
    for first in stride(from: 0, to: count, by: 64) {
      let indices = (first..<min(first + 64, count)).map { $0 * dataset.count / count }
      let images = Tensor(
        Shape(indices.count, shape.height, shape.width, shape.channels), in: pool)
      try reader.read(indices, into: images.pointer)
      let z = coder.encode(
        Batch(images: images, numbers: indices), Draws(seed: 0, firstImage: first), pool)
      for i in 0..<z.shape.count { moments[i % channels].add(Double(z.pointer[i])) }
    }
    return (moments.map(\.mean), moments.map { $0.variance.squareRoot() })
  }

  // MARK: The autoencoder

  /// The autoencoder, with its moving average.
  ///
  /// - Throws: `StorageError` where it is not there, is another model, or not the one that is known.
  private func autoencoder() throws -> TrainedModel {
    guard let path else { preconditionFailure("There is an autoencoder.") }
    let source = try TrainedModel.read(path: path, .ema, { _ in }) { configuration in
      guard [ModelFamily.autoencoder.name, ModelFamily.vae.name].contains(configuration.run.model)
      else {
        throw ConfigurationError(
          source: "model",
          reason: "is \(configuration.run.model), but latent needs one of model=autoencoder or vae."
        )
      }
      return try configuration.model()
    }
    let configuration = try Configuration.described(
      in: source.checkpoint.configuration, path: source.file)
    let trained = TrainedModel(
      try configuration.model(), weights: source.weights, configuration.data)
    guard hash ?? trained.checksum == trained.checksum else {
      throw StorageError.badData(
        path: source.file,
        reason:
          "is not the autoencoder that the model was trained with: the checksum of its weights is "
          + "\(trained.checksum), not \(hash!); name the right one with latent")
    }
    return trained
  }

  private static func coder(_ trained: TrainedModel) throws -> LatentVariableModel {
    guard let model = trained.model as? LatentVariableModel else {
      preconditionFailure("The family has been compared.")
    }
    return model
  }

  /// Reads the coder.
  func coder() throws -> LatentCoder {
    let trained = try autoencoder()
    return LatentCoder(
      try Self.coder(trained), code, moments: zip(shift, scale).map { (mean: $0, deviation: $1) }
    ) { trained.makePass($0) }
  }
}
