// Between images and small maps of features, by residual blocks: the two halves of an autoencoder.

import Tensors

/// From images to maps that are halved once for each multiplier but the first.
struct ConvolutionalEncoder: Sendable {
  private struct Resolution: Sendable {
    var blocks: [ResidualBlock] = []
    var downsample: ConvolutionLayer?
  }

  /// The extents of a map of features.
  let features: ImageShape
  private let input: ConvolutionLayer
  private let resolutions: [Resolution]
  private let norm: GroupNormalizationLayer

  init(
    _ name: String, _ registry: inout ParameterRegistry, _ configuration: UNetConfiguration,
    images: ImageShape
  ) {
    let widths = configuration.multipliers.map { configuration.channels * $0 }
    input = ConvolutionLayer(
      "\(name)/conv_in", &registry, inputs: images.channels, outputs: configuration.channels)
    var current = configuration.channels
    var resolutions: [Resolution] = []
    for (index, width) in widths.enumerated() {
      var resolution = Resolution()
      for block in 0..<configuration.blocks {
        resolution.blocks.append(
          ResidualBlock(
            "\(name)/down_\(index)/block_\(block)", &registry, configuration, inputs: current,
            outputs: width, isTimed: false))
        current = width
      }
      if index < widths.count - 1 {
        resolution.downsample = ConvolutionLayer(
          "\(name)/down_\(index)/downsample/conv", &registry, inputs: width, outputs: width,
          stride: 2)
      }
      resolutions.append(resolution)
    }
    self.resolutions = resolutions
    norm = GroupNormalizationLayer(
      "\(name)/norm_out", &registry, channels: current, groups: configuration.groups,
      activates: true)
    let halvings = widths.count - 1
    features = ImageShape(
      height: images.height >> halvings, width: images.width >> halvings, channels: current)
  }

  /// (n, h, w, c) → (n, `features`).
  func callAsFunction(_ x: Variable, _ pass: Pass) -> Variable {
    var h = input(x, pass)
    for resolution in resolutions {
      for block in resolution.blocks {
        h = pass.recomputed { [h, unowned pass] in block(h, pass) }
      }
      if let downsample = resolution.downsample { h = downsample(h, pass) }
    }
    return norm(h, pass)
  }
}

/// The way back: from maps of features to images.
struct ConvolutionalDecoder: Sendable {
  private struct Resolution: Sendable {
    var blocks: [ResidualBlock] = []
    var resize: ConvolutionLayer?
  }

  private let resolutions: [Resolution]
  private let norm: GroupNormalizationLayer
  private let output: ConvolutionLayer

  /// - Parameter images: The extents of an image; a map of features has the channels of the last
  ///   multiplier.
  init(
    _ name: String, _ registry: inout ParameterRegistry, _ configuration: UNetConfiguration,
    images: ImageShape
  ) {
    let widths = configuration.multipliers.map { configuration.channels * $0 }
    var current = widths.last!
    var resolutions: [Resolution] = []
    for (index, width) in widths.enumerated().reversed() {
      var resolution = Resolution()
      for block in 0..<configuration.blocks {
        resolution.blocks.append(
          ResidualBlock(
            "\(name)/up_\(index)/block_\(block)", &registry, configuration, inputs: current,
            outputs: width, isTimed: false))
        current = width
      }
      if index > 0 {
        resolution.resize = ConvolutionLayer(
          "\(name)/up_\(index)/upsample/conv", &registry, inputs: width, outputs: width)
      }
      resolutions.append(resolution)
    }
    self.resolutions = resolutions
    norm = GroupNormalizationLayer(
      "\(name)/norm_out", &registry, channels: current, groups: configuration.groups,
      activates: true)
    output = ConvolutionLayer(
      "\(name)/conv_out", &registry, inputs: current, outputs: images.channels)
  }

  /// (n, h′, w′, features) → (n, h, w, c).
  func callAsFunction(_ x: Variable, _ pass: Pass) -> Variable {
    var h = x
    for resolution in resolutions {
      for block in resolution.blocks {
        h = pass.recomputed { [h, unowned pass] in block(h, pass) }
      }
      if let resize = resolution.resize { h = resize(pass.upsample(h), pass) }
    }
    return output(norm(h, pass), pass)
  }
}
