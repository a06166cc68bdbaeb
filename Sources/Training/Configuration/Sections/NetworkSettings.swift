// Settings: the network.

import Layers

extension UNetConfiguration: SettingsSection {
  /// The keys: widths, depth and attention.
  public static let settings: [Setting<Self>] = [
    .integer(
      "channels", .model, \.channels, from: 4, to: Setting<Self>.largestExtent,
      "channels of the first resolution"),
    .integers("multipliers", .model, \.multipliers, "channels of each resolution / channels"),
    .integer("blocks", .model, \.blocks, from: 1, to: 100, "residual blocks of a resolution"),
    .integers(
      "attention", .model, \.attention, unit: "pixels", "map heights with attention; [] for none"),
    .integer("heads", .model, \.heads, from: 1, "attention heads"),
    .integer(
      "head_channels", .model, \.headChannels, from: 1, to: Setting<Self>.largestExtent,
      unit: "channels", "channels of an attention head, in the place of heads"),
    .integer("groups", .model, \.groups, from: 1, "groups of each group normalisation"),
    .number("dropout", .training, \.dropout, 0...0.999, "dropout probability"),
    .flag(
      "residual_resize", .model, \.residualResize,
      "halve and double maps in residual blocks (BigGAN), not by convolutions"),
    .flag(
      "scale_shift", .model, \.scaleShift,
      "tell the timestep by adaptive group normalisation, not by a sum"),
  ]

  /// A network for the embedded digits.
  static var digits: Self {
    var network = Self()
    network.channels = 32
    network.multipliers = [1, 2]
    network.blocks = 1
    network.attention = [4]
    network.groups = 8
    network.dropout = 0
    return network
  }
}
