// How layers get their weights: claims on one buffer, and initial values.

import Tensors

/// A layer's claim on a range of the parameter buffer.
public struct Parameter: Sendable {
  /// The elements of the parameter buffer.
  public let range: Range<Int>

  package init(range: Range<Int>) { self.range = range }
}

/// The parameters of a model while its layers are made: their layout and their initial values.
public struct ParameterRegistry: Sendable {
  /// How a tensor is filled before training.
  package enum Initialization: Sendable {
    /// Uniform on ±scale · √(6/(fanIn + fanOut)) (Glorot, Bengio 2010, equation 16).
    case glorot(fanIn: Int, fanOut: Int, scale: Double)
    /// One value everywhere.
    case constant(Float)
  }

  /// The parts of a model whose initial weights are drawn by themselves, so that a part more or less
  /// leaves those of the others as they are.
  package enum Part: Sendable {
    /// The network.
    case network
    /// What it has for being told what images show.
    case conditioning

    /// What its random numbers are drawn for.
    var purpose: RandomStream.Purpose {
      switch self {
      case .network: .weights
      case .conditioning: .conditioningWeights
      }
    }
  }

  /// Names, shapes and ranges in forward order.
  public private(set) var layout = ParameterLayout()
  /// The elements that weight decay shrinks, in ascending order: those of tensors that map one
  /// activation to another, none of biases, normalisations and embeddings.
  public private(set) var decaying: [Range<Int>] = []
  private var initializations: [(Initialization, Part)] = []

  /// A registry without parameters.
  public init() {}

  /// Appends a tensor.
  ///
  /// - Parameters:
  ///   - decays: Whether weight decay shrinks it; nil: where it has two extents or more. An embedding
  ///     table says false.
  ///   - part: The part of the model that it belongs to.
  package mutating func add(
    _ name: String, _ shape: [Int], _ initialization: Initialization, decays: Bool? = nil,
    part: Part = .network
  ) -> Parameter {
    initializations.append((initialization, part))
    let range = layout.append(name, shape: shape)
    if decays ?? (shape.count >= 2) { decaying.append(range) }
    return Parameter(range: range)
  }

  /// The initial parameter buffer: a function of the seed alone.
  public func initialWeights(seed: UInt64) -> [Float] {
    var weights = [Float](repeating: 0, count: layout.count)
    weights.withUnsafeMutableBufferPointer { buffer in
      var counts: [Part: Int] = [:]
      for (entry, (initialization, part)) in zip(layout.entries, initializations) {
        let index = counts[part, default: 0]
        counts[part] = index + 1
        let scalars = UnsafeMutableBufferPointer(rebasing: buffer[entry.range])
        switch initialization {
        case .constant(let value):
          scalars.update(repeating: value)
        case .glorot(let fanIn, let fanOut, let scale):
          RandomStream(seed: seed, purpose: part.purpose, shard: index)
            .fillUniform(scalars, limit: scale * (6 / Double(fanIn + fanOut)).squareRoot())
        }
      }
    }
    return weights
  }
}
