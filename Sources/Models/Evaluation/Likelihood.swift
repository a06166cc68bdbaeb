// The question of evaluation: what does an image cost?

import Diffusion
import Layers
import Tensors

/// A model that bounds −log p(x), or knows it.
public protocol Likelihood: Sendable {
  /// How images are evaluated when a user says this.
  ///
  /// - Throws: An error of one line for options that cannot be followed.
  func evaluation(_ options: EvaluationOptions) throws -> any Evaluation
}

/// A way to evaluate images that has been found possible.
///
/// It has two parts: `measure` turns a group of images into numbers, on any worker of any rank, and
/// `results` turns the numbers of all images into estimates, on one.
public protocol Evaluation: Sendable {
  /// How many numbers an image gives.
  var width: Int { get }
  /// How often a network is asked for each image: the unit of progress; nil where each image
  /// decides for itself.
  var evaluations: Int? { get }
  /// How the images are evaluated, for the files that hold the results.
  var facts: [String: Fact] { get }
  /// Sentences for the user on what was chosen for them.
  var notes: [String] { get }

  /// The numbers of each image of a group.
  ///
  /// - Parameters:
  ///   - batch: A whole group of images.
  ///   - draws: Their random numbers.
  ///   - makePass: Makes a pass over the weights for one evaluation of a network.
  ///   - progress: Called after each evaluation.
  /// - Throws: An error of one line; an `IntegrationError` with the image's place in the group.
  func measure(
    _ batch: Batch, _ draws: Draws, _ makePass: () -> Pass, progress: () -> Void
  ) throws -> [[Double]]

  /// What follows from the numbers of all images.
  func results(of measurements: Measurements) -> EvaluationResults
}

/// What a user says of an evaluation; nil: as the method sees fit.
public struct EvaluationOptions: Equatable, Sendable {
  /// The name of the method; nil: the model's default.
  public var method: String?
  /// The variances of the reverse steps, each of which gives a bound; empty: all that the model has.
  public var variances: [ReverseVariance] = []
  /// The number of steps of a sub-sequence; nil: all of the training.
  public var steps: Int?
  /// Which steps.
  public var grid: EvaluationGrid?
  /// Whether the predicted x_0 is forced into [−1, 1].
  public var clipping: Bool?
  /// How many trajectories, or probes, an image is given.
  public var draws: Int?
  /// The largest error of a step of an integration, relative to the numbers that are integrated.
  public var tolerance: Double?

  /// How many draws of an image give the importance-weighted bound; nil: it is not asked for.
  public var importanceSamples: Int?
  /// Whether the model is told what the images show; nil: both, where it can be told.
  public var condition: EvaluatedCondition?

  /// Nothing is said.
  public init() {}

  /// The options that are set, by their names on the command line.
  var names: Set<String> {
    Set(
      [
        ("variance", !variances.isEmpty), ("steps", steps != nil), ("grid", grid != nil),
        ("clip", clipping != nil), ("draws", draws != nil), ("tolerance", tolerance != nil),
        ("importance-samples", importanceSamples != nil),
      ].filter(\.1).map(\.0))
  }
}

/// Which steps of a chain are evaluated.
public enum EvaluationGrid: Equatable, Sendable {
  /// Those of a rule.
  case rule(TimestepGrid)
  /// Those that give the best bound (Bao et al. 2022, section 5).
  case optimal
}
