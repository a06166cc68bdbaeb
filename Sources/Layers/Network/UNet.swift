// The whole network, from noisy images to a prediction.

import Tensors

/// The denoising network of Ho, Jain, Abbeel 2020 (appendix B): a UNet on Wide-ResNet blocks.
///
/// It maps noisy images and their timesteps to one output of the images' extents, or of other
/// channels. Parameter names
/// follow the original TensorFlow code, so that its checkpoints convert by renaming.
public struct UNet: Sendable {
  /// One residual block, the attention behind it, and that to text behind both.
  private struct Stage: Sendable {
    let block: ResidualBlock
    let attention: AttentionBlock?
    let crossAttention: CrossAttentionBlock?

    /// - Parameter skip: A map whose channels follow those of `x`.
    func callAsFunction(
      _ x: Variable, and skip: Variable? = nil, time: Variable, text: TextEncoding?, _ pass: Pass
    ) -> Variable {
      pass.recomputed { [unowned pass] in
        var h = block(skip.map { pass.concatenate(x, $0) } ?? x, time: time, pass)
        if let attention { h = attention(h, pass) }
        if let crossAttention, let text { h = crossAttention(h, text, pass) }
        return h
      }
    }
  }

  /// What changes the resolution.
  private enum Resize: Sendable {
    /// A convolution: of a stride on the way down, behind an upsampling on the way up.
    case convolution(ConvolutionLayer)
    /// A residual block.
    case block(Stage)
  }

  /// The stages at one resolution and what changes it behind them.
  private struct Resolution: Sendable {
    var stages: [Stage] = []
    var resize: Resize?
  }

  /// The extents of an image.
  public let images: ImageShape
  /// The channels of the output.
  public let outputChannels: Int
  /// What images can be said to show.
  public let condition: ConditionKind
  /// The exponents of the waves of the noisy images that the network sees beside them; empty: none.
  public let fourierExponents: [Int]
  /// Names, shapes, ranges and initial values of the parameters.
  public let parameters: ParameterRegistry
  private let timeEmbedding: TimeEmbedding
  private let classEmbedding: ClassEmbedding?
  private let text: CaptionReader?
  private let input: ConvolutionLayer
  private let down: [Resolution]
  private let middle: (Stage, Stage)
  private let up: [Resolution]
  private let outputNorm: GroupNormalizationLayer
  private let output: ConvolutionLayer

