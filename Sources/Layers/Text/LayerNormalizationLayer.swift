// The normalisation of text with parameters of its own.

import Tensors

/// Layer normalisation with its scales γ (c) and biases β (c).
struct LayerNormalizationLayer: Sendable {
  let normalization = LayerNormalization()
  let scale: Parameter
  let bias: Parameter

  /// Registers `name/gamma`, all 1, and `name/beta`, all 0.
  init(_ name: String, _ registry: inout ParameterRegistry, channels c: Int) {
    scale = registry.add("\(name)/gamma", [c], .constant(1), part: .conditioning)
    bias = registry.add("\(name)/beta", [c], .constant(0), part: .conditioning)
  }

  /// (n, h, w, c) → (n, h, w, c).
  func callAsFunction(_ x: Variable, _ pass: Pass) -> Variable {
    pass.normalize(x, normalization, scale: scale, bias: bias)
  }
}
