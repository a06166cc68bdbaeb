// Transforms between the 3×3 taps of kernels and their 36 places, in both directions.

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

  /// U ← G W Gᵀ for panels of output channels and some rows of U, input channels.
  func transform(_ panels: Range<Int>, rows: Range<Int>, into U: PlaceArray) {
    let tap = c &* o
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 36) { scratch in
      let scratch = scratch.baseAddress!
      for row in rows {
        for panel in panels {
          let target = U.panel(panel &- panels.lowerBound)
          let source = W + (row &* o &+ panel &* 16)
          for kx in 0..<3 {
            let column = source + kx &* tap
            putColumn(
              Winograd.kernel(
                (vector(column), vector(column + 3 &* tap), vector(column + 6 &* tap))),
              scratch, kx)
          }
          expand(scratch, target + row &* U.rowStride, U.placeStride)
        }
      }
    }
  }

  /// Uᵀ for panels of input channels and some panels of rows, output channels.
  func transformTransposed(_ panels: Range<Int>, rowPanels: Range<Int>, into U: PlaceArray) {
    let tap = c &* o
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 36 + 9 * 16) { scratch in
      let scratch = scratch.baseAddress!
      let taps = UnsafeMutableRawPointer(scratch + 36).assumingMemoryBound(to: Float.self)
      for panel in panels {
        let target = U.panel(panel &- panels.lowerBound)
        for block in stride(from: 16 * rowPanels.lowerBound, to: 16 * rowPanels.upperBound, by: 16)
        {
          for t in 0..<9 {
            transposeBlock(
              W + (t &* tap &+ panel &* 16 &* o &+ block), stride: o, into: taps + 256 &* t,
              stride: 16)
          }
          for row in 0..<16 {
            let source = taps + 16 &* row
            for kx in 0..<3 {
              putColumn(
                Winograd.kernel(
                  (
                    vector(source + 256 &* kx), vector(source + 256 &* (3 &+ kx)),
                    vector(source + 256 &* (6 &+ kx))
                  )),
                scratch, kx)
            }
            expand(scratch, target + (block &+ row) &* U.rowStride, U.placeStride)
          }
        }
      }
    }
  }

  /// dW ← Gᵀ dU G, or dW + Gᵀ dU G where `adds`, for some input channels, the rows of dU, and
  /// panels of output channels.
  func transformGradient(
    _ dU: PlaceArray, _ channels: Range<Int>, _ panels: Range<Int>,
    into dW: UnsafeMutablePointer<Float>, adds: Bool
  ) {
    let tap = c &* o
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 18) { scratch in
      let scratch = scratch.baseAddress!
      // Neighbouring panels are neighbours in dW: the memory is read and written in their order.
      for channel in channels {
        for panel in panels {
          let source =
            dU.panel(panel &- panels.lowerBound)
            + (channel &- channels.lowerBound) &* dU.rowStride
          for j in 0..<6 {
            let t = Winograd.kernelGradient(
              column6(source + j &* dU.placeStride, 6 &* dU.placeStride))
            scratch[j] = t.0
            scratch[6 &+ j] = t.1
            scratch[12 &+ j] = t.2
          }
          let target = dW + (channel &* o &+ panel &* 16)
          for ky in 0..<3 {
            let t = Winograd.kernelGradient(row6(scratch, ky))
            let line = target + 3 &* ky &* tap
            put(adds ? vector(line) + t.0 : t.0, line)
            put(adds ? vector(line + tap) + t.1 : t.1, line + tap)
            put(adds ? vector(line + 2 &* tap) + t.2 : t.2, line + 2 &* tap)
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
}
