// What a checkpoint holds.

import Tensors

/// The whole state of a training run between two steps; `docs/formats.md` describes the file.
///
/// Weights, average and moments are contiguous buffers in the order of `layout`. Randomness has no
/// state: it is a function of the seed and the step.
public struct Checkpoint: Equatable, Sendable {
  /// The parts of a checkpoint that are as large as the model, each loaded only where asked for.
  public struct Sections: OptionSet, Sendable {
    /// The bits of the set.
    public let rawValue: Int

    /// A set of the given bits.
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// The weights.
    public static let model = Sections(rawValue: 1)
    /// The moving average of the weights.
    public static let ema = Sections(rawValue: 2)
    /// Adam's two moments.
    public static let moments = Sections(rawValue: 4)
    /// The power averages of the weights.
    public static let averages = Sections(rawValue: 8)
    /// Those of all that the file has.
    public static let present = Sections(rawValue: 16)
    /// Everything: what continuing a run needs.
    public static let all: Sections = [.model, .ema, .moments, .averages]
  }

  /// How far the run has come.
  public struct Progress: Equatable, Sendable {
    /// What steps, shards and epochs may be: as for the settings, products of two fit into an Int.
    static let counts = 0...Int(Int32.max)

    /// The number of finished steps.
    public var step: Int
    /// The number of images that these steps have seen.
    public var imagesSeen: Int
    /// The epoch of each shard: one number for each of `shards`.
    public var epochs: [Int]
    /// The seed of the run.
    public var seed: UInt64
    /// The number of shards V of a global batch.
    public var shards: Int
    /// The loss of the last step, for people to read.
    public var loss: Double

    /// A position in a run.
    public init(
      step: Int, imagesSeen: Int, epochs: [Int], seed: UInt64, shards: Int, loss: Double
    ) {
      self.step = step
      self.imagesSeen = imagesSeen
      self.epochs = epochs
      self.seed = seed
      self.shards = shards
      self.loss = loss
    }
  }

  /// The names and shapes of the tensors, in forward order.
  public var layout: ParameterLayout
  /// The weights; empty where they were not loaded.
  public var model: [Float]
  /// The moving average of the weights; empty where it was not loaded or does not exist.
  public var ema: [Float]
  /// Adam's first moment; empty where it was not loaded or does not exist.
  public var firstMoment: [Float]
  /// Adam's second moment; empty where it was not loaded or does not exist.
  public var secondMoment: [Float]
  /// The power averages of the weights, by their lengths; those that exist and were loaded.
  public var averages: [Double: [Float]]
  /// How far the run has come.
  public var progress: Progress
  /// The resolved configuration, YAML text.
  public var configuration: String
  /// What readers must know of the model beside the weights; nil where there is nothing.
  public var facts: ModelFacts?
  /// Numbers that the model keeps beside its weights, by their names.
  public var state: [String: [Double]]
  /// Numbers that the trainer keeps beside the weights, by their names.
  public var trainer: [String: [Double]]
  /// What validation has found so far; nil where there was none.
  public var validation: ValidationHistory?
  /// The losses of all steps so far, thinned; nil where nothing is known of them.
  public var history: ThinnedSeries?
  /// Where and how the file was made. Only this may differ between equal runs.
  public var provenance: [String: String]

  /// A checkpoint in memory.
  public init(
    layout: ParameterLayout, model: [Float], ema: [Float], firstMoment: [Float],
    secondMoment: [Float], averages: [Double: [Float]] = [:], progress: Progress,
    configuration: String, facts: ModelFacts? = nil, state: [String: [Double]] = [:],
    trainer: [String: [Double]] = [:], provenance: [String: String]
  ) {
    self.layout = layout
    self.model = model
    self.ema = ema
    self.firstMoment = firstMoment
    self.secondMoment = secondMoment
    self.averages = averages
    self.progress = progress
    self.configuration = configuration
    self.facts = facts
    self.state = state
    self.trainer = trainer
    self.provenance = provenance
  }

  /// The groups of the file that hold tensors.
  enum TensorGroup: String, CaseIterable {
    case model = "model"
    case ema = "average"
    case firstMoment = "optimizer/first"
    case secondMoment = "optimizer/second"

    /// The section that the group belongs to.
    var section: Sections {
      switch self {
      case .model: .model
      case .ema: .ema
      case .firstMoment, .secondMoment: .moments
      }
    }

    /// The buffer that the group is written from and read into.
    var buffer: WritableKeyPath<Checkpoint, [Float]> & Sendable {
      switch self {
      case .model: \.model
      case .ema: \.ema
      case .firstMoment: \.firstMoment
      case .secondMoment: \.secondMoment
      }
    }
  }

  /// The first tensor of a buffer with a value that is not finite.
  static func firstNotFinite(
    in buffer: UnsafeBufferPointer<Float>, _ layout: ParameterLayout
  ) -> ParameterLayout.Entry? {
    layout.entries.first { !areFinite(UnsafeBufferPointer(rebasing: buffer[$0.range])) }
  }
}

/// Whether no element is an infinity or NaN.
func areFinite(_ elements: UnsafeBufferPointer<Float>) -> Bool {
  // Exponents of infinities and NaN are all ones; counting vectorises, leaving early does not.
  var count: UInt32 = 0
  for element in elements {
    count &+= element.bitPattern & 0x7f80_0000 == 0x7f80_0000 ? 1 : 0
  }
  return count == 0
}
