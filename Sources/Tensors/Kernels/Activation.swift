// The activations that settings can name.

/// What stands between two linear layers, for each scalar by itself.
///
/// Legend: `x` the input, `y` the output, `g` a gradient.
public enum Activation: String, CaseIterable, Sendable {
  /// x σ(x).
  case silu
  /// The hyperbolic tangent.
  case tanh
  /// x where x > 0, else 0.1 x (Sønderby et al. 2016).
  case leakyReLU = "leaky_relu"
  /// x Φ(x).
  case gelu

  private static let leak: Float = 0.1

  /// Writes the activation of `count` scalars.
  public func apply(
    _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int
  ) {
    switch self {
    case .silu:
      y.update(from: x, count: count)
      SiLU.apply(y, count: count)
    case .gelu: GELU.exact.apply(x, into: y, count: count)
    case .tanh:
      forEachVector(count) { i, lanes in store(hyperbolicTangent(load(x + i, lanes)), y + i, lanes)
      }
    case .leakyReLU:
      forEachVector(count) { i, lanes in
        let x = load(x + i, lanes)
        store(x.replacing(with: Self.leak * x, where: x .< Vector()), y + i, lanes)
      }
    }
  }

  /// g ← g · the derivative at x, for `count` scalars; that of `leakyReLU` at 0 is 1.
  public func applyDerivative(
    at x: UnsafePointer<Float>, to g: UnsafeMutablePointer<Float>, count: Int
  ) {
    switch self {
    case .silu: SiLU.applyDerivative(at: x, to: g, count: count)
    case .gelu: GELU.exact.applyDerivative(at: x, to: g, count: count)
    case .tanh:
      forEachVector(count) { i, lanes in
        let y = hyperbolicTangent(load(x + i, lanes))
        store(load(g + i, lanes) * (1 - y * y), g + i, lanes)
      }
    case .leakyReLU:
      forEachVector(count) { i, lanes in
        let g0 = load(g + i, lanes)
        store(
          g0.replacing(with: Self.leak * g0, where: load(x + i, lanes) .< Vector()), g + i, lanes)
      }
    }
  }
}

/// tanh x for each lane, within 4e-7 of its size.
///
/// (1 − e^{−2|x|})/(1 + e^{−2|x|}) with the sign of x; near 0, where the difference has few digits, the
/// beginning of the series (Abramowitz, Stegun 1964, formula 4.5.64).
@_transparent
private func hyperbolicTangent(_ x: Vector) -> Vector {
  let size = x.replacing(with: -x, where: x .< Vector())
  let e = exponential(-2 * size)
  let far = (1 - e) / (1 + e)
  let square = x * x
  var series = Vector(repeating: 62.0 / 2835)
  series = multiplyAdd(series, square, Vector(repeating: -17.0 / 315))
  series = multiplyAdd(series, square, Vector(repeating: 2.0 / 15))
  series = multiplyAdd(series, square, Vector(repeating: -1.0 / 3))
  let near = multiplyAdd(series * square, size, size)
  let y = far.replacing(with: near, where: size .< Vector(repeating: 0.25))
  return y.replacing(with: -y, where: x .< Vector())
}
