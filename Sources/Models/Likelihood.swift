// The question of evaluation: what does an image cost?

import Layers

/// A model with a bound on −log p(x), term by term.
public protocol Likelihood: Sendable {
  /// The names of the bound's terms: T + 1 of a chain, layers + 1 of a hierarchical autoencoder.
  var boundTerms: [String] { get }

  /// Every term of the bound of each image.
  ///
  /// - Parameters:
  ///   - batch: A whole group of images.
  ///   - draws: Their random numbers.
  ///   - makePass: Makes a pass over the weights for one evaluation of a network.
  /// - Returns: Nats, summed over the scalars: for each image, one number for each term.
  func bound(_ batch: Batch, _ draws: Draws, _ makePass: () -> Pass) -> [[Double]]
}
