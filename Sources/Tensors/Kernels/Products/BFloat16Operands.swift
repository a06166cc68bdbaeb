// Operands of half the size: the upper sixteen bits of a float32.

import CBFloat16

/// Operands rounded to bfloat16, eight bits of which are significant, two to a word.
///
/// The product of two is exact in float32, and the sum of a word's two products is rounded twice:
/// sum ← (sum + a₁ b₁) + a₀ b₀, as AVX-512's VDPBF16PS does it. Without that instruction the same
/// is computed in float32, with the same bits where no operand, product or sum is below 2⁻¹²⁶: the
/// instruction takes those for 0.
enum BFloat16Operands: OperandFormat {
  typealias Points = NarrowPoints

  private typealias Words = SIMD16<UInt32>

  static var termsPerWord: Int { 2 }

  @inline(__always)
  static func multiplyAdd(_ b: Vector, _ a: Float, _ sums: Vector) -> Vector {
    if CBFloat16_isNative() != 0 {
      return CBFloat16_multiplyAdd(sums, b, Vector(repeating: a))
    }
    let (a, b) = (a.bitPattern, unsafeBitCast(b, to: Words.self))
    let high = Tensors.multiplyAdd(
      unsafeBitCast(b & 0xffff_0000, to: Vector.self), Float(bitPattern: a & 0xffff_0000), sums)
    return Tensors.multiplyAdd(
      unsafeBitCast(b &<< 16, to: Vector.self), Float(bitPattern: a &<< 16), high)
  }

  @inline(__always)
  static func putTerms(_ v: Vector, _ pointer: UnsafeMutablePointer<Float>) {
    let target = UnsafeMutableRawPointer(pointer)
    if CBFloat16_isNative() != 0 {
      target.storeBytes(of: CBFloat16_rounded(v), as: SIMD8<Float>.self)
    } else {
      let halves = SIMD16<UInt16>(truncatingIfNeeded: rounded(v) &>> 16)
      target.storeBytes(of: halves, as: SIMD16<UInt16>.self)
    }
  }

  @inline(__always)
  static func words(_ terms: (_ i: Int) -> Vector) -> Vector {
    let (low, high) = (terms(0), terms(1))
    if CBFloat16_isNative() != 0 { return CBFloat16_pairs(low, high) }
    return unsafeBitCast(rounded(high) | rounded(low) &>> 16, to: Vector.self)
  }

  static func turnRows(_ rows: Int, _ pointer: UnsafeMutablePointer<Float>) {
    for first in stride(from: 0, to: rows, by: 2) {
      let line = pointer + 8 &* first
      var (low, high) = (halves(line), SIMD16<UInt16>())
      if first &+ 1 < rows { high = halves(line + 8) }
      let words =
        Words(truncatingIfNeeded: low) | Words(truncatingIfNeeded: high) &<< 16
      put(unsafeBitCast(words, to: Vector.self), line)
    }
  }

  @inline(__always)
  private static func halves(_ pointer: UnsafePointer<Float>) -> SIMD16<UInt16> {
    UnsafeRawPointer(pointer).loadUnaligned(as: SIMD16<UInt16>.self)
  }

  /// The float32 nearest to each whose lower halves are 0, the even one of two; a zero for what is
  /// below 2⁻¹²⁶.
  @inline(__always)
  private static func rounded(_ v: Vector) -> Words {
    let bits = unsafeBitCast(v, to: Words.self)
    var result = (bits &+ 0x7fff &+ (bits &>> 16 & 1)) & 0xffff_0000
    result.replace(with: bits & 0x8000_0000, where: bits & 0x7f80_0000 .== 0)
    // A NaN stays one: the sum may have carried into its sign.
    result.replace(
      with: (bits | 0x0040_0000) & 0xffff_0000, where: bits & 0x7fff_ffff .> 0x7f80_0000)
    return result
  }
}
