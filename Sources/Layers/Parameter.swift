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
  /// How each tensor is filled, and the index of its random numbers among those of its part.
  private var fillings: [(Initialization, part: Part, index: Int)] = []
  private var counts: [Part: Int] = [:]

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
    fillings.append((initialization, part, counts[part, default: 0]))
    counts[part, default: 0] += 1
    let range = layout.append(name, shape: shape)
    if decays ?? (shape.count >= 2) { decaying.append(range) }
    return Parameter(range: range)
  }

  /// The initial parameter buffer: a function of the seed alone.
  public func initialWeights(seed: UInt64) -> [Float] {
    [Float](unsafeUninitializedCapacity: layout.count) { buffer, count in
      for tensor in layout.entries.indices { fill(tensor, of: buffer, seed: seed) }
      count = layout.count
    }
  }

  /// Gives a tensor its initial weights, those of `initialWeights(seed:)`.
  ///
  /// - Parameters:
  ///   - tensor: Its place among the entries of the layout.
  ///   - buffer: The parameter buffer.
  ///   - seed: What all random numbers follow from.
  package func fill(
    _ tensor: Int, of buffer: UnsafeMutableBufferPointer<Float>, seed: UInt64
  ) {
    let (initialization, part, index) = fillings[tensor]
    let scalars = UnsafeMutableBufferPointer(rebasing: buffer[layout.entries[tensor].range])
    switch initialization {
    case .constant(let value):
      scalars.update(repeating: value)
    case .glorot(let fanIn, let fanOut, let scale):
      RandomStream(seed: seed, purpose: part.purpose, shard: index)
        .fillUniform(scalars, limit: scale * (6 / Double(fanIn + fanOut)).squareRoot())
    }
  }
}
