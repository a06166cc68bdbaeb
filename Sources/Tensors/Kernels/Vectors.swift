/// How kernels walk over arrays sixteen `Float` scalars at a time, with a shorter last vector.

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

/// The first `lanes` scalars at `pointer`; the other lanes are 0.
@inline(__always)
func load(_ pointer: UnsafePointer<Float>, _ lanes: Int) -> SIMD16<Float> {
  if lanes == 16 {
    return UnsafeRawPointer(pointer).loadUnaligned(as: SIMD16<Float>.self)
  }
  var vector = SIMD16<Float>()
  for lane in 0..<lanes { vector[lane] = pointer[lane] }
  return vector
}

/// Writes the first `lanes` lanes to `pointer`.
@inline(__always)
func store(_ vector: SIMD16<Float>, _ pointer: UnsafeMutablePointer<Float>, _ lanes: Int) {
  if lanes == 16 {
    UnsafeMutableRawPointer(pointer).storeBytes(of: vector, as: SIMD16<Float>.self)
  } else {
    for lane in 0..<lanes { pointer[lane] = vector[lane] }
  }
}
