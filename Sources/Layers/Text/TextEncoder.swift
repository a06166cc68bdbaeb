// An encoder of captions that learns beside the network.

import Tensors

/// The extents of a text encoder.
public struct TextEncoderConfiguration: Equatable, Sendable {
  /// The number of tokens that there are.
  public var vocabulary: Int
  /// The channels of a token's vector.
  public var width = 64
  /// The number of blocks.
  public var layers = 2
  /// The heads of each attention.
  public var heads = 4
  /// The most tokens of a caption.
  public var context = 32

  /// The smallest encoder that is of use, for a vocabulary.
  public init(vocabulary: Int) { self.vocabulary = vocabulary }

  /// Why there can be no encoder of these extents, as a sentence; nil where there can.
  public var defect: String? {
    if vocabulary < 1 { return "A vocabulary needs at least one token." }
    if width < 16 || width % 16 != 0 {
      // Other products round a row otherwise when there are more rows: a caption's vectors would
      // depend on how far it is padded.
      return "The width of a text encoder must be a multiple of 16, not \(width)."
    }
    if layers < 1 { return "A text encoder needs at least one layer." }
    if heads < 1 || width % heads != 0 {
      return "\(heads) heads do not divide the \(width) channels of the text encoder."
    }
    if context < 1 { return "A caption needs room for at least one token." }
    return nil
  }

  var extents: TransformerExtents {
    TransformerExtents(
      vocabulary: vocabulary, width: width, layers: layers, heads: heads, hidden: 4 * width,
      context: context)
  }
}

/// A transformer over the tokens of captions, in which every position reads all others; the vector of
/// a caption is the mean of its tokens'.
package struct TextEncoder: Sendable {
  /// Its extents.
  package let configuration: TextEncoderConfiguration
  private let transformer: TextTransformer
  private let head: TextHead

  /// Registers `text/…`.
  ///
  /// - Parameter outputs: The channels of the vector of a caption.
  package init(
    _ registry: inout ParameterRegistry, _ configuration: TextEncoderConfiguration, outputs: Int
  ) {
    if let defect = configuration.defect { preconditionFailure(defect) }
    self.configuration = configuration
    transformer = TextTransformer("text", &registry, configuration.extents)
    head = TextHead("text", &registry, width: configuration.width, outputs: outputs)
  }

  /// The captions of a batch.
  ///
  /// - Parameter captions: The tokens of each, 1 … `context`; nil: no caption.
  package func callAsFunction(_ captions: [[Int]?], _ pass: Pass) -> TextEncoding {
    precondition(captions.allSatisfy { $0?.isEmpty != true }, "A caption has at least one token.")
    let texts = captions.map { $0 ?? [] }
    let sequence = transformer(texts, pass)
    let lengths = texts.map(\.count)
    return head(
      sequence, lengths: lengths, summary: pass.average(sequence, lengths: lengths), pass)
  }
}
