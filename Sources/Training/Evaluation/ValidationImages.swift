// Which images validation uses.

import Storage

/// The images that tell whether a run is still learning.
public struct ValidationImages: Sendable {
  /// The dataset that they are in: the one that is trained on, or one of their own.
  public let dataset: ImageDataset
  /// What the model is told of the dataset's images.
  package let conditions: ImageConditions
  /// Their numbers in it.
  public let range: Range<Int>
  /// How many there are that could be used.
  public let available: Int

  /// The images that a configuration asks for, with their number filled in; nil where it asks for
  /// none.
  ///
  /// - Parameters:
  ///   - configuration: With everything that the dataset decides filled in.
  ///   - training: The dataset that is trained on.
  ///   - told: What the model is told of its images.
  /// - Throws: `StorageError` for a file that cannot be used, holds images of another kind or does not say
  ///   what the model is told; `ConfigurationError`.
  init?(
    of configuration: inout Configuration, beside training: ImageDataset,
    _ told: ImageConditions
  ) throws {
    let settings = configuration.validation
    guard settings.every > 0, let source = settings.source else { return nil }
    let available: Range<Int>
    switch source {
    case .share:
      dataset = training
      available = training.count - settings.heldOut!..<training.count
    case .digits:
      dataset = try .digits()
      available = 0..<dataset.count
    case .file(let path, let group):
      dataset = try ImageDataset(path: path, group: group == "/" ? nil : group)
      available = 0..<dataset.count
    }
    try Self.require(dataset, like: training)
    // Captions are read once where the images are those of the training.
    conditions =
      if case .share = source { told } else {
        try ImageConditions(dataset, configuration.conditioning)
      }
    let count = settings.imageCount(
      of: available.count, batch: configuration.training.batch,
      checkpointEvery: configuration.recording.checkpointEvery)
    (range, self.available) = (available.prefix(count), available.count)
    configuration.validation.images = settings.images ?? count
  }

  /// Requires images of the same extents and scale.
  private static func require(
    _ dataset: ImageDataset, like training: ImageDataset
  ) throws(StorageError) {
    for (found, own) in [
      ("\(dataset.shape)", "\(training.shape)"), ("\(dataset.format)", "\(training.format)"),
    ] where found != own {
      throw .badData(
        path: dataset.path,
        reason: "holds images of \(found), but those that are trained on are of \(own)")
    }
  }
}

extension ValidationSettings {
  /// Fills in how many images of a dataset are not trained on.
  ///
  /// - Throws: `ConfigurationError` for a share of no image, or one that is not what `held_out`
  ///   says, as that of a run to be resumed does.
  mutating func holdOut(of dataset: ImageDataset) throws(ConfigurationError) {
    guard case .share(let share) = source else {
      heldOut = heldOut ?? 0
      return
    }
    let count = ValidationSource.count(ofShare: share, of: dataset.count)
    guard count > 0 else {
      throw ConfigurationError(
        source: "validation",
        reason: "\(share) of the \(dataset.count) images of \(dataset.path) is not one image; "
          + "choose a larger share.")
    }
    guard heldOut ?? count == count else {
      throw ConfigurationError(
        source: "held_out",
        reason: "is \(heldOut!), but validation: \(share) holds out the last \(count) of the "
          + "\(dataset.count) images of \(dataset.path); a run keeps the images that it trains on.")
    }
    heldOut = count
  }
}
