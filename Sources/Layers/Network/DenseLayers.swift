// Linear layers with an activation behind each.

import Tensors

/// A multilayer perceptron without its last layer; with no layers it is the identity.
struct DenseLayers: Sendable {
  private let layers: [LinearLayer]
  private let activation: Activation
  /// The channels of the output.
  let outputs: Int

  /// Registers `name/dense0`, `name/dense1`, …
  ///
  /// - Parameters:
  ///   - width: The channels of each layer's output.
  ///   - count: The number of layers.
  init(
    _ name: String, _ registry: inout ParameterRegistry, inputs: Int, width: Int, count: Int,
    activation: Activation
  ) {
    layers = (0..<count).map {
      LinearLayer(
        "\(name)/dense\($0)", &registry, inputs: $0 == 0 ? inputs : width, outputs: width)
    }
    outputs = count == 0 ? inputs : width
    self.activation = activation
  }

  /// (n, h, w, inputs) → (n, h, w, outputs).
  func callAsFunction(_ x: Variable, _ pass: Pass) -> Variable {
    layers.reduce(x) { pass.activate($1($0, pass), activation) }
  }
}
