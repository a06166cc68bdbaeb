// Few output channels leave vectors empty; neighbouring input pixels fill them.

/// A 3×3 convolution to a few channels, those of an image, as inner products.
///
/// Around an output pixel, the input pixels of one row of the kernel are neighbours in memory, and
/// with the weights of one output channel together, so are these: three inner products of up to 3c
/// scalars make an output. Legend as in `Convolution`, stride and padding 1, c a multiple of 16;
/// Wⱼ (3, 3, c) the weights of output channel j.
struct NarrowConvolution {
  private let x: Tensor
  private let w: Int
  private let h: Int
  private let c: Int
  private let o: Int
  private let pool: BufferPool

  init(_ x: Tensor, outputChannels o: Int, _ pool: BufferPool) {
    self.x = x
    (h, w, c) = (x.shape.h, x.shape.w, x.shape.c)
    self.o = o
    self.pool = pool
  }

  /// y ← y + x ∗ W.
  func forward(_ W: UnsafePointer<Float>, addingTo y: Tensor) {
    pool.withScratch(count: 9 * c * o) { weights in
      transpose(W, rows: 9 * c, columns: o, stride: o, into: weights)
      for n in 0..<x.shape.n {
        let (image, output) = (x.image(n).baseAddress!, y.image(n).baseAddress!)
        forEachPixel { pixel, rows in
          for j in 0..<o {
            let channel = weights + j &* 9 &* c
            var sum = Vector()
            rows.forEach { source, weight, count in
              for i in stride(from: 0, to: count, by: 16) {
                sum = multiplyAdd(
                  vector(image + source + i), vector(channel + weight + i), sum)
              }
            }
            output[pixel &* o &+ j] += total(sum)
          }
        }
      }
    }
  }

  /// dx ← dy ∗ Wᵀ alone, in the order of the other.
  func backward(_ W: UnsafePointer<Float>, _ dy: Tensor, dx: Tensor) {
    dx.scalars.update(repeating: 0)
    pool.withScratch(count: 9 * c * o) { weights in
      transpose(W, rows: 9 * c, columns: o, stride: o, into: weights)
      for n in 0..<x.shape.n {
        let (gradient, target) = (dy.image(n).baseAddress!, dx.image(n).baseAddress!)
        forEachPixel { pixel, rows in
          for j in 0..<o {
            let g = gradient[pixel &* o &+ j]
            let channel = weights + j &* 9 &* c
            rows.forEach { source, weight, count in
              let (dx, w) = (target + source, channel + weight)
              for i in stride(from: 0, to: count, by: 16) {
                put(multiplyAdd(vector(w + i), g, vector(dx + i)), dx + i)
              }
            }
          }
        }
      }
    }
  }

  /// dW ← xᵀ ∗ dy, added to what it holds where `adds`, and dx ← dy ∗ Wᵀ where `dx` is asked for.
  func backward(
    _ W: UnsafePointer<Float>, _ dy: Tensor, dx: Tensor?, dW: UnsafeMutablePointer<Float>,
    adds: Bool
  ) {
    let size = 9 * c * o
    dx?.scalars.update(repeating: 0)
    pool.withScratch(count: 2 * size) { weights in
      let slopes = weights + size
      transpose(W, rows: 9 * c, columns: o, stride: o, into: weights)
      for n in 0..<x.shape.n {
        slopes.update(repeating: 0, count: size)
        let (image, gradient) = (x.image(n).baseAddress!, dy.image(n).baseAddress!)
        let target = dx?.image(n).baseAddress
        forEachPixel { pixel, rows in
          for j in 0..<o {
            let g = gradient[pixel &* o &+ j]
            let channel = j &* 9 &* c
            rows.forEach { source, weight, count in
              let (x, slope) = (image + source, slopes + (channel &+ weight))
              for i in stride(from: 0, to: count, by: 16) {
                put(multiplyAdd(vector(x + i), g, vector(slope + i)), slope + i)
              }
              guard let target else { return }
              let (dx, w) = (target + source, weights + (channel &+ weight))
              for i in stride(from: 0, to: count, by: 16) {
                put(multiplyAdd(vector(w + i), g, vector(dx + i)), dx + i)
              }
            }
          }
        }
        for i in 0..<9 * c {
          for j in 0..<o {
            let slope = slopes[j * 9 * c + i]
            dW[i * o + j] = adds || n > 0 ? dW[i * o + j] + slope : slope
          }
        }
      }
    }
  }

  /// The rows of the kernel at one output pixel, as far as they lie inside the map.
  private struct KernelRows {
    let row: Int
    let column: Int
    let h: Int
    let w: Int
    let c: Int

    /// Calls `body` with where a row begins in the image, where in Wⱼ, and how long it is.
    @inline(__always)
    func forEach(_ body: (_ source: Int, _ weight: Int, _ count: Int) -> Void) {
      let (first, end) = (max(0, 1 &- column), min(3, w &+ 1 &- column))
      for ky in max(0, 1 &- row)..<min(3, h &+ 1 &- row) {
        body(
          ((row &+ ky &- 1) &* w &+ column &+ first &- 1) &* c, (3 &* ky &+ first) &* c,
          (end &- first) &* c)
      }
    }
  }

  /// Calls `body` for the output pixels of an image.
  @inline(__always)
  private func forEachPixel(_ body: (_ pixel: Int, _ rows: KernelRows) -> Void) {
    for row in 0..<h {
      for column in 0..<w {
        body(row &* w &+ column, KernelRows(row: row, column: column, h: h, w: w, c: c))
      }
    }
  }

  /// The sum of the lanes, halves first.
  @inline(__always)
  private func total(_ v: Vector) -> Float {
    let eight = v.lowHalf + v.highHalf
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two[0] + two[1]
  }
}
