/// The transforms of the kernels of a convolution, for some panels of channels at a time.
///
/// Legend as in `WinogradConvolution`: `W` (3, 3, c, o), U = G W Gᵀ for each pair of channels.
struct WinogradKernels {
  private let W: UnsafePointer<Float>
  private let c: Int
  private let o: Int

  init(_ W: UnsafePointer<Float>, _ c: Int, _ o: Int) {
    self.W = W
    self.c = c
    self.o = o
  }

  /// U ← G W Gᵀ for panels of output channels; the rows of U are input channels.
  func transform(_ panels: Range<Int>, into U: PlaceArray) {
    let tap = c &* o
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 36) { scratch in
      let scratch = scratch.baseAddress!
      for panel in panels {
        let target = U.panel(panel &- panels.lowerBound)
        for row in 0..<c {
          let source = W + (row &* o &+ panel &* 16)
          for kx in 0..<3 {
            let column = source + kx &* tap
            putColumn(
              Winograd.kernel(
                (vector(column), vector(column + 3 &* tap), vector(column + 6 &* tap))),
              scratch, kx)
          }
          expand(scratch, target + row &* 16, U.placeStride)
        }
      }
    }
  }

  /// Uᵀ for panels of input channels; the rows are output channels.
  func transformTransposed(_ panels: Range<Int>, into U: PlaceArray) {
    let tap = c &* o
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 36 + 9 * 16) { scratch in
      let scratch = scratch.baseAddress!
      let taps = scratch + 36
      for panel in panels {
        let target = U.panel(panel &- panels.lowerBound)
        for block in stride(from: 0, to: o, by: 16) {
          for t in 0..<9 {
            transpose(W + (t &* tap &+ panel &* 16 &* o &+ block), o, into: taps + 16 &* t)
          }
          for row in 0..<16 {
            let source = taps + row
            for kx in 0..<3 {
              putColumn(
                Winograd.kernel(
                  (source[16 &* kx], source[48 &+ 16 &* kx], source[96 &+ 16 &* kx])),
                scratch, kx)
            }
            expand(scratch, target + (block &+ row) &* 16, U.placeStride)
          }
        }
      }
    }
  }

  /// dW ← dW + Gᵀ dU G for panels of output channels.
  static func transformGradient(
    _ dU: PlaceArray, _ panels: Range<Int>, _ c: Int, _ o: Int,
    addingTo dW: UnsafeMutablePointer<Float>
  ) {
    let tap = c &* o
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 18) { scratch in
      let scratch = scratch.baseAddress!
      for panel in panels {
        let source = dU.panel(panel &- panels.lowerBound)
        for row in 0..<c {
          for j in 0..<6 {
            let u = source + (j &* dU.placeStride &+ row &* 16)
            let t = Winograd.kernelGradient(column6(u, 6 &* dU.placeStride))
            scratch[j] = t.0
            scratch[6 &+ j] = t.1
            scratch[12 &+ j] = t.2
          }
          let target = dW + (row &* o &+ panel &* 16)
          for ky in 0..<3 {
            let t = Winograd.kernelGradient(row6(scratch, ky))
            let line = target + 3 &* ky &* tap
            put(vector(line) + t.0, line)
            put(vector(line + tap) + t.1, line + tap)
            put(vector(line + 2 &* tap) + t.2, line + 2 &* tap)
          }
        }
      }
    }
  }

  /// Transforms the rows of a scratch matrix whose three columns are transformed, into 36 places.
  @inline(__always)
  private func expand(
    _ scratch: UnsafeMutablePointer<Vector>, _ target: UnsafeMutablePointer<Float>, _ stride: Int
  ) {
    for i in 0..<6 {
      let row = scratch + 6 &* i
      putRow(Winograd.kernel((row[0], row[1], row[2])), target + 6 &* i &* stride, stride)
    }
  }

  /// a₀, b₀, a₁, b₁ … of two half vectors.
  @inline(__always)
  private func interleave(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> Vector {
    var both = Vector()
    both.evenHalf = a
    both.oddHalf = b
    return both
  }

  /// Writes the columns of sixteen rows, which are `stride` scalars apart, as vectors.
  @inline(__always)
  private func transpose(
    _ source: UnsafePointer<Float>, _ stride: Int, into target: UnsafeMutablePointer<Vector>
  ) {
    for i in 0..<16 { target[i] = vector(source + i &* stride) }
    // Four times the first half is interleaved with the second, as a deck of cards is shuffled.
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 16) { half in
      let half = half.baseAddress!
      func shuffle(_ a: UnsafeMutablePointer<Vector>, _ b: UnsafeMutablePointer<Vector>) {
        for i in 0..<8 {
          let (upper, lower) = (a[i], a[8 &+ i])
          b[2 &* i] = interleave(upper.lowHalf, lower.lowHalf)
          b[2 &* i &+ 1] = interleave(upper.highHalf, lower.highHalf)
        }
      }
      shuffle(target, half)
      shuffle(half, target)
      shuffle(target, half)
      shuffle(half, target)
    }
  }
}
