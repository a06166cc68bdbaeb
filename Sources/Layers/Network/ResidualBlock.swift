// The block that the UNet is made of.

import Tensors

/// Two convolutions around a shortcut, told the time between them where there is one:
/// x + conv₂(dropout(SiLU(norm₂(conv₁(SiLU(norm₁(x))) + time)))).
///
/// With `scaleShift` the time is a scale and a shift behind norm₂ in the place of a sum before it. A
/// block that changes the resolution does so before conv₁, and to x (Brock et al. 2019, appendix B, in
/// the form of Dhariwal, Nichol 2021).
struct ResidualBlock: Sendable {
  /// How a block changes the resolution.
  enum Resize: Sendable {
    /// Halves it: the mean of four pixels.
    case down
    /// Doubles it: each pixel four times.
    case up
  }

  private let norm1: GroupNormalizationLayer
  private let conv1: ConvolutionLayer
  private let timeProjection: LinearLayer?
  private let norm2: GroupNormalizationLayer
  private let conv2: ConvolutionLayer
  private let shortcut: LinearLayer?
  private let dropout: Double
  private let scalesAndShifts: Bool
  private let resize: Resize?

  /// - Parameters:
  ///   - isTimed: Whether the block is told a time.
  ///   - resize: How it changes the resolution; nil: not at all.
  init(
    _ name: String, _ registry: inout ParameterRegistry, _ configuration: UNetConfiguration,
    inputs: Int, outputs: Int, isTimed: Bool = true, resize: Resize? = nil
  ) {
    scalesAndShifts = configuration.scaleShift
    self.resize = resize
    let groups = configuration.groups
    norm1 = GroupNormalizationLayer(
      "\(name)/norm1", &registry, channels: inputs, groups: groups, activates: true)
    conv1 = ConvolutionLayer("\(name)/conv1", &registry, inputs: inputs, outputs: outputs)
    timeProjection =
      isTimed
      ? LinearLayer(
        "\(name)/temb_proj", &registry, inputs: 4 * configuration.channels,
        outputs: scalesAndShifts ? 2 * outputs : outputs) : nil
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
    let resized = resized(x, pass)
    let shortcut = shortcut?(resized, pass) ?? resized
    let normalized = self.resized(norm1(x, pass), pass)
    let told = time.flatMap { timeProjection?($0, pass) }
    if scalesAndShifts, let told {
      let h = norm2(conv1(normalized, pass), told: told, dropout: dropout, pass)
      return conv2(h, residual: shortcut, pass)
    }
    let h = conv1(normalized, plus: told, pass)
    return conv2(norm2(h, dropout: dropout, pass), residual: shortcut, pass)
  }

  private func resized(_ x: Variable, _ pass: Pass) -> Variable {
    switch resize {
    case nil: x
    case .down: pass.averagePool(x)
    case .up: pass.upsample(x)
    }
  }
}
