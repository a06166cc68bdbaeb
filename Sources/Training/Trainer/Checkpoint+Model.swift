// Whether a checkpoint agrees with the configuration that is in it.

import Models
import Storage
import Tensors

extension Configuration {
  /// The configuration in a checkpoint, with everything filled in.
  ///
  /// - Parameters:
  ///   - yaml: The text of `/config`.
  ///   - path: The checkpoint, for messages.
  /// - Throws: `StorageError.badData`.
  package static func described(
    in yaml: String, path: String
  ) throws(StorageError) -> Configuration {
    var configuration = Configuration()
    do throws(ConfigurationError) {
      try configuration.apply(yaml: yaml, source: "\(path):/config")
    } catch {
      throw .badData(path: path, reason: "/config cannot be used: \(error)")
    }
    guard configuration.data.shape != nil, configuration.data.levels != nil else {
      throw .badData(path: path, reason: "/config does not say the image's extents")
    }
    return configuration
  }
}

extension Checkpoint {
  /// Requires that tensors, state and facts are those of the model in the configuration.
  ///
  /// - Parameters:
  ///   - path: The file, for messages.
  ///   - makeModel: Makes the model of the configuration.
  /// - Throws: `StorageError.badData`.
  package func requireModel(
    path: String, _ makeModel: (Configuration) throws -> any Objective = { try $0.model() }
  ) throws(StorageError) {
    let described = try Configuration.described(in: configuration, path: path)
    let model: any Objective
    do {
      model = try makeModel(described)
    } catch {
      throw .badData(path: path, reason: "/config describes no model: \(error)")
    }
    try model.parameters.layout.require(of: self, path: path)
    try model.requireState(of: self, path: path)
    guard let facts = model.facts else { return }
    guard let found = self.facts else {
      throw .badData(path: path, reason: "has no group /\(facts.name)")
    }
    if let place = facts.difference(from: found) {
      throw .badData(path: path, reason: "\(place) is not what the settings in /config say")
    }
  }

  /// Requires that the progress is one that a run of the configuration can have made.
  ///
  /// - Throws: `StorageError.badData`.
  package func requireProgress(path: String) throws(StorageError) {
    let training = try Configuration.described(in: configuration, path: path).training
    let seen = progress.step * training.batch
    let fault: String? =
      if progress.seed != UInt64(training.seed) {
        "the seed is \(progress.seed) and not \(training.seed)"
      } else if let shards = training.shards, shards != progress.shards {
        "there are \(progress.shards) shards and not \(shards)"
      } else if progress.imagesSeen != seen {
        "\(progress.imagesSeen) images were seen and not \(seen)"
      } else if TrainerState(trainer, step: progress.step) == nil {
        "/trainer is not that of a run after \(progress.step) steps"
      } else {
        nil
      }
    if let fault {
      throw .badData(path: path, reason: "/progress contradicts /config: \(fault)")
    }
  }
}
