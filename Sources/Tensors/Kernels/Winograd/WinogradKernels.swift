// Transforms between the 3×3 taps of kernels and their 36 places, in both directions.

/// The transforms of the kernels of a convolution, for some panels of channels at a time.
///
/// Legend as in `WinogradConvolution`: `W` (3, 3, c, o), U = G W Gᵀ for each pair of channels. A row
/// of U is one of words, of one or several neighbouring channels (`OperandFormat`).
struct WinogradKernels<Operands: OperandFormat> {
  private typealias Transform = Winograd<Operands.Points>

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
    let (tap, terms) = (c &* o, Operands.termsPerWord)
    withScratch(tapCount: 0) { scratch, _ in
      for row in rows {
        for panel in panels {
          let source = W + (row &* terms &* o &+ panel &* 16)
          for term in 0..<terms {
            transformColumns(source + term &* o, tap, into: scratch + 36 &* term)
          }
          let target = U.panel(panel &- panels.lowerBound)
          expand(scratch, target + row &* U.rowStride, U.placeStride)
        }
      }
    }
  }

  /// Uᵀ for panels of input channels and some panels of rows, output channels.
  func transformTransposed(_ panels: Range<Int>, rowPanels: Range<Int>, into U: PlaceArray) {
    let (tap, terms) = (c &* o, Operands.termsPerWord)
    withScratch(tapCount: 9) { scratch, taps in
      for panel in panels {
        let target = U.panel(panel &- panels.lowerBound)
        for block in stride(from: 16 * rowPanels.lowerBound, to: 16 * rowPanels.upperBound, by: 16)
        {
          for t in 0..<9 {
            transposeBlock(
              W + (t &* tap &+ panel &* 16 &* o &+ block), stride: o, into: taps + 256 &* t,
              stride: 16)
          }
          for row in 0..<16 / terms {
            for term in 0..<terms {
              transformColumns(
                taps + 16 &* (row &* terms &+ term), 256, into: scratch + 36 &* term)
            }
            expand(scratch, target + (block / terms &+ row) &* U.rowStride, U.placeStride)
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
            let t = Transform.kernelGradient(
              column6(source + j &* dU.placeStride, 6 &* dU.placeStride))
            scratch[j] = t.0
            scratch[6 &+ j] = t.1
            scratch[12 &+ j] = t.2
          }
          let target = dW + (channel &* o &+ panel &* 16)
          for ky in 0..<3 {
            let t = Transform.kernelGradient(row6(scratch, ky))
            let line = target + 3 &* ky &* tap
            put(adds ? vector(line) + t.0 : t.0, line)
            put(adds ? vector(line + tap) + t.1 : t.1, line + tap)
            put(adds ? vector(line + 2 &* tap) + t.2 : t.2, line + 2 &* tap)
          }
        }
      }
    }
  }

  /// Calls `body` with room for the transforms of the terms of a word, and for some blocks of taps.
  private func withScratch(
    tapCount: Int,
    _ body: (_ scratch: UnsafeMutablePointer<Vector>, _ taps: UnsafeMutablePointer<Float>) -> Void
  ) {
    let room = 36 * Operands.termsPerWord
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: room + tapCount * 16) { scratch in
      let scratch = scratch.baseAddress!
      body(scratch, UnsafeMutableRawPointer(scratch + room).assumingMemoryBound(to: Float.self))
    }
  }

  /// Transforms the columns of nine taps that are `tap` scalars apart, into a scratch matrix of six.
  @inline(__always)
  private func transformColumns(
    _ source: UnsafePointer<Float>, _ tap: Int, into scratch: UnsafeMutablePointer<Vector>
  ) {
    for kx in 0..<3 {
      let column = source + kx &* tap
      putColumn(
        Transform.kernel((vector(column), vector(column + 3 &* tap), vector(column + 6 &* tap))),
        scratch, kx)
    }
  }

  /// Transforms the rows of the scratch matrices of a word's terms, whose three columns are
  /// transformed, into 36 places.
  @inline(__always)
  private func expand(
    _ scratch: UnsafeMutablePointer<Vector>, _ target: UnsafeMutablePointer<Float>, _ stride: Int
  ) {
    @inline(__always)
    func row(_ i: Int, _ term: Int) -> SixVectors {
      let row = scratch + (36 &* term &+ 6 &* i)
      return Transform.kernel((row[0], row[1], row[2]))
    }
    for i in 0..<6 {
      let (first, last) = (row(i, 0), row(i, Operands.termsPerWord &- 1))
      let line = target + 6 &* i &* stride
      put(Operands.words { $0 == 0 ? first.0 : last.0 }, line)
      put(Operands.words { $0 == 0 ? first.1 : last.1 }, line + stride)
      put(Operands.words { $0 == 0 ? first.2 : last.2 }, line + 2 &* stride)
      put(Operands.words { $0 == 0 ? first.3 : last.3 }, line + 3 &* stride)
      put(Operands.words { $0 == 0 ? first.4 : last.4 }, line + 4 &* stride)
      put(Operands.words { $0 == 0 ? first.5 : last.5 }, line + 5 &* stride)
    }
  }
}
