// The activation of transformers.

/// GELU(x) = x Φ(x) (Hendrycks, Gimpel 2016) and its derivative, sixteen scalars at a time.
///
/// Legend: `x` the input, `y` = GELU(x), `g` a gradient; Φ and φ are the distribution function and
/// the density of the standard normal.
public enum GELU: Sendable {
  /// With Φ itself, by the error function.
  case exact
  /// x σ(1.702 x), as CLIP has it.
  case quick

  /// y ← GELU(x) for `count` scalars; both may be the same.
  public func apply(
    _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int
  ) {
    switch self {
    case .exact:
      forEachVector(count) { i, lanes in
        let x = load(x + i, lanes)
        store(x * distribution(x, gaussian(x)), y + i, lanes)
      }
    case .quick:
      forEachVector(count) { i, lanes in
        let x = load(x + i, lanes)
        store(x * sigmoid(1.702 * x), y + i, lanes)
      }
    }
  }

  /// g ← g · GELU′(x) for `count` scalars, where GELU′(x) = Φ(x) + x φ(x), or s (1 + 1.702 x (1 − s))
  /// with s = σ(1.702 x).
  public func applyDerivative(
    at x: UnsafePointer<Float>, to g: UnsafeMutablePointer<Float>, count: Int
  ) {
    switch self {
    case .exact:
      forEachVector(count) { i, lanes in
        let x = load(x + i, lanes)
        let bell = gaussian(x)
        let slope = multiplyAdd(x * bell, 0.398_942_28, distribution(x, bell))
        store(load(g + i, lanes) * slope, g + i, lanes)
      }
    case .quick:
      forEachVector(count) { i, lanes in
        let x = 1.702 * load(x + i, lanes)
        let s = sigmoid(x)
        store(load(g + i, lanes) * (s * (1 + x * (1 - s))), g + i, lanes)
      }
    }
  }
}

/// exp(−x²/2).
@_transparent
private func gaussian(_ x: Vector) -> Vector { exponential(x * x * -0.5) }

/// Φ(x), within 1e-7, from exp(−x²/2).
///
/// Abramowitz, Stegun 1964, formula 7.1.26, for the error function of |x|/√2; what is small is
/// computed as itself, not as a difference from 1.
@_transparent
private func distribution(_ x: Vector, _ bell: Vector) -> Vector {
  let isNegative = x .< Vector()
  let distance = x.replacing(with: -x, where: isNegative)
  let t = 1 / multiplyAdd(distance, 0.231_641_9, Vector(repeating: 1))  // 0.3275911/√2
  var p = Vector(repeating: 1.061_405_429)
  p = multiplyAdd(p, t, Vector(repeating: -1.453_152_027))
  p = multiplyAdd(p, t, Vector(repeating: 1.421_413_741))
  p = multiplyAdd(p, t, Vector(repeating: -0.284_496_736))
  p = multiplyAdd(p, t, Vector(repeating: 0.254_829_592))
  let tail = 0.5 * p * t * bell
  return (1 - tail).replacing(with: tail, where: isNegative)
}
