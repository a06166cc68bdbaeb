// The cost of black and white pixels whose logits are known.

/// −log p(x) = softplus(l) − x l of scalars x in {0, 1} with logits l, and its slope σ(l) − x.
public enum BernoulliCost {
  /// The sum over `count` scalars, in nats; each is within 1e-6, and they are added in Double.
  ///
  /// - Parameters:
  ///   - x: 0 or 1.
  ///   - logits: l.
  ///   - slope: Gets (σ(l) − x) · factor; nil: not computed.
  public static func sum(
    of x: UnsafePointer<Float>, logits: UnsafePointer<Float>,
    slope: UnsafeMutablePointer<Float>?, factor: Float, count: Int
  ) -> Double {
    var total = SIMD16<Double>()
    var rest = 0.0
    forEachVector(count) { i, lanes in
      let (target, logit) = (load(x + i, lanes), load(logits + i, lanes))
      let cost = softplus(logit) - target * logit
      if lanes == 16 {
        total += SIMD16<Double>(cost)
      } else {
        for lane in 0..<lanes { rest += Double(cost[lane]) }
      }
      if let slope { store((sigmoid(logit) - target) * factor, slope + i, lanes) }
    }
    return total.sum() + rest
  }
}

/// log(1 + e^x) for each lane: max(x, 0) + log(1 + u) with u = e^{−|x|}, and log(1 + u) = 2 artanh(s) with
/// s = u/(2 + u) ≤ 1/3 by its series (Abramowitz, Stegun 1964, formula 4.1.27).
@_transparent
private func softplus(_ x: Vector) -> Vector {
  let isNegative = x .< Vector()
  let size = x.replacing(with: -x, where: isNegative)
  let u = exponential(-size)
  let s = u / (2 + u)
  let square = s * s
  var p = Vector(repeating: 1.0 / 13)
  p = multiplyAdd(p, square, Vector(repeating: 1.0 / 11))
  p = multiplyAdd(p, square, Vector(repeating: 1.0 / 9))
  p = multiplyAdd(p, square, Vector(repeating: 1.0 / 7))
  p = multiplyAdd(p, square, Vector(repeating: 1.0 / 5))
  p = multiplyAdd(p, square, Vector(repeating: 1.0 / 3))
  p = multiplyAdd(p, square, Vector(repeating: 1))
  return multiplyAdd(2 * p, s, x.replacing(with: Vector(), where: isNegative))
}
