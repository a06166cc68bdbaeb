// Random words without a state.

/// Philox4x32-10, a counter-based generator: random words as a pure function of key and counter.
///
/// Nothing is remembered between calls, so a run can be cut, resumed and spread over ranks without
/// changing one random number. Reference: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as
/// easy as 1, 2, 3", SC 2011, section 3.3 and table 2.
public struct Philox: Sendable {
  private let key: (UInt32, UInt32)

  /// The generator of a 64-bit seed.
  public init(seed: UInt64) {
    key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
  }

  /// The four words that belong to a counter.
  @inlinable
  public func words(at counter: SIMD4<UInt32>) -> SIMD4<UInt32> {
    var (x0, x1, x2, x3) = (counter[0], counter[1], counter[2], counter[3])
    var (k0, k1) = keyWords
    for _ in 0..<10 {
      let p0 = UInt64(0xD251_1F53) &* UInt64(x0)
      let p1 = UInt64(0xCD9E_8D57) &* UInt64(x2)
      let y0 = UInt32(truncatingIfNeeded: p1 >> 32) ^ x1 ^ k0
      let y2 = UInt32(truncatingIfNeeded: p0 >> 32) ^ x3 ^ k1
      (x0, x1, x2, x3) = (
        y0, UInt32(truncatingIfNeeded: p1), y2, UInt32(truncatingIfNeeded: p0)
      )
      k0 &+= 0x9E37_79B9
      k1 &+= 0xBB67_AE85
    }
    return SIMD4(x0, x1, x2, x3)
  }

  /// The words of sixteen counters that differ in their first word only: counter.x + 0 … 15.
  ///
  /// - Returns: Four vectors; lane i of the j-th is word j of counter i.
  package func words16(from counter: SIMD4<UInt32>)
    -> (SIMD16<UInt32>, SIMD16<UInt32>, SIMD16<UInt32>, SIMD16<UInt32>)
  {
    typealias Lanes = SIMD16<UInt32>
    var x0 =
      Lanes(repeating: counter[0]) &+ Lanes(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    var x1 = Lanes(repeating: counter[1])
    var x2 = Lanes(repeating: counter[2])
    var x3 = Lanes(repeating: counter[3])
    var (k0, k1) = keyWords
    for _ in 0..<10 {
      let p0 = Self.product(x0, 0xD251_1F53)
      let p1 = Self.product(x2, 0xCD9E_8D57)
      x0 = p1.high ^ x1 ^ Lanes(repeating: k0)
      x1 = p1.low
      x2 = p0.high ^ x3 ^ Lanes(repeating: k1)
      x3 = p0.low
      k0 &+= 0x9E37_79B9
      k1 &+= 0xBB67_AE85
    }
    return (x0, x1, x2, x3)
  }

  /// Both halves of the products of sixteen words with one: even and odd lanes by turns, as the
  /// CPU's multiplication to 64 bits takes them.
  @inline(__always)
  private static func product(_ x: SIMD16<UInt32>, _ factor: UInt64)
    -> (high: SIMD16<UInt32>, low: SIMD16<UInt32>)
  {
    typealias Pairs = SIMD8<UInt64>
    let (pairs, upper) = (unsafeBitCast(x, to: Pairs.self), Pairs(repeating: 0xFFFF_FFFF_0000_0000))
    let even = (pairs & ~upper) &* Pairs(repeating: factor)
    let odd = (pairs &>> 32) &* Pairs(repeating: factor)
    return (
      unsafeBitCast((even &>> 32) | (odd & upper), to: SIMD16<UInt32>.self),
      unsafeBitCast((even & ~upper) | (odd &<< 32), to: SIMD16<UInt32>.self)
    )
  }

  @usableFromInline
  var keyWords: (UInt32, UInt32) { key }
}
