// From tokens to a vector for each of them.

import Tensors

/// A transformer over tokens: a row of a table for each token and one for its place, blocks, and a
/// normalisation behind them.
struct TextTransformer: Sendable {
  let extents: TransformerExtents
  private let tokens: Parameter
  private let positions: Parameter
  private let blocks: [TransformerBlock]
  private let norm: LayerNormalizationLayer

  /// Registers all layers. The rows of both tables begin normal in size, about 1 and ½, so that a
  /// position's vector is mostly that of its token before the blocks have learned.
  init(_ name: String, _ registry: inout ParameterRegistry, _ extents: TransformerExtents) {
    self.extents = extents
    let width = extents.width
    // Uniform numbers with fans of one have the deviation that is given as the scale.
    func table(_ part: String, rows: Int, deviation: Double) -> Parameter {
      registry.add(
        "\(name)/\(part)", [rows, width], .glorot(fanIn: 1, fanOut: 1, scale: deviation),
        decays: false, part: .conditioning)
    }
    tokens = table("token_embedding", rows: extents.vocabulary, deviation: 1)
    positions = table("position_embedding", rows: extents.context, deviation: 0.5)
    blocks = (0..<extents.layers).map {
      TransformerBlock("\(name)/block_\($0)", &registry, extents)
    }
    norm = LayerNormalizationLayer("\(name)/norm_out", &registry, channels: width)
  }

  /// The vectors of texts, padded to the longest: (n, 1, s, width).
  ///
  /// - Parameter texts: The tokens of each, at most `context`; of a text without tokens there is
  ///   nothing but padding.
  func callAsFunction(_ texts: [[Int]], _ pass: Pass) -> Variable {
    let (lengths, width) = (texts.map(\.count), extents.width)
    let longest = max(1, lengths.max() ?? 0)
    precondition(longest <= extents.context, "A text has at most \(extents.context) tokens.")
    let shape = Shape(texts.count, 1, longest, width)
    func rows(_ row: (_ text: [Int], _ position: Int) -> Int) -> [Int?] {
      texts.flatMap { text in
        (0..<longest).map { $0 < text.count ? row(text, $0) : nil }
      }
    }
    var e = pass.add(
      pass.lookUp(rows { $0[$1] }, in: tokens, width: width, shape: shape),
      pass.lookUp(rows { $1 }, in: positions, width: width, shape: shape))
    for block in blocks { e = block(e, lengths: lengths, pass) }
    return norm(e, pass)
  }
}
