// How kernels walk over arrays sixteen `Float` scalars at a time, with a shorter last vector.

import COpenBLAS

/// Sixteen scalars: one register of AVX-512, two of AVX2, four of NEON or SSE.
typealias Vector = SIMD16<Float>

/// Calls `body(i, lanes)` for i = 0, 16, 32 … below `count`; lanes is 16 except for the last rest.
///
/// The body stands here once, so that it is inlined and its constants stay in registers.
@inline(__always)
func forEachVector(_ count: Int, _ body: (_ i: Int, _ lanes: Int) -> Void) {
  var i = 0
  while i < count {
    body(i, min(16, count &- i))
    i &+= 16
  }
}

/// Calls `body(i, lanes)` as `forEachVector` does, for a body that is itself a loop: it stands here
/// twice, so that whole vectors are loaded and stored without asking for their length.
@inline(__always)
func forEachPanel(_ count: Int, _ body: (_ i: Int, _ lanes: Int) -> Void) {
  var i = 0
  while i &+ 16 <= count {
    body(i, 16)
    i &+= 16
  }
  if i < count { body(i, count &- i) }
}

/// The first `lanes` scalars at `pointer`; the other lanes are 0.
@inline(__always)
func load(_ pointer: UnsafePointer<Float>, _ lanes: Int) -> Vector {
  if lanes == 16 { return vector(pointer) }
  var vector = Vector()
  for lane in 0..<lanes { vector[lane] = pointer[lane] }
  return vector
}

/// Writes the first `lanes` lanes to `pointer`.
@inline(__always)
func store(_ vector: Vector, _ pointer: UnsafeMutablePointer<Float>, _ lanes: Int) {
  if lanes == 16 { return put(vector, pointer) }
  for lane in 0..<lanes { pointer[lane] = vector[lane] }
}

/// The sixteen scalars at `pointer`.
@inline(__always)
func vector(_ pointer: UnsafePointer<Float>) -> Vector {
  UnsafeRawPointer(pointer).loadUnaligned(as: Vector.self)
}

/// Writes sixteen scalars to `pointer`.
@inline(__always)
func put(_ vector: Vector, _ pointer: UnsafeMutablePointer<Float>) {
  UnsafeMutableRawPointer(pointer).storeBytes(of: vector, as: Vector.self)
}

/// a b + c, rounded once where the CPU can: Swift never fuses by itself.
@inline(__always)
func multiplyAdd(_ a: Vector, _ b: Float, _ c: Vector) -> Vector {
  multiplyAdd(a, Vector(repeating: b), c)
}

/// a b + c, rounded once where the CPU can: Swift never fuses by itself.
///
/// Without the instruction a fused operation is a call of the C library for each lane.
@inline(__always)
func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  COpenBLAS_has_fma() != 0 ? c.addingProduct(a, b) : c + a * b
}
