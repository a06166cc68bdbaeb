// Our UNet as unet/config.json of diffusers' UNet2DModel, and back.

import Layers
import Storage
import Tensors

/// What `config.json` of a `UNet2DModel` says that is ours to choose.
package struct DiffusersUNet: Equatable {
  /// The network.
  package var network: UNetConfiguration
  /// The extents of an image; those of the rows and columns are 0 where the file does not say them.
  package var images: ImageShape
  /// The channels of the output.
  package var outputChannels: Int
  /// The rows of the table of classes; nil where there is none.
  package var classRows: Int?

  /// The name of the class.
  static let className = "UNet2DModel"

  /// The keys with one value that our network can have, and the defaults of diffusers' class.
  ///
  /// A padding of 0 before a stride is TensorFlow's, below and to the right only; sinusoids are sines
  /// first and end at 10000^−1; and every normalisation has ε = 10⁻⁶.
  private static let fixed: [(key: String, otherwise: JSONValue, accepted: [JSONValue])] = [
    ("act_fn", "silu", ["silu", "swish"]),
    ("add_attention", true, [true]),
    ("center_input_sample", false, [false]),
    ("class_embed_type", nil, [nil]),
    ("downsample_padding", 1, [0]),
    ("flip_sin_to_cos", true, [false]),
    ("freq_shift", 0, [1]),
    ("mid_block_scale_factor", 1, [1]),
    ("mid_block_type", "UNetMidBlock2D", ["UNetMidBlock2D"]),
    ("norm_eps", 1e-5, [1e-6]),
    ("resnet_skip_time_act", false, [false]),
    ("skip_time_act", false, [false]),
    ("time_embedding_type", "positional", ["positional"]),
  ]

  /// Those of them that diffusers' class does not have, but networks of its kind.
  private static let foreign: Set = ["resnet_skip_time_act", "skip_time_act"]

  /// The keys of `config.json` beside those that are fixed.
  private static let chosen: Set = [
    "attention_head_dim", "attn_norm_num_groups", "block_out_channels", "down_block_types",
    "downsample_type", "dropout", "in_channels", "layers_per_block", "norm_num_groups",
    "num_class_embeds", "num_train_timesteps", "out_channels", "resnet_time_scale_shift",
    "sample_size", "time_embedding_dim", "up_block_types", "upsample_type",
  ]

  /// The name of the blocks of a resolution.
  ///
  /// - Parameters:
  ///   - way: Down or Up.
  ///   - resizes: Whether residual blocks change the resolution.
  private static func type(_ way: String, attends: Bool, resizes: Bool) -> String {
    attends ? "Attn\(way)Block2D" : resizes ? "Resnet\(way)sampleBlock2D" : "\(way)Block2D"
  }

  package init(
    network: UNetConfiguration, images: ImageShape, outputChannels: Int, classRows: Int?
  ) {
    (self.network, self.images) = (network, images)
    (self.outputChannels, self.classRows) = (outputChannels, classRows)
  }

  // MARK: Writing

  /// The file.
  ///
  /// - Throws: `DiffusersError` for a network that it cannot say.
  package func file() throws(DiffusersError) -> JSONValue {
    let widths = network.multipliers.map { network.channels * $0 }
    guard network.multipliers[0] == 1 else { throw .firstMultiplier(network.multipliers[0]) }
    let attends = widths.indices.map { network.attention.contains(images.height >> $0) }
    var headWidth = network.headChannels.map { JSONValue($0) } ?? .null
    if network.heads > 1 {
      var all = Set(zip(widths, attends).filter(\.1).map(\.0))
      all.insert(widths.last!)
      guard all.count == 1 else {
        throw .unequalHeads(heads: network.heads, widths: all.sorted())
      }
      headWidth = JSONValue(widths.last! / network.heads)
    }
    func types(_ way: String, _ attends: [Bool]) -> JSONValue {
      .list(
        attends.map { .text(Self.type(way, attends: $0, resizes: network.residualResize)) })
    }
    var values: [String: JSONValue] = [
      "_class_name": .text(Self.className), "_diffusers_version": .text(diffusersVersion),
      "attention_head_dim": headWidth,
      // Where it is not said, attention in the middle has no normalisation beside a scale and a shift.
      "attn_norm_num_groups": network.scaleShift ? JSONValue(network.groups) : nil,
      "block_out_channels": .list(widths.map { JSONValue($0) }),
      "down_block_types": types("Down", attends),
      "downsample_type": network.residualResize ? "resnet" : "conv",
      "dropout": .number(network.dropout), "in_channels": JSONValue(images.channels),
      "layers_per_block": JSONValue(network.blocks),
      "norm_num_groups": JSONValue(network.groups),
      "num_class_embeds": classRows.map { JSONValue($0) } ?? .null, "num_train_timesteps": nil,
      "out_channels": JSONValue(outputChannels),
      "resnet_time_scale_shift": network.scaleShift ? "scale_shift" : "default",
      "sample_size": images.height == images.width
        ? JSONValue(images.height)
        : .list([JSONValue(images.height), JSONValue(images.width)]),
      "time_embedding_dim": nil, "up_block_types": types("Up", attends.reversed()),
      "upsample_type": network.residualResize ? "resnet" : "conv",
    ]
    for (key, _, accepted) in Self.fixed where !Self.foreign.contains(key) {
      values[key] = accepted[0]
    }
    return .object(values)
  }

  // MARK: Reading

  /// What a file says.
  ///
  /// - Parameter size: The rows and columns of an image where the file does not say them; nil: refused.
  /// - Throws: `StorageError.badData` that names the key and the value that our network cannot have.
  package init(_ settings: DiffusersSettings, size: (height: Int, width: Int)?) throws(StorageError)
  {
    try settings.require("_class_name", nil, [.text(Self.className)])
    let extents = 1...Setting<UNetConfiguration>.largestExtent
    let widths = try settings.list("block_out_channels", "whole numbers", upTo: 16) {
      $0.integer.flatMap { extents.contains($0) ? $0 : nil }
    }
    var network = UNetConfiguration()
    network.residualResize = try Self.resizes(settings)
    for (key, otherwise, accepted) in Self.fixed {
      // Without a second resolution, or a convolution before it, there is no stride.
      if key == "downsample_padding", widths.count == 1 || network.residualResize { continue }
      try settings.require(key, otherwise, accepted)
    }
    guard widths.allSatisfy({ $0 % widths[0] == 0 }) else {
      throw settings.refusal(
        "block_out_channels", nil,
        "each must be a multiple of the first, of which this program's setting multipliers tells")
    }
    try settings.require("time_embedding_dim", nil, [nil, JSONValue(4 * widths[0])])
    network.channels = widths[0]
    network.multipliers = widths.map { $0 / widths[0] }
    network.blocks = try settings.integer("layers_per_block", 2, in: 1...100)
    network.groups = try settings.integer("norm_num_groups", 32, in: extents)
    let told = "resnet_time_scale_shift"
    try settings.require(told, "default", ["default", "scale_shift"])
    network.scaleShift = settings.value(told, "default") == "scale_shift"
    // What is not said is no normalisation where there is a scale and a shift.
    try settings.require(
      "attn_norm_num_groups", nil,
      network.scaleShift ? [JSONValue(network.groups)] : [nil, JSONValue(network.groups)])
    network.dropout = try settings.number("dropout", 0, in: 0...0.999)
    let channels = try settings.integer("in_channels", 3, in: extents)
    let images = try Self.images(settings, channels: channels, size: size)
    outputChannels = try settings.integer("out_channels", 3, in: extents)
    guard outputChannels == channels || outputChannels == 2 * channels else {
      throw settings.refusal(
        "out_channels", 3,
        "as many as in_channels (\(channels)) are needed, or twice as many where the variance is learned"
      )
    }
    let attends = try Self.attends(
      settings, levels: widths.count, resizes: network.residualResize)
    network.attention = attends.indices.filter { attends[$0] }.map { images.height >> $0 }
    try Self.readHeads(
      settings, widths: zip(widths, attends).filter(\.1).map(\.0) + [widths.last!], &network)
    classRows =
      settings.value("num_class_embeds", nil) == .null
      ? nil : try settings.integer("num_class_embeds", nil, in: 1...1 << 16)
    (self.network, self.images) = (network, images)
  }

  /// Keys that nobody knows, diffusers' class neither: it leaves them out of account too.
  static func unknownKeys(_ settings: DiffusersSettings) -> [String] {
    settings.values.keys.filter { key in
      !key.hasPrefix("_") && !chosen.contains(key) && !fixed.contains { $0.key == key }
    }.sorted()
  }

  private static func images(
    _ settings: DiffusersSettings, channels: Int, size: (height: Int, width: Int)?
  ) throws(StorageError) -> ImageShape {
    let extents = 1...Setting<UNetConfiguration>.largestExtent
    let found = settings.value("sample_size", nil)
    let both: [Int]
    if let side = found.integer {
      both = [side, side]
    } else if let list = found.list {
      both = list.compactMap(\.integer)
    } else if found == .null, let size {
      both = [size.height, size.width]
    } else {
      throw settings.refusal(
        "sample_size", nil, "the rows and columns of an image are needed; give them with --size")
    }
    guard both.count == 2, both.allSatisfy(extents.contains) else {
      throw settings.refusal(
        "sample_size", nil,
        "a whole number from 1 to \(extents.upperBound) is needed, or two of them, rows and columns"
      )
    }
    return ImageShape(height: both[0], width: both[1], channels: channels)
  }

  /// Whether residual blocks change the resolution, on both ways.
  private static func resizes(_ settings: DiffusersSettings) throws(StorageError) -> Bool {
    let keys = ["downsample_type", "upsample_type"]
    for key in keys { try settings.require(key, "conv", ["conv", "resnet"]) }
    let residual = keys.filter { settings.value($0, "conv") == "resnet" }
    if residual.count == 1 {
      throw settings.refusal(residual[0], "conv", "the other way would change it otherwise")
    }
    return !residual.isEmpty
  }

  /// Which resolutions attend, on the way down and up.
  private static func attends(
    _ settings: DiffusersSettings, levels: Int, resizes: Bool
  ) throws(StorageError) -> [Bool] {
    func attends(_ key: String, _ way: String) throws(StorageError) -> [Bool] {
      let names = [false, true].map { type(way, attends: $0, resizes: resizes) }
      let found = try settings.list(key, "of \(names.joined(separator: " and "))", upTo: 16) {
        names.firstIndex(of: $0.text ?? "").map { $0 == 1 }
      }
      guard found.count == levels else {
        throw settings.refusal(
          key, nil, "as many as block_out_channels has, \(levels), are needed")
      }
      return found
    }
    let down = try attends("down_block_types", "Down")
    guard try attends("up_block_types", "Up") == down.reversed() else {
      throw settings.refusal(
        "up_block_types", nil,
        "attention on the way up where it is on the way down is needed, in the reverse order")
    }
    return down
  }

  /// How many heads are at every map with attention, or how wide they are where that differs.
  private static func readHeads(
    _ settings: DiffusersSettings, widths: [Int], _ network: inout UNetConfiguration
  ) throws(StorageError) {
    let key = "attention_head_dim"
    guard settings.value(key, 8) != .null else { return }
    let width = try settings.integer(
      key, 8, in: 1...Setting<UNetConfiguration>.largestExtent)
    guard widths.allSatisfy({ $0 % width == 0 }) else {
      throw settings.refusal(
        key, 8,
        "maps with attention have \(Set(widths).sorted().map(String.init).joined(separator: " and ")) "
          + "channels, which heads of this width do not divide")
    }
    if Set(widths).count == 1 {
      network.heads = widths[0] / width
    } else {
      network.headChannels = width
    }
  }
}

/// The version of diffusers whose files are written.
let diffusersVersion = "0.42.1"
