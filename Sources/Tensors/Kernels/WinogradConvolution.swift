/// A 3×3 convolution with stride 1 and padding 1 by Winograd's F(4×4, 3×3) (Lavin, Gray 2016).
///
/// The map is cut into tiles of 4×4 output pixels; each reads 6×6 input pixels. Input tiles and
/// kernels are transformed, multiplied place by place (36 matrix products over the channels), and
/// the products transformed back: a quarter of the multiplications. All six transforms run in
/// vectors of sixteen channels.
///
/// Legend: `x` (n, h, w, c), `W` (3, 3, c, o), `y` (n, h, w, o); `V` (36, tiles, c) transformed input
/// tiles, `U` (36, c, o) transformed kernels, `M` (36, tiles, o) products, `Z` (36, tiles, o)
/// transformed output gradients, `dU` (36, c, o) the kernels' gradient. Tiles are taken in blocks
/// whose arrays stay in the cache; blocks follow each other in one order.
enum WinogradConvolution {
  private typealias Vector = Winograd.Vector

  /// y ← y + x ∗ W.
  static func forward(
    _ x: Tensor, _ W: UnsafePointer<Float>, addingTo y: Tensor, _ pool: BufferPool
  ) {
    let (c, o) = (x.shape.c, y.shape.c)
    let U = Tensor(Shape(36, 1, c, o), in: pool)
    transformKernels(W, c, o, flipped: false, into: U.pointer)
    forEachBlock(x.shape, widest: max(c, o)) { tiles in
      let V = Tensor(Shape(36, 1, tiles.count, c), in: pool)
      let M = Tensor(Shape(36, 1, tiles.count, o), in: pool)
      transformInput(x, tiles, into: V.pointer)
      for k in 0..<36 {
        multiply(
          m: tiles.count, n: o, k: c, Matrix(V.pointer + k * tiles.count * c, stride: c),
          Matrix(U.pointer + k * c * o, stride: o), into: M.pointer + k * tiles.count * o,
          stride: o)
      }
      transformOutput(M.pointer, tiles, addingTo: y)
    }
  }

  /// dx ← dy ∗ Wᵀ: the same convolution with turned kernels, from o to c channels.
  static func backwardInput(
    _ dy: Tensor, _ W: UnsafePointer<Float>, into dx: Tensor, _ pool: BufferPool
  ) {
    let (c, o) = (dx.shape.c, dy.shape.c)
    let U = Tensor(Shape(36, 1, c, o), in: pool)
    transformKernels(W, c, o, flipped: true, into: U.pointer)
    dx.scalars.update(repeating: 0)
    forEachBlock(dx.shape, widest: max(c, o)) { tiles in
      let V = Tensor(Shape(36, 1, tiles.count, o), in: pool)
      let M = Tensor(Shape(36, 1, tiles.count, c), in: pool)
      transformInput(dy, tiles, into: V.pointer)
      for k in 0..<36 {
        multiply(
          m: tiles.count, n: c, k: o, Matrix(V.pointer + k * tiles.count * o, stride: o),
          Matrix(U.pointer + k * c * o, stride: o, transposed: true),
          into: M.pointer + k * tiles.count * c, stride: c)
      }
      transformOutput(M.pointer, tiles, addingTo: dx)
    }
  }

  /// dW ← dW + xᵀ ∗ dy, by F(3×3, 4×4): the transformed inputs against the transformed gradients.
  static func backwardWeights(
    _ x: Tensor, _ dy: Tensor, addingTo dW: UnsafeMutablePointer<Float>, _ pool: BufferPool
  ) {
    let (c, o) = (x.shape.c, dy.shape.c)
    let dU = Tensor(Shape(36, 1, c, o), in: pool)
    var beta: Float = 0
    forEachBlock(x.shape, widest: max(c, o)) { tiles in
      let V = Tensor(Shape(36, 1, tiles.count, c), in: pool)
      let Z = Tensor(Shape(36, 1, tiles.count, o), in: pool)
      transformInput(x, tiles, into: V.pointer)
      transformGradient(dy, tiles, into: Z.pointer)
      for k in 0..<36 {
        multiply(
          m: c, n: o, k: tiles.count,
          Matrix(V.pointer + k * tiles.count * c, stride: c, transposed: true),
          Matrix(Z.pointer + k * tiles.count * o, stride: o), beta: beta,
          into: dU.pointer + k * c * o, stride: o)
      }
      beta = 1
    }
    transformKernelGradient(dU.pointer, c, o, addingTo: dW)
  }

  // MARK: Tiles

