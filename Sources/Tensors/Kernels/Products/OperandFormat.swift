// In which numbers the operands of matrix products are held.

/// A format of the operands of products; their sums are always float32.
///
/// Operands lie in memory as words of 32 bits, sixteen to a `Vector`, that are written, broadcast
/// and multiplied here and read nowhere else. A word holds one number or several that are
/// neighbours in the sum: with two numbers a word, one instruction adds two products to each of
/// sixteen sums.
protocol OperandFormat {
  /// The points of Winograd's transforms whose products keep most of this format's bits.
  associatedtype Points: InterpolationPoints

  /// How many terms of a sum a word holds: 1 or 2.
  static var termsPerWord: Int { get }

  /// sums + Σ a b over the terms of a word a, which meets sixteen words b.
  static func multiplyAdd(_ b: Vector, _ a: Float, _ sums: Vector) -> Vector

  /// Writes sixteen neighbouring terms of one sum: 16/`termsPerWord` words.
  static func putTerms(_ v: Vector, _ pointer: UnsafeMutablePointer<Float>)

  /// Sixteen words, of the same term or terms of sixteen sums.
  ///
  /// - Parameter terms: Gives term `i` of the word for all sixteen.
  static func words(_ terms: (_ i: Int) -> Vector) -> Vector

  /// Turns rows of sixteen terms, as `putTerms` has written them, into lines of words whose terms
  /// come from neighbouring rows: from sums over the columns of a matrix to sums over its rows.
  static func turnRows(_ rows: Int, _ pointer: UnsafeMutablePointer<Float>)
}

extension OperandFormat {
  /// The words that hold so many terms; what is missing in the last is to be zero.
  static func wordCount(_ terms: Int) -> Int { (terms &+ termsPerWord &- 1) / termsPerWord }
}

/// Operands that are what they are: a word is a `Float`.
enum Float32Operands: OperandFormat {
  typealias Points = UsualPoints

  static var termsPerWord: Int { 1 }

  @inline(__always)
  static func multiplyAdd(_ b: Vector, _ a: Float, _ sums: Vector) -> Vector {
    Tensors.multiplyAdd(b, a, sums)
  }

  @inline(__always)
  static func putTerms(_ v: Vector, _ pointer: UnsafeMutablePointer<Float>) { put(v, pointer) }

  @inline(__always)
  static func words(_ terms: (_ i: Int) -> Vector) -> Vector { terms(0) }

  @inline(__always)
  static func turnRows(_ rows: Int, _ pointer: UnsafeMutablePointer<Float>) {}
}
