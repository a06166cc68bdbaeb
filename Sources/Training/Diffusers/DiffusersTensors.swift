// The tensors of our UNet under diffusers' names, in PyTorch's order of extents, and back.

import Tensors

/// A tensor of our UNet, and how diffusers' `UNet2DModel` has it.
///
/// | ours | diffusers | extents |
/// | --- | --- | --- |
/// | convolution | `….weight` | (kh, kw, in, out) → (out, in, kh, kw) |
/// | linear layer | `….weight` | (in, out) → (out, in); of a shortcut (out, in, 1, 1) |
/// | table of classes | `class_embedding.weight` | (K + 1, width), as it is |
/// | vector | `….weight`, `….bias` | as it is |
package struct DiffusersTensor: Sendable {
  /// How scalars change places.
  private enum Order: Sendable {
    case same
    /// Of a matrix with so many rows here.
    case turned(rows: Int)
    /// Of a convolution with so many weights of one pair of channels, and so many channels.
    case convolution(places: Int, inputs: Int)
  }

  /// Our tensor.
  package let entry: ParameterLayout.Entry
  /// diffusers' name.
  package let name: String
  /// The extents there.
  package let shape: [Int]
  private let order: Order

  /// The tensors of a UNet's layout, in its order.
  ///
  /// - Parameter levels: How many resolutions the network has.
  package static func all(_ layout: ParameterLayout, levels: Int) -> [DiffusersTensor] {
    layout.entries.map { DiffusersTensor($0, levels: levels) }
  }

  private init(_ entry: ParameterLayout.Entry, levels: Int) {
    self.entry = entry
    name = Self.name(of: entry.name, levels: levels)
    let extents = entry.shape
    switch extents.count {
    case 4:
      shape = [extents[3], extents[2], extents[0], extents[1]]
      order = .convolution(places: extents[0] * extents[1], inputs: extents[2])
    case 2 where !name.hasPrefix("class_embedding"):
      shape = [extents[1], extents[0]] + (name.contains("conv_shortcut") ? [1, 1] : [])
      order = .turned(rows: extents[0])
    default: (shape, order) = (extents, .same)
    }
  }

  /// The name by which files of before 0.16 know the tensor of an attention block; nil for others.
  package var oldName: String? {
    let renamed = [
      ".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn.",
    ].reduce(name) { $0.replacing($1.key, with: $1.value) }
    return renamed == name ? nil : renamed
  }

  /// Whether a file has the tensor with these extents: a matrix may be a convolution of one pixel.
  package func fits(_ found: [Int]) -> Bool {
    guard case .turned = order else { return found == shape }
    return found == Array(shape.prefix(2)) || found == shape.prefix(2) + [1, 1]
  }

  /// Our scalars in diffusers' order.
  package func exported(_ values: ArraySlice<Float>) -> [Float] {
    precondition(values.count == entry.range.count, "The scalars must fill the tensor.")
    let start = values.startIndex
    switch order {
    case .same: return Array(values)
    case .turned(let rows):
      let columns = values.count / rows
      return Self.turned(rows: columns, columns: rows) { values[start + $1 * columns + $0] }
    case .convolution(let places, let inputs):
      let outputs = values.count / places / inputs
      return Self.turned(rows: outputs, columns: inputs * places) {
        values[start + (($1 % places) * inputs + $1 / places) * outputs + $0]
      }
    }
  }

  /// diffusers' scalars in our order.
  package func imported(_ values: [Float]) -> [Float] {
    precondition(values.count == entry.range.count, "The scalars must fill the tensor.")
    switch order {
    case .same: return values
    case .turned(let rows):
      return Self.turned(rows: rows, columns: values.count / rows) { values[$1 * rows + $0] }
    case .convolution(let places, let inputs):
      let outputs = values.count / places / inputs
      return Self.turned(rows: places * inputs, columns: outputs) {
        values[($1 * inputs + $0 % inputs) * places + $0 / inputs]
      }
    }
  }

  private static func turned(
    rows: Int, columns: Int, _ value: (_ row: Int, _ column: Int) -> Float
  ) -> [Float] {
    [Float](unsafeUninitializedCapacity: rows * columns) { buffer, count in
      for row in 0..<rows {
        for column in 0..<columns { buffer[row * columns + column] = value(row, column) }
      }
      count = rows * columns
    }
  }

  // MARK: Names

  private static let layers = [
    "norm1": "norm1", "conv1": "conv1", "temb_proj": "time_emb_proj", "norm2": "norm2",
    "conv2": "conv2", "nin_shortcut": "conv_shortcut", "norm": "group_norm", "q": "to_q",
    "k": "to_k", "v": "to_v", "proj_out": "to_out.0", "conv": "conv",
  ]
  private static let single = [
    "temb/dense0": "time_embedding.linear_1", "temb/dense1": "time_embedding.linear_2",
    "class_embedding": "class_embedding", "conv_in": "conv_in", "conv_out": "conv_out",
    "norm_out": "conv_norm_out", "mid/block_1": "mid_block.resnets.0",
    "mid/attn_1": "mid_block.attentions.0", "mid/block_2": "mid_block.resnets.1",
  ]

  private static func name(of ours: String, levels: Int) -> String {
    let words = ours.split(separator: "/").map(String.init)
    let scalars = ["W": "weight", "gamma": "weight", "b": "bias", "beta": "bias"]
    guard let last = words.last, let scalar = scalars[last] else {
      preconditionFailure("The tensor \(ours) is none of a UNet.")
    }
    let path = words.dropLast()
    if let name = single[path.joined(separator: "/")] { return "\(name).\(scalar)" }
    guard let layer = path.last.flatMap({ layers[$0] }) else {
      preconditionFailure("The tensor \(ours) is none of a UNet without captions.")
    }
    let block = path.dropLast().joined(separator: "/")
    if let name = single[block] { return "\(name).\(layer).\(scalar)" }
    return "\(place(of: block, levels: levels)).\(layer).\(scalar)"
  }

  /// The name of a block on the way down or up.
  private static func place(of block: String, levels: Int) -> String {
    let words = block.split(separator: "/").map { $0.split(separator: "_").map(String.init) }
    guard words.count == 2, words[0].count == 2, let level = Int(words[0][1]) else {
      preconditionFailure("The block \(block) is none of a UNet.")
    }
    let (isDown, number) = (words[0][0] == "down", words[1].last!)
    let blocks = isDown ? "down_blocks.\(level)" : "up_blocks.\(levels - 1 - level)"
    return switch words[1][0] {
    case "block": "\(blocks).resnets.\(number)"
    case "attn": "\(blocks).attentions.\(number)"
    case "downsample": "\(blocks).downsamplers.0"
    case "upsample": "\(blocks).upsamplers.0"
    default: preconditionFailure("The block \(block) is none of a UNet without captions.")
    }
  }
}
