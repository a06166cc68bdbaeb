// Attention of a map to text, as a block of the UNet.

import Tensors

/// Attention of the pixels of a map to the tokens of a caption, around a shortcut:
/// x + proj(attention(q(norm(x)), k(text_norm(H)), v(text_norm(H)))) (Rombach et al. 2022, section
/// 3.3).
///
/// The projection begins as zero exactly: before training, the block returns x.
package struct CrossAttentionBlock: Sendable {
  private let norm: GroupNormalizationLayer
  private let query: LinearLayer
  private let textNorm: LayerNormalizationLayer
  private let key: LinearLayer
  private let value: LinearLayer
  private let projection: LinearLayer
  private let attention: Attention

  /// Registers a block for maps of `c` channels and tokens of `width`.
  package init(
    _ name: String, _ registry: inout ParameterRegistry, _ configuration: UNetConfiguration,
    channels c: Int, textWidth width: Int
  ) {
    func linear(_ part: String, inputs: Int, scale: Double = 1) -> LinearLayer {
      LinearLayer(
        "\(name)/\(part)", &registry, inputs: inputs, outputs: c, scale: scale,
        part: .conditioning)
    }
    norm = GroupNormalizationLayer(
      "\(name)/norm", &registry, channels: c, groups: configuration.groups, activates: false,
      part: .conditioning)
    query = linear("q", inputs: c)
    textNorm = LayerNormalizationLayer("\(name)/text_norm", &registry, channels: width)
    key = linear("k", inputs: width)
    value = linear("v", inputs: width)
    projection = linear("proj_out", inputs: c, scale: 0)
    attention = Attention(heads: configuration.heads(ofChannels: c))
  }

  /// (n, h, w, c) → (n, h, w, c).
  package func callAsFunction(_ x: Variable, _ text: TextEncoding, _ pass: Pass) -> Variable {
    let q = query(norm(x, pass), pass)
    let tokens = textNorm(text.sequence, pass)
    let attended = pass.attend(
      q, key(tokens, pass), value(tokens, pass), attention,
      lengths: Attention.Lengths(keys: text.lengths))
    return projection(attended, residual: x, pass)
  }
}
