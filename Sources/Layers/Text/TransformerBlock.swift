// The block that text encoders are made of.

import Tensors

/// The extents of a transformer over tokens, and what is done in it.
struct TransformerExtents: Equatable, Sendable {
  /// The number of tokens that there are.
  var vocabulary: Int
  /// The channels of a position.
  var width: Int
  /// The number of blocks.
  var layers: Int
  /// The heads of each attention.
  var heads: Int
  /// The channels between the two linear layers of a block.
  var hidden: Int
  /// The most tokens of a text.
  var context: Int
  /// The activation between the two linear layers.
  var activation = GELU.exact
  /// Whether a position reads only itself and those before it.
  var isCausal = false
}

/// Attention and two linear layers, each behind a normalisation and around a shortcut (Vaswani et al.
/// 2017, in the order of Xiong et al. 2020):
/// e ← e + proj(attention(norm₁(e))), e ← e + W₂ GELU(W₁ norm₂(e)).
struct TransformerBlock: Sendable {
  private let norm1: LayerNormalizationLayer
  private let query: LinearLayer
  private let key: LinearLayer
  private let value: LinearLayer
  private let projection: LinearLayer
  private let norm2: LayerNormalizationLayer
  private let first: LinearLayer
  private let second: LinearLayer
  private let attention: Attention
  private let activation: GELU

  /// Registers a block, whose two last layers begin smaller the more blocks there are, as in GPT-2:
  /// so the sum of all blocks begins as large as that of one.
  init(_ name: String, _ registry: inout ParameterRegistry, _ extents: TransformerExtents) {
    let (c, hidden) = (extents.width, extents.hidden)
    let scale = 1 / Double(2 * extents.layers).squareRoot()
    func linear(_ part: String, _ inputs: Int, _ outputs: Int, scale: Double = 1) -> LinearLayer {
      LinearLayer(
        "\(name)/\(part)", &registry, inputs: inputs, outputs: outputs, scale: scale,
        part: .conditioning)
    }
    norm1 = LayerNormalizationLayer("\(name)/norm1", &registry, channels: c)
    query = linear("q", c, c)
    key = linear("k", c, c)
    value = linear("v", c, c)
    projection = linear("proj_out", c, c, scale: scale)
    norm2 = LayerNormalizationLayer("\(name)/norm2", &registry, channels: c)
    first = linear("dense0", c, hidden)
    second = linear("dense1", hidden, c, scale: scale)
    attention = Attention(heads: extents.heads, isCausal: extents.isCausal)
    activation = extents.activation
  }

  /// (n, 1, s, width) → (n, 1, s, width); what lies behind the lengths changes nothing before them.
  func callAsFunction(_ x: Variable, lengths: [Int], _ pass: Pass) -> Variable {
    let h = norm1(x, pass)
    let attended = pass.attend(
      query(h, pass), key(h, pass), value(h, pass), attention,
      lengths: Attention.Lengths(queries: lengths, keys: lengths))
    let e = projection(attended, residual: x, pass)
    return second(pass.activate(first(norm2(e, pass), pass), activation), residual: e, pass)
  }
}
