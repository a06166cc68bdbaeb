// The layers with parameters of their own: a convolution, a linear map, a group normalisation.

import Tensors

/// A convolution with its weights W (k, k, c, o) and biases b (o): y = x ∗ W + b.
struct ConvolutionLayer: Sendable {
  let convolution: Convolution
  let weight: Parameter
  let bias: Parameter

  /// Registers `name/W` and `name/b`, W uniform with the fans k²c and k²o times `scale`.
  init(
    _ name: String, _ registry: inout ParameterRegistry, inputs c: Int, outputs o: Int,
    kernel k: Int = 3, stride: Int = 1, scale: Double = 1
  ) {
    // A stride of two pads below and to the right only, as the original code does.
    let padding = (before: stride == 2 ? 0 : k / 2, after: k / 2)
    convolution = Convolution(
      kernel: k, stride: stride, paddingBefore: padding.before, paddingAfter: padding.after,
      outputChannels: o)
    weight = registry.add(
      "\(name)/W", [k, k, c, o], .glorot(fanIn: k * k * c, fanOut: k * k * o, scale: scale))
    bias = registry.add("\(name)/b", [o], .constant(0))
  }

  /// (n, h, w, c) → (n, oh, ow, o), plus a vector (n, 1, 1, o) and a map (n, oh, ow, o) if given.
  func callAsFunction(
    _ x: Variable, plus vector: Variable? = nil, residual: Variable? = nil, _ pass: Pass
  ) -> Variable {
    pass.convolve(
      x, convolution, weight: weight, bias: bias, vector: vector, residual: residual)
  }
}

/// A linear map of the channels with its weights W (c, o) and biases b (o): y = x W + b.
///
/// On the pixels of a map it is a 1×1 convolution, and computed as one.
struct LinearLayer: Sendable {
  let convolution: Convolution
  let weight: Parameter
  let bias: Parameter

  /// Registers `name/W` and `name/b`, W uniform with the fans c and o times `scale`.
  ///
  /// - Parameter part: The part of the model that it belongs to.
  init(
    _ name: String, _ registry: inout ParameterRegistry, inputs c: Int, outputs o: Int,
    scale: Double = 1, part: ParameterRegistry.Part = .network
  ) {
    convolution = Convolution(
      kernel: 1, stride: 1, paddingBefore: 0, paddingAfter: 0, outputChannels: o)
    weight = registry.add(
      "\(name)/W", [c, o],
      scale == 0 ? .constant(0) : .glorot(fanIn: c, fanOut: o, scale: scale), part: part)
    bias = registry.add("\(name)/b", [o], .constant(0), part: part)
  }

  /// (n, h, w, c) → (n, h, w, o), plus a map (n, h, w, o) if given.
  func callAsFunction(_ x: Variable, residual: Variable? = nil, _ pass: Pass) -> Variable {
    pass.convolve(x, convolution, weight: weight, bias: bias, residual: residual)
  }
}

/// Group normalisation with its scales γ (c) and biases β (c), and SiLU behind it if asked for.
struct GroupNormalizationLayer: Sendable {
  let normalization: GroupNormalization
  let scale: Parameter
  let bias: Parameter

  /// Registers `name/gamma`, all 1, and `name/beta`, all 0.
  ///
  /// - Parameter part: The part of the model that it belongs to.
  init(
    _ name: String, _ registry: inout ParameterRegistry, channels c: Int, groups: Int,
    activates: Bool, part: ParameterRegistry.Part = .network
  ) {
    normalization = GroupNormalization(groups: groups, activates: activates)
    scale = registry.add("\(name)/gamma", [c], .constant(1), part: part)
    bias = registry.add("\(name)/beta", [c], .constant(0), part: part)
  }

  /// (n, h, w, c) → (n, h, w, c).
  func callAsFunction(_ x: Variable, dropout rate: Double = 0, _ pass: Pass) -> Variable {
    pass.normalize(x, normalization, scale: scale, bias: bias, dropoutRate: rate)
  }

  /// The same with a scale and a shift of each image behind it, (n, 1, 1, 2c).
  func callAsFunction(
    _ x: Variable, told: Variable, dropout rate: Double = 0, _ pass: Pass
  ) -> Variable {
    pass.normalize(
      x, normalization, scale: scale, bias: bias, told: told, dropoutRate: rate)
  }
}

/// The factor of the initial weights of layers that begin as zero: small, so that they still learn.
let nearlyZero = 1e-10