  /// Cuts the tiles of all images into blocks whose transformed arrays take about a mebibyte.
  private static func forEachBlock(
    _ x: Shape, widest: Int, _ body: (_ tiles: Range<Int>) -> Void
  ) {
    let count = x.n * ((x.h + 3) / 4) * ((x.w + 3) / 4)
    let block = max(96, (1 << 18) / (36 * widest) & ~15)
    for start in stride(from: 0, to: count, by: block) {
      body(start..<min(start + block, count))
    }
  }

  /// The image and the first output pixel of a tile.
  @inline(__always)
  private static func origin(_ tile: Int, _ x: Shape) -> (n: Int, row: Int, column: Int) {
    let (across, down) = ((x.w + 3) / 4, (x.h + 3) / 4)
    let (line, column) = tile.quotientAndRemainder(dividingBy: across)
    let (n, row) = line.quotientAndRemainder(dividingBy: down)
    return (n, 4 * row, 4 * column)
  }

  // MARK: Transforms

  /// V ← Bᵀ d B for each tile; pixels outside the map are zero.
  private static func transformInput(
    _ x: Tensor, _ tiles: Range<Int>, into V: UnsafeMutablePointer<Float>
  ) {
    let (h, w, c) = (x.shape.h, x.shape.w, x.shape.c)
    let place = tiles.count * c
    withUnsafeTemporaryAllocation(of: Float.self, capacity: c) { zeros in
      zeros.initialize(repeating: 0)
      let outside = UnsafePointer(zeros.baseAddress!)
      withUnsafeTemporaryAllocation(of: UnsafePointer<Float>.self, capacity: 36) { pixels in
        withUnsafeTemporaryAllocation(of: Vector.self, capacity: 36) { scratch in
          for tile in tiles {
            let (n, row, column) = origin(tile, x.shape)
            for i in 0..<6 {
              for j in 0..<6 {
                let (iy, ix) = (row + i - 1, column + j - 1)
                let isInside = iy >= 0 && iy < h && ix >= 0 && ix < w
                pixels[6 * i + j] =
                  isInside ? UnsafePointer(x.pointer + ((n * h + iy) * w + ix) * c) : outside
              }
            }
            let target = V + (tile - tiles.lowerBound) * c
            for channel in stride(from: 0, to: c, by: 16) {
              for j in 0..<6 {
                let d = Winograd.input(
                  (
                    vector(pixels[j] + channel), vector(pixels[6 + j] + channel),
                    vector(pixels[12 + j] + channel), vector(pixels[18 + j] + channel),
                    vector(pixels[24 + j] + channel), vector(pixels[30 + j] + channel)
                  ))
                put(d, scratch, j)
              }
              for i in 0..<6 {
                store(Winograd.input(row6(scratch, i)), target + channel, place, i)
              }
            }
          }
        }
      }
    }
  }

