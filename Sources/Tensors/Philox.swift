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

  @usableFromInline
  var keyWords: (UInt32, UInt32) { key }
}
