// The sums of a product that stay in registers, so many rows of them as a type says.

/// Some rows of sixteen sums each.
///
/// Their number is a type: the innermost loop of each number of rows is code of its own, without a
/// question, and with all sums in registers. What is done once beside the loop returns new rows, as
/// rows whose address is taken would be kept in memory.
protocol RowBlock {
  /// The number of rows.
  static var count: Int { get }

  /// All rows begin with the same sixteen numbers.
  init(repeating v: Vector)

  /// Rows that begin with v and `lanes` columns of an addend, whose rows are `stride` apart.
  init(_ v: Vector, plus addend: UnsafePointer<Float>, lanes: Int, stride: Int)

  /// Adds a(row) b to each row.
  ///
  /// - Parameters:
  ///   - b: Sixteen words.
  ///   - a: The word of the first row.
  ///   - row: The distance between the words of two rows.
  mutating func add<Operands: OperandFormat>(
    _: Operands.Type, _ b: Vector, _ a: UnsafePointer<Float>, row: Int)

  /// Writes the first `lanes` columns, rows being `stride` apart.
  func store(_ c: UnsafeMutablePointer<Float>, lanes: Int, stride: Int)

  /// Writes the first `lanes` columns times α, added to what is there where `adds`.
  func store(
    _ c: UnsafeMutablePointer<Float>, alpha: Float, adds: Bool, lanes: Int, stride: Int)
}

/// One row.
struct OneRow: RowBlock {
  private var sums: Vector

  static var count: Int { 1 }

  @inline(__always)
  init(repeating v: Vector) { sums = v }

  @inline(__always)
  init(_ v: Vector, plus addend: UnsafePointer<Float>, lanes: Int, stride: Int) {
    sums = v + load(addend, lanes)
  }

  @inline(__always)
  mutating func add<Operands: OperandFormat>(
    _: Operands.Type, _ b: Vector, _ a: UnsafePointer<Float>, row: Int
  ) {
    sums = Operands.multiplyAdd(b, a[0], sums)
  }

  @inline(__always)
  func store(_ c: UnsafeMutablePointer<Float>, lanes: Int, stride: Int) {
    Tensors.store(sums, c, lanes)
  }

  @inline(__always)
  func store(
    _ c: UnsafeMutablePointer<Float>, alpha: Float, adds: Bool, lanes: Int, stride: Int
  ) {
    let product = sums * alpha
    Tensors.store(adds ? load(c, lanes) + product : product, c, lanes)
  }
}

/// The rows of two blocks.
struct TwoBlocks<First: RowBlock, Second: RowBlock>: RowBlock {
  private var first: First
  private var second: Second

  static var count: Int { First.count &+ Second.count }

  @inline(__always)
  init(repeating v: Vector) { (first, second) = (First(repeating: v), Second(repeating: v)) }

  @inline(__always)
  init(_ v: Vector, plus addend: UnsafePointer<Float>, lanes: Int, stride: Int) {
    first = First(v, plus: addend, lanes: lanes, stride: stride)
    second = Second(v, plus: addend + First.count &* stride, lanes: lanes, stride: stride)
  }

  @inline(__always)
  mutating func add<Operands: OperandFormat>(
    _ operands: Operands.Type, _ b: Vector, _ a: UnsafePointer<Float>, row: Int
  ) {
    first.add(operands, b, a, row: row)
    second.add(operands, b, a + First.count &* row, row: row)
  }

  @inline(__always)
  func store(_ c: UnsafeMutablePointer<Float>, lanes: Int, stride: Int) {
    first.store(c, lanes: lanes, stride: stride)
    second.store(c + First.count &* stride, lanes: lanes, stride: stride)
  }

  @inline(__always)
  func store(
    _ c: UnsafeMutablePointer<Float>, alpha: Float, adds: Bool, lanes: Int, stride: Int
  ) {
    first.store(c, alpha: alpha, adds: adds, lanes: lanes, stride: stride)
    second.store(
      c + First.count &* stride, alpha: alpha, adds: adds, lanes: lanes, stride: stride)
  }
}

/// A product whose rows are computed in groups.
///
/// Its loops have no closures: sums that a closure captures would be kept in memory.
protocol RowProduct {
  /// Computes some groups of neighbouring rows, of as many rows as the type says.
  ///
  /// - Parameter first: The first row of the first group.
  func compute<Rows: RowBlock>(_: Rows.Type, from first: Int, groups: Int)
}

/// A product that is computed in tiles of a group of rows and sixteen columns.
///
/// A tile is a call: within loops over tiles, the optimizer would keep the address of each row.
protocol TiledProduct: RowProduct {
  /// The columns of the result.
  var columns: Int { get }

  /// Computes the rows from `row` on, as many as the type says, and up to sixteen columns.
  func computeTile<Rows: RowBlock>(_: Rows.Type, row: Int, column: Int)
}

extension TiledProduct {
  @inline(__always)
  func compute<Rows: RowBlock>(_: Rows.Type, from first: Int, groups: Int) {
    for group in 0..<groups {
      let row = first &+ group &* Rows.count
      var column = 0
      while column < columns {
        computeTile(Rows.self, row: row, column: column)
        column &+= 16
      }
    }
  }
}

extension RowProduct {
  /// Computes `rows` rows in groups of `limit` at most, 12 or 6, of about equal size: a group of one or
  /// two rows would wait for its own sums.
  @inline(__always)
  func compute(rows: Int, limit: Int) {
    guard rows > 0 else { return }
    let groups = (rows &+ limit &- 1) / limit
    let size = (rows &+ groups &- 1) / groups
    let larger = rows &- groups &* (size &- 1)
    compute(size: size, from: 0, groups: larger, limit: limit)
    if larger < groups {
      compute(size: size &- 1, from: larger &* size, groups: groups &- larger, limit: limit)
    }
  }

  private func compute(size: Int, from first: Int, groups: Int, limit: Int) {
    typealias Two = TwoBlocks<OneRow, OneRow>
    typealias Three = TwoBlocks<Two, OneRow>
    typealias Four = TwoBlocks<Two, Two>
    typealias Five = TwoBlocks<Three, Two>
    typealias Six = TwoBlocks<Three, Three>
    if limit > 6 {
      switch size {
      case 12: return compute(TwoBlocks<Six, Six>.self, from: first, groups: groups)
      case 11: return compute(TwoBlocks<Six, Five>.self, from: first, groups: groups)
      case 10: return compute(TwoBlocks<Six, Four>.self, from: first, groups: groups)
      case 9: return compute(TwoBlocks<Six, Three>.self, from: first, groups: groups)
      case 8: return compute(TwoBlocks<Four, Four>.self, from: first, groups: groups)
      case 7: return compute(TwoBlocks<Four, Three>.self, from: first, groups: groups)
      default: break
      }
    }
    switch size {
    case 6: compute(Six.self, from: first, groups: groups)
    case 5: compute(Five.self, from: first, groups: groups)
    case 4: compute(Four.self, from: first, groups: groups)
    case 3: compute(Three.self, from: first, groups: groups)
    case 2: compute(Two.self, from: first, groups: groups)
    default: compute(OneRow.self, from: first, groups: groups)
    }
  }
}
