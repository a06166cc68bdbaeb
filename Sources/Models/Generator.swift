// The question of generation: what is image i?

import Layers
import Sampling
import Tensors

/// A model that images can be drawn from.
public protocol Generator: Sendable {
  /// How images are drawn when a user says this.
  ///
  /// - Throws: An error of one line for options that cannot be followed.
  func generation(_ options: GenerationOptions) throws -> any Generation
}

/// What a user says of the images that they want.
public struct GenerationOptions: Sendable {
  /// The seed of all random numbers.
  public var seed: UInt64 = 1
  /// The name of the sampler; nil: the model's default.
  public var sampler: String?
  /// What the sampler is told.
  public var samplerOptions = SamplerOptions()
  /// Whether the predicted x_0 is forced into [−1, 1] before each step.
  public var clipping = true
  /// x_T of images 0, 1, … (n, h, w, c); nil: drawn from the seed.
  public var starts: [Float]?

  /// Images of seed 1.
  public init() {}
}

/// A way to draw images that has been found possible.
public protocol Generation: Sendable {
  /// How often a network is asked for each image: the unit of progress; nil where each image
  /// decides for itself.
  var evaluations: Int? { get }
  /// How the images are made, for the files that hold them.
  var facts: [String: Fact] { get }
  /// Sentences for the user on what was chosen for them.
  var notes: [String] { get }

  /// Draws a whole group of images: each is a function of the options and of its number.
  ///
  /// - Parameters:
  ///   - images: Their numbers.
  ///   - makePass: Makes a pass over the weights for one evaluation of a network.
  ///   - progress: Called after each evaluation.
  /// - Returns: (n, h, w, c) in [−1, 1].
  func draw(_ images: Range<Int>, _ makePass: () -> Pass, progress: () -> Void) -> Tensor
}
