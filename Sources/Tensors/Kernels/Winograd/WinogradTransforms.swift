// The matrices A, B and G of F(4, 3), written out.

/// The one-dimensional transforms of Winograd's F(4, 3), sixteen channels at a time.
///
/// With the points 0, ±1, ±2, ∞ (Lavin, Gray 2016, section 4.3): y = Aᵀ[(G g) ⊙ (Bᵀ d)] gives the
/// four outputs of a kernel of three on six inputs with six products instead of twelve. In two
/// dimensions each is applied to the columns and then to the rows: 36 products instead of 144.
enum Winograd {
  typealias Three = (Vector, Vector, Vector)
  typealias Four = (Vector, Vector, Vector, Vector)
  typealias Six = (Vector, Vector, Vector, Vector, Vector, Vector)

  /// Bᵀ d: six inputs.
  @inline(__always)
  static func input(_ d: Six) -> Six {
    let evens = multiplyAdd(d.2, -4, d.4)
    let odds = multiplyAdd(d.1, -4, d.3)
    let near = d.3 - d.1
    let far = d.4 - d.2
    return (
      multiplyAdd(d.0, 4, multiplyAdd(d.2, -5, d.4)), evens + odds, evens - odds,
      multiplyAdd(near, 2, far), multiplyAdd(near, -2, far),
      multiplyAdd(d.1, 4, multiplyAdd(d.3, -5, d.5))
    )
  }

  /// B v: the gradient of six inputs, from that of their transform.
  @inline(__always)
  static func inputGradient(_ v: Six) -> Six {
    let (near, nearDifference) = (v.1 + v.2, v.2 - v.1)
    let (far, farDifference) = (v.3 + v.4, v.4 - v.3)
    return (
      4 * v.0, multiplyAdd(nearDifference + v.5, 4, 2 * farDifference),
      multiplyAdd(v.0, -5, multiplyAdd(near, -4, -far)),
      multiplyAdd(v.5, -5, multiplyAdd(farDifference, -2, -nearDifference)), v.0 + near + far, v.5
    )
  }

  /// G g: a kernel.
  @inline(__always)
  static func kernel(_ g: Three) -> Six {
    let sum = (g.0 + g.2) * Vector(repeating: -1 / 6)
    let middle = g.1 * Vector(repeating: 1 / 6)
    let wide = multiplyAdd(g.0, 1 / 24, g.2 * Vector(repeating: 1 / 6))
    let wideMiddle = g.1 * Vector(repeating: 1 / 12)
    return (
      g.0 * Vector(repeating: 0.25), sum - middle, sum + middle, wide + wideMiddle,
      wide - wideMiddle, g.2
    )
  }

  /// Aᵀ m: the four outputs.
  @inline(__always)
  static func output(_ m: Six) -> Four {
    let (near, nearDifference) = (m.1 + m.2, m.1 - m.2)
    let (far, farDifference) = (m.3 + m.4, m.3 - m.4)
    return (
      m.0 + near + far, multiplyAdd(farDifference, 2, nearDifference), multiplyAdd(far, 4, near),
      multiplyAdd(farDifference, 8, nearDifference + m.5)
    )
  }

  /// A dy: the gradient of the six products, from that of the four outputs.
  @inline(__always)
  static func outputGradient(_ y: Four) -> Six {
    let (evens, odds) = (y.0 + y.2, y.1 + y.3)
    let (wideEvens, wideOdds) = (multiplyAdd(y.2, 4, y.0), multiplyAdd(y.3, 8, 2 * y.1))
    return (y.0, evens + odds, evens - odds, wideEvens + wideOdds, wideEvens - wideOdds, y.3)
  }

  /// Gᵀ du: the gradient of the kernel, from that of its transform.
  @inline(__always)
  static func kernelGradient(_ u: Six) -> Three {
    let (near, nearDifference) = (u.1 + u.2, u.2 - u.1)
    let (far, farDifference) = (u.3 + u.4, u.3 - u.4)
    let sixth = Vector(repeating: 1 / 6)
    return (
      multiplyAdd(u.0, 0.25, multiplyAdd(near, -1 / 6, far * Vector(repeating: 1 / 24))),
      multiplyAdd(nearDifference, sixth, farDifference * Vector(repeating: 1 / 12)),
      multiplyAdd(far - near, sixth, u.5)
    )
  }
}
