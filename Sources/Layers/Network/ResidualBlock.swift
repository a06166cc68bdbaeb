// The block that the UNet is made of.

import Tensors

/// Two convolutions around a shortcut, told the time between them where there is one:
/// x + conv₂(dropout(SiLU(norm₂(conv₁(SiLU(norm₁(x))) + time)))).
struct ResidualBlock: Sendable {
  private let norm1: GroupNormalizationLayer
  private let conv1: ConvolutionLayer
  private let timeProjection: LinearLayer?
  private let norm2: GroupNormalizationLayer
  private let conv2: ConvolutionLayer
  private let shortcut: LinearLayer?
  private let dropout: Double

  /// - Parameter isTimed: Whether the block is told a time.
  init(
    _ name: String, _ registry: inout ParameterRegistry, _ configuration: UNetConfiguration,
    inputs: Int, outputs: Int, isTimed: Bool = true
  ) {
    let groups = configuration.groups
    norm1 = GroupNormalizationLayer(
      "\(name)/norm1", &registry, channels: inputs, groups: groups, activates: true)
    conv1 = ConvolutionLayer("\(name)/conv1", &registry, inputs: inputs, outputs: outputs)
    timeProjection =
      isTimed
      ? LinearLayer(
        "\(name)/temb_proj", &registry, inputs: 4 * configuration.channels, outputs: outputs) : nil
    norm2 = GroupNormalizationLayer(
      "\(name)/norm2", &registry, channels: outputs, groups: groups, activates: true)
    conv2 = ConvolutionLayer(
      "\(name)/conv2", &registry, inputs: outputs, outputs: outputs, scale: nearlyZero)
    shortcut =
      inputs == outputs
      ? nil : LinearLayer("\(name)/nin_shortcut", &registry, inputs: inputs, outputs: outputs)
    dropout = configuration.dropout
  }

  /// (n, h, w, inputs) and the activated embedding (n, 1, 1, 4 channels), where there is one, →
  /// (n, h, w, outputs).
  func callAsFunction(_ x: Variable, time: Variable? = nil, _ pass: Pass) -> Variable {
    precondition((time != nil) == (timeProjection != nil), "A block is told the time, or is not.")
    let shortcut = shortcut?(x, pass) ?? x
    let normalized = norm1(x, pass)
    let told = time.flatMap { timeProjection?($0, pass) }
    let h = conv1(normalized, plus: told, pass)
    return conv2(norm2(h, dropout: dropout, pass), residual: shortcut, pass)
  }
}
