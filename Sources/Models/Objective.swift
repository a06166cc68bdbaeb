// The question of training: what is the loss of a batch?

import Layers
import Tensors

/// What training minimises: the layout of one parameter buffer, and the loss of a batch as a
/// function of it.
///
/// This is all that the engine knows of a model. The gradient of the sum over shards must be the
/// sum of the shards' gradients: a loss sees one shard, and is a mean over its images.
public protocol Objective: Sendable {
  /// Names, shapes and initial values of everything that is learned, in forward order.
  var parameters: ParameterRegistry { get }
  /// What images can be said to show.
  var condition: ConditionKind { get }
  /// The names of the loss's terms, as the metrics call them.
  var terms: [String] { get }
  /// The unit of the terms, `bits/dim` for example; nil where they have none.
  var unit: String? { get }
  /// The vectors that are added beside the terms: the loss by timestep, a schedule's bins.
  var sums: [SumVector] { get }
  /// Sentences for the user on what the settings do.
  var notes: [String] { get }
  /// Whether images can be drawn from it, and not only made of others.
  var drawsImages: Bool { get }
  /// What the readers of a checkpoint must know beside the weights; nil where there is nothing.
  var facts: ModelFacts? { get }

  /// Opens what the model needs beside its weights, before the first loss.
  ///
  /// - Throws: An error of one line where it is not there.
  func prepare() throws

  /// Takes over what a checkpoint knows of its weights beyond what the settings say.
  ///
  /// - Parameters:
  ///   - facts: Those of the checkpoint.
  ///   - weights: The name of the checkpoint's weights that are in use.
  mutating func adopt(_ facts: ModelFacts, weights: String)

  /// Takes over what weights themselves say of how images are evaluated and drawn with them, a learned
  /// noise schedule for example.
  ///
  /// - Parameter weights: The whole parameter buffer; it is only read meanwhile.
  mutating func adopt(weights: UnsafeBufferPointer<Float>)

  /// Records the loss of some images on the tape.
  ///
  /// Training descends along the sum of the terms. In a pass that records no gradient, this is
  /// validation.
  func loss(_ batch: Batch, _ draws: Draws, _ pass: Pass) -> Losses

  /// What the loss draws for each image of a batch and people may ask for, the timesteps for example,
  /// by its name: those that `loss` takes from the same draws.
  ///
  /// - Parameter count: The images of the batch.
  func choices(_ draws: Draws, count: Int) -> [String: [Int]]

  /// Numbers that follow from the sums over all images of a batch and that the metrics show, by their
  /// names.
  ///
  /// - Parameter sums: The vectors of `sums`.
  func figures(_ sums: [[Double]]) -> [String: [Double]]

  /// Numbers kept beside the weights, the same on all ranks, stored under /state/<name>.
  var state: [String: [Double]] { get set }

  /// Updates the state after a step.
  ///
  /// - Parameter sums: The vectors of `sums`, added over all images of the batch; the same bits on
  ///   every rank.
  mutating func absorb(_ sums: [[Double]])
}

extension Objective {
  /// Nothing.
  public var condition: ConditionKind { .none }
  /// None.
  public var unit: String? { nil }
  /// None.
  public var sums: [SumVector] { [] }
  /// None.
  public var notes: [String] { [] }
  /// They can.
  public var drawsImages: Bool { true }
  /// None.
  public var facts: ModelFacts? { nil }
  /// None.
  public func choices(_ draws: Draws, count: Int) -> [String: [Int]] { [:] }
  /// None.
  public func figures(_ sums: [[Double]]) -> [String: [Double]] { [:] }
  /// None.
  public var state: [String: [Double]] {
    get { [:] }
    set { precondition(newValue.isEmpty, "This model keeps no state beside its weights.") }
  }
  /// Does nothing.
  public func prepare() throws {}
  /// Does nothing.
  public mutating func adopt(_ facts: ModelFacts, weights: String) {}
  /// Does nothing.
  public mutating func adopt(weights: UnsafeBufferPointer<Float>) {}
  /// Does nothing.
  public mutating func absorb(_ sums: [[Double]]) {}
}

/// A vector that is added over the images of a batch.
public struct SumVector: Equatable, Sendable {
  /// Its key in the metrics.
  public let name: String
  /// Its length.
  public let count: Int
  /// Whether the metrics show it.
  public let isLogged: Bool

  /// A vector of so many numbers.
  public init(_ name: String, count: Int, isLogged: Bool = true) {
    self.name = name
    self.count = count
    self.isLogged = isLogged
  }
}

/// What the loss of one shard tells.
public struct Losses: Equatable, Sendable {
  /// Each term, a mean over the images.
  public var terms: [Double]
  /// Each of the objective's vectors, a sum over the images.
  public var sums: [[Double]]

  /// Losses of the given terms.
  public init(terms: [Double], sums: [[Double]] = []) {
    self.terms = terms
    self.sums = sums
  }
}
