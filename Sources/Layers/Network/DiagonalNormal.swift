// Normal distributions whose parameters a network emits.

import Tensors

/// A normal with independent scalars for each image.
public struct DiagonalNormal {
  /// μ, (n, h, w, k).
  public let mean: Variable
  /// ℓ = log σ, (n, h, w, k).
  public let logDeviation: Variable

  /// A normal of means and logarithms of standard deviations.
  public init(mean: Variable, logDeviation: Variable) {
    (self.mean, self.logDeviation) = (mean, logDeviation)
  }
}

/// The interval that keeps log σ of a network from numbers whose exponentials end a training.
let logDeviationRange = -7.0...5.0

/// The linear layer to a normal of k scalars at each pixel: μ, and log σ softly bounded.
struct NormalLayer: Sendable {
  private let linear: LinearLayer
  private let width: Int

  /// Registers `name/W`, (inputs, 2k), and `name/b`; μ has the first k columns.
  init(_ name: String, _ registry: inout ParameterRegistry, inputs: Int, width: Int) {
    linear = LinearLayer(name, &registry, inputs: inputs, outputs: 2 * width)
    self.width = width
  }

  /// (n, h, w, inputs) → (n, h, w, k) twice.
  func callAsFunction(_ h: Variable, _ pass: Pass) -> DiagonalNormal {
    let (mean, raw) = pass.split(linear(h, pass), at: width)
    return DiagonalNormal(mean: mean, logDeviation: pass.bound(raw, to: logDeviationRange))
  }
}
