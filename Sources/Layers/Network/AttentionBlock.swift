// Attention as a block of the UNet.

import Tensors

/// Self-attention over the pixels of a map, around a shortcut: x + proj(attention(norm(x))).
struct AttentionBlock: Sendable {
  private let norm: GroupNormalizationLayer
  private let query: LinearLayer
  private let key: LinearLayer
  private let value: LinearLayer
  private let projection: LinearLayer
  private let attention: Attention

  init(
    _ name: String, _ registry: inout ParameterRegistry, _ configuration: UNetConfiguration,
    channels c: Int
  ) {
    norm = GroupNormalizationLayer(
      "\(name)/norm", &registry, channels: c, groups: configuration.groups, activates: false)
    query = LinearLayer("\(name)/q", &registry, inputs: c, outputs: c)
    key = LinearLayer("\(name)/k", &registry, inputs: c, outputs: c)
    value = LinearLayer("\(name)/v", &registry, inputs: c, outputs: c)
    projection = LinearLayer(
      "\(name)/proj_out", &registry, inputs: c, outputs: c, scale: nearlyZero)
    attention = Attention(heads: configuration.heads(ofChannels: c))
  }

  /// (n, h, w, c) → (n, h, w, c).
  func callAsFunction(_ x: Variable, _ pass: Pass) -> Variable {
    let h = norm(x, pass)
    let attended = pass.attend(query(h, pass), key(h, pass), value(h, pass), attention)
    return projection(attended, residual: x, pass)
  }
}