  /// A network of the given extents, which must have no `defect`.
  ///
  /// - Parameters:
  ///   - outputChannels: The channels of the output; nil: those of an image.
  ///   - condition: What images can be said to show. The other layers, and their initial weights, are the
  ///     same whatever it is.
  ///   - fourierExponents: The exponents of the waves that are seen beside noisy images
  ///     (`Pass.fourierFeatures`).
  public init(
    _ configuration: UNetConfiguration, images: ImageShape, outputChannels: Int? = nil,
    condition: ConditionKind = .none, fourierExponents: [Int] = []
  ) {
    if let defect = configuration.defect(of: images, condition: condition) {
      preconditionFailure(defect)
    }
    self.condition = condition
    self.fourierExponents = fourierExponents
    self.images = images
    self.outputChannels = outputChannels ?? images.channels
    var registry = ParameterRegistry()
    let channels = configuration.channels
    let widths = configuration.multipliers.map { channels * $0 }
    let last = widths.count - 1

    text = CaptionReader(condition, &registry, outputs: 4 * channels)
    let textWidth = text?.width
    func stage(
      _ path: String, _ index: Int, attends: Bool, inputs: Int, outputs: Int
    ) -> Stage {
      let block = ResidualBlock(
        "\(path)/block_\(index)", &registry, configuration, inputs: inputs, outputs: outputs)
      guard attends else { return Stage(block: block, attention: nil, crossAttention: nil) }
      return Stage(
        block: block,
        attention: AttentionBlock(
          "\(path)/attn_\(index)", &registry, configuration, channels: outputs),
        crossAttention: textWidth.map {
          CrossAttentionBlock(
            "\(path)/cross_attn_\(index)", &registry, configuration, channels: outputs,
            textWidth: $0)
        })
    }

    func resize(_ path: String, _ way: ResidualBlock.Resize, width: Int) -> Resize {
      guard configuration.residualResize else {
        return .convolution(
          ConvolutionLayer(
            "\(path)/conv", &registry, inputs: width, outputs: width,
            stride: way == .down ? 2 : 1))
      }
      let block = ResidualBlock(
        path, &registry, configuration, inputs: width, outputs: width, resize: way)
      return .block(Stage(block: block, attention: nil, crossAttention: nil))
    }

    timeEmbedding = TimeEmbedding("temb", &registry, channels: channels)
    classEmbedding =
      switch condition {
      case .none, .text, .encodedText: nil
      case .classes(let count):
        ClassEmbedding("class_embedding", &registry, classes: count, width: 4 * channels)
      }
    input = ConvolutionLayer(
      "conv_in", &registry, inputs: images.channels * (1 + 2 * fourierExponents.count),
      outputs: channels)

    var skips = [channels]
    var current = channels
    var down: [Resolution] = []
    for (index, width) in widths.enumerated() {
      var resolution = Resolution()
      for block in 0..<configuration.blocks {
        resolution.stages.append(
          stage(
            "down_\(index)", block,
            attends: configuration.attention.contains(images.height >> index), inputs: current,
            outputs: width))
        current = width
        skips.append(width)
      }
      if index < last {
        resolution.resize = resize("down_\(index)/downsample", .down, width: width)
        skips.append(width)
      }
      down.append(resolution)
    }
    self.down = down

    let first = stage("mid", 1, attends: true, inputs: current, outputs: current)
    let second = stage("mid", 2, attends: false, inputs: current, outputs: current)
    middle = (first, second)

    var up: [Resolution] = []
    for (index, width) in widths.enumerated().reversed() {
      var resolution = Resolution()
      for block in 0...configuration.blocks {
        resolution.stages.append(
          stage(
            "up_\(index)", block,
            attends: configuration.attention.contains(images.height >> index),
            inputs: current + skips.removeLast(), outputs: width))
        current = width
      }
      if index > 0 {
        resolution.resize = resize("up_\(index)/upsample", .up, width: width)
      }
      up.append(resolution)
    }
    self.up = up

    outputNorm = GroupNormalizationLayer(
      "norm_out", &registry, channels: current, groups: configuration.groups, activates: true)
    output = ConvolutionLayer(
      "conv_out", &registry, inputs: current, outputs: self.outputChannels,
      scale: nearlyZero)
    parameters = registry
  }

  /// The network's output for noisy images.
  ///
  /// - Parameters:
  ///   - x: The noisy images x_t, (n, h, w, c).
  ///   - conditioning: Their timesteps, and what they are said to show.
  /// - Returns: The prediction, (n, h, w, `outputChannels`).
  public func callAsFunction(
    _ x: Variable, _ conditioning: Conditioning, _ pass: Pass
  ) -> Variable {
    precondition(conditioning.times.count == x.shape.n, "Each image needs its timestep.")
    precondition(
      condition != .none || conditioning.conditions.allSatisfy { $0 == .none },
      "This network is not told what images show.")
    let text = text?(conditioning, pass)
    let time = timeEmbedding(
      conditioning.times, plus: text?.pooled ?? classEmbedding?(conditioning, pass), pass)
    var h = input(
      fourierExponents.isEmpty ? x : pass.fourierFeatures(x, exponents: fourierExponents), pass)
    var skips = [h]
    for resolution in down {
      for stage in resolution.stages {
        h = stage(h, time: time, text: text, pass)
        skips.append(h)
      }
      switch resolution.resize {
      case nil: continue
      case .convolution(let convolution): h = convolution(h, pass)
      case .block(let block): h = block(h, time: time, text: text, pass)
      }
      skips.append(h)
    }
    h = middle.0(h, time: time, text: text, pass)
    h = middle.1(h, time: time, text: text, pass)
    for resolution in up {
      for stage in resolution.stages {
        h = stage(h, and: skips.removeLast(), time: time, text: text, pass)
      }
      switch resolution.resize {
      case nil: break
      case .convolution(let convolution): h = convolution(pass.upsample(h), pass)
      case .block(let block): h = block(h, time: time, text: text, pass)
      }
    }
    return output(outputNorm(h, pass), pass)
  }
}
