// The list of model families, from which the key `model` chooses.

import Models

/// One family of models: its name, and how a configuration becomes a model of it.
///
/// A new family is a file with its model in `Models`, a file with its settings and its
/// `ModelFamily` here, and a line in `all`.
public struct ModelFamily: Sendable {
  /// The name, a value of the key `model`.
  public let name: String
  /// What it is, in one line.
  public let help: String
  /// Makes the model of a configuration whose data settings are filled in.
  ///
  /// Throws `ConfigurationError`, or another error of one line, where there is none.
  let make: @Sendable (Configuration) throws -> any Objective

  /// Every family; the first is the default.
  public static let all: [ModelFamily] = [
    .ddpm, .autoencoder, .vae, .hierarchicalVAE, .vdm,
  ]

  static var names: String { all.map(\.name).joined(separator: ", ") }
}

extension Configuration {
  /// The model that the settings describe; its data settings must be filled in.
  public func model() throws -> any Objective {
    guard let family = ModelFamily.all.first(where: { $0.name == run.model }) else {
      preconditionFailure("The setting takes names of families only.")
    }
    return try family.make(self)
  }
}
