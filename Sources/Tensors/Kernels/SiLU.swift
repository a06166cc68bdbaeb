// The network's activation, and the exponential behind it.

/// SiLU(x) = x σ(x) and its derivative, sixteen scalars at a time (Elfwing, Uchibe, Doya 2018).
///
/// Legend: `x` the input, `y` = SiLU(x), `g` a gradient, `s` = σ(x) = 1/(1 + e⁻ˣ).
public enum SiLU {
  /// y ← SiLU(y) for `count` scalars.
  public static func apply(_ y: UnsafeMutablePointer<Float>, count: Int) {
    forEachVector(count) { i, lanes in
      let x = load(y + i, lanes)
      store(x * sigmoid(x), y + i, lanes)
    }
  }

  /// g ← g · SiLU′(x) for `count` scalars, where SiLU′(x) = s (1 + x (1 − s)).
  public static func applyDerivative(
    at x: UnsafePointer<Float>, to g: UnsafeMutablePointer<Float>, count: Int
  ) {
    forEachVector(count) { i, lanes in
      let x = load(x + i, lanes)
      let s = sigmoid(x)
      store(load(g + i, lanes) * (s * (1 + x * (1 - s))), g + i, lanes)
    }
  }
}

/// e^x for each lane, within 2 units in the last place, for x clamped to ±87.
///
/// x = n ln 2 + r with |r| ≤ ½ ln 2; e^r by a polynomial of degree 6, 2^n by the exponent's bits.
@inline(__always)
func exponential(_ x: SIMD16<Float>) -> SIMD16<Float> {
  typealias Vector = SIMD16<Float>
  let rounder = Vector(repeating: 0x1.8p23)  // adding it leaves the nearest integer in the low bits
  // `clamped` would look for NaN lane by lane; a NaN passes these comparisons and stays one.
  let lower = x.replacing(with: 87, where: x .> 87)
  let x = lower.replacing(with: -87, where: lower .< -87)
  let shifted = multiplyAdd(x, Vector(repeating: 1.442_695_04), rounder)
  let n = shifted - rounder
  let r = multiplyAdd(n, 2.121_944_4e-4, multiplyAdd(n, -0.693_359_375, x))
  var p = Vector(repeating: 1.0 / 720)
  p = multiplyAdd(p, r, Vector(repeating: 1.0 / 120))
  p = multiplyAdd(p, r, Vector(repeating: 1.0 / 24))
  p = multiplyAdd(p, r, Vector(repeating: 1.0 / 6))
  p = multiplyAdd(p, r, Vector(repeating: 0.5))
  p = multiplyAdd(p, r, Vector(repeating: 1))
  p = multiplyAdd(p, r, Vector(repeating: 1))
  let exponent = unsafeBitCast(shifted, to: SIMD16<UInt32>.self) &<< 23
  return unsafeBitCast(unsafeBitCast(p, to: SIMD16<UInt32>.self) &+ exponent, to: Vector.self)
}

/// 1/(1 + e⁻ˣ) for each lane.
///
/// `@inline(__always)` leaves a call in long loops, at a fifth of a normalisation's time.
@_transparent
func sigmoid(_ x: SIMD16<Float>) -> SIMD16<Float> {
  let one = SIMD16<Float>(repeating: 1)
  return one / (one + exponential(-x))
}
