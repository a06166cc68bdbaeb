// A text encoder that has learned elsewhere, and learns no more.

import Tensors

/// CLIP's text model (Radford et al. 2021, section 2.4): a transformer in which a token reads those
/// before it, so that the last one stands for the whole caption.
public struct CLIPTextModel: Sendable {
  /// Its extents.
  public let configuration: CLIPTextConfiguration
  private let transformer: TextTransformer
  private let weights: [Float]

  /// A model with the weights of a file.
  ///
  /// - Parameter read: Gives the scalars of the tensor of a name, in row-major order, as many as its
  ///   extents say.
  /// - Throws: What `read` throws.
  public init<Failure: Error>(
    _ configuration: CLIPTextConfiguration, read: (_ name: String) throws(Failure) -> [Float]
  ) throws(Failure) {
    self.configuration = configuration
    var registry = ParameterRegistry()
    transformer = TextTransformer(
      "text", &registry,
      TransformerExtents(
        vocabulary: configuration.vocabulary, width: configuration.width,
        layers: configuration.layers, heads: configuration.heads, hidden: configuration.hidden,
        context: configuration.context, activation: .quick, isCausal: true))
    let ranges = Dictionary(
      uniqueKeysWithValues: registry.layout.entries.map { ($0.name, $0.range) })
    var weights = [Float](repeating: 0, count: registry.layout.count)
    for tensor in configuration.tensors {
      let scalars = try read(configuration.prefix + tensor.name)
      guard let range = ranges[tensor.ours], scalars.count == range.count else {
        preconditionFailure("The tensor \(tensor.name) has other extents than it said.")
      }
      guard tensor.isTurned else {
        weights.replaceSubrange(range, with: scalars)
        continue
      }
      let (outputs, inputs) = (tensor.extents[0], tensor.extents[1])
      for output in 0..<outputs {
        for input in 0..<inputs {
          weights[range.lowerBound + input * outputs + output] = scalars[output * inputs + input]
        }
      }
    }
    self.weights = weights
  }

  /// A caption as a network reads it: the vectors of its tokens behind the last normalisation, and
  /// that of the last token, which ends the caption.
  ///
  /// Each caption is encoded by itself, so that its bits depend on nothing else.
  ///
  /// - Parameter tokens: 1 … `context` of them.
  public func callAsFunction(_ tokens: [Int], in pool: BufferPool) -> EncodedText {
    precondition(!tokens.isEmpty, "A caption has at least one token.")
    return weights.withUnsafeBufferPointer { weights in
      let pass = Pass(pool: pool, weights: weights.baseAddress!)
      let sequence = Array(transformer([tokens], pass).value.scalars)
      return EncodedText(
        sequence: sequence, summary: Array(sequence.suffix(configuration.width)))
    }
  }
}