  /// U ← G g Gᵀ for each pair of channels; turned by half a circle where `flipped`.
  private static func transformKernels(
    _ W: UnsafePointer<Float>, _ c: Int, _ o: Int, flipped: Bool,
    into U: UnsafeMutablePointer<Float>
  ) {
    let place = c * o
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 36) { scratch in
      for i in stride(from: 0, to: c * o, by: 16) {
        for kx in 0..<3 {
          func tap(_ ky: Int) -> Vector {
            vector(W + (flipped ? 8 - (3 * ky + kx) : 3 * ky + kx) * place + i)
          }
          put(Winograd.kernel((tap(0), tap(1), tap(2))), scratch, kx)
        }
        for row in 0..<6 {
          let u = Winograd.kernel((scratch[6 * row], scratch[6 * row + 1], scratch[6 * row + 2]))
          store(u, U + i, place, row)
        }
      }
    }
  }

  /// y ← y + Aᵀ M A for each tile; pixels outside the map are left out.
  private static func transformOutput(
    _ M: UnsafePointer<Float>, _ tiles: Range<Int>, addingTo y: Tensor
  ) {
    let (h, w, o) = (y.shape.h, y.shape.w, y.shape.c)
    let place = tiles.count * o
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 24) { scratch in
      for tile in tiles {
        let (n, row, column) = origin(tile, y.shape)
        let source = M + (tile - tiles.lowerBound) * o
        let target = y.pointer + ((n * h + row) * w + column) * o
        let (rows, columns) = (min(4, h - row), min(4, w - column))
        for channel in stride(from: 0, to: o, by: 16) {
          for j in 0..<6 {
            let m = source + channel + j * place
            let t = Winograd.output(
              (
                vector(m), vector(m + 6 * place), vector(m + 12 * place), vector(m + 18 * place),
                vector(m + 24 * place), vector(m + 30 * place)
              ))
            scratch[j] = t.0
            scratch[6 + j] = t.1
            scratch[12 + j] = t.2
            scratch[18 + j] = t.3
          }
          for i in 0..<rows {
            let t = Winograd.output(row6(scratch, i))
            let line = target + i * w * o + channel
            add(t.0, line)
            if columns > 1 { add(t.1, line + o) }
            if columns > 2 { add(t.2, line + 2 * o) }
            if columns > 3 { add(t.3, line + 3 * o) }
          }
        }
      }
    }
  }

  /// Z ← A dy Aᵀ for each tile; pixels outside the map are zero.
  private static func transformGradient(
    _ dy: Tensor, _ tiles: Range<Int>, into Z: UnsafeMutablePointer<Float>
  ) {
    let (h, w, o) = (dy.shape.h, dy.shape.w, dy.shape.c)
    let place = tiles.count * o
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 36) { scratch in
      for tile in tiles {
        let (n, row, column) = origin(tile, dy.shape)
        let source = UnsafePointer(dy.pointer + ((n * h + row) * w + column) * o)
        let target = Z + (tile - tiles.lowerBound) * o
        for channel in stride(from: 0, to: o, by: 16) {
          for j in 0..<4 {
            func pixel(_ i: Int) -> Vector {
              row + i < h && column + j < w
                ? vector(source + (i * w + j) * o + channel) : Vector()
            }
            put(Winograd.outputGradient((pixel(0), pixel(1), pixel(2), pixel(3))), scratch, j)
          }
          for i in 0..<6 {
            let t = (scratch[6 * i], scratch[6 * i + 1], scratch[6 * i + 2], scratch[6 * i + 3])
            store(Winograd.outputGradient(t), target + channel, place, i)
          }
        }
      }
    }
  }

  /// dW ← dW + Gᵀ dU G for each pair of channels.
  private static func transformKernelGradient(
    _ dU: UnsafePointer<Float>, _ c: Int, _ o: Int, addingTo dW: UnsafeMutablePointer<Float>
  ) {
    let place = c * o
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 18) { scratch in
      for i in stride(from: 0, to: c * o, by: 16) {
        for j in 0..<6 {
          let u = dU + i + j * place
          let t = Winograd.kernelGradient(
            (
              vector(u), vector(u + 6 * place), vector(u + 12 * place), vector(u + 18 * place),
              vector(u + 24 * place), vector(u + 30 * place)
            ))
          scratch[j] = t.0
          scratch[6 + j] = t.1
          scratch[12 + j] = t.2
        }
        for ky in 0..<3 {
          let t = Winograd.kernelGradient(row6(scratch, ky))
          add(t.0, dW + i + 3 * ky * place)
          add(t.1, dW + i + (3 * ky + 1) * place)
          add(t.2, dW + i + (3 * ky + 2) * place)
        }
      }
    }
  }

  // MARK: Vectors

  @inline(__always)
  private static func vector(_ pointer: UnsafePointer<Float>) -> Vector {
    UnsafeRawPointer(pointer).loadUnaligned(as: Vector.self)
  }

  @inline(__always)
  private static func add(_ value: Vector, _ pointer: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(pointer).storeBytes(of: vector(pointer) + value, as: Vector.self)
  }

  /// Row `i` of six of a 6-column scratch matrix.
  @inline(__always)
  private static func row6(
    _ scratch: UnsafeMutableBufferPointer<Vector>, _ i: Int
  ) -> Winograd.Six {
    let row = scratch.baseAddress! + 6 * i
    return (row[0], row[1], row[2], row[3], row[4], row[5])
  }

  /// Writes a column of a 6×6 scratch matrix.
  @inline(__always)
  private static func put(
    _ column: Winograd.Six, _ scratch: UnsafeMutableBufferPointer<Vector>, _ j: Int
  ) {
    let top = scratch.baseAddress! + j
    top[0] = column.0
    top[6] = column.1
    top[12] = column.2
    top[18] = column.3
    top[24] = column.4
    top[30] = column.5
  }

  /// Writes the six places of row `i`, which are `place` scalars apart.
  @inline(__always)
  private static func store(
    _ row: Winograd.Six, _ pointer: UnsafeMutablePointer<Float>, _ place: Int, _ i: Int
  ) {
    func write(_ value: Vector, _ j: Int) {
      UnsafeMutableRawPointer(pointer + (6 * i + j) * place).storeBytes(
        of: value, as: Vector.self)
    }
    write(row.0, 0)
    write(row.1, 1)
    write(row.2, 2)
    write(row.3, 3)
    write(row.4, 4)
    write(row.5, 5)
  }
}
