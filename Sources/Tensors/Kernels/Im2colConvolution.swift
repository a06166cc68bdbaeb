// Every convolution is a matrix product once its patches are written out.

/// Convolution as products with patches of the map (im2col), for any kernel, stride and channels.
///
/// Legend as in `Convolution`; `lines` are the n · oh rows of output pixels, taken some at a time
/// so that their patches (pixels, k k c) stay in the cache. At 1×1 the pixels are the patches.
struct Im2colConvolution<Operands: OperandFormat> {
  private let kernel: Int
  private let stride: Int
  private let paddingBefore: Int
  private let paddingAfter: Int
  private let outputChannels: Int
  /// Whether the patches are the pixels themselves, so that none are copied.
  private let isPointwise: Bool

  init(_ convolution: Convolution) {
    kernel = convolution.kernel
    stride = convolution.stride
    paddingBefore = convolution.paddingBefore
    paddingAfter = convolution.paddingAfter
    outputChannels = convolution.outputChannels
    isPointwise = convolution.isPointwise
  }

  /// y ← y + x ∗ W.
  func forward(
    _ x: Tensor, _ W: UnsafePointer<Float>, addingTo y: Tensor, _ pool: BufferPool
  ) {
    let o = outputChannels
    let depth = kernel * kernel * x.shape.c
    forEachChunk(x.shape, y.shape, pool) { lines, patches in
      let (rows, first) = (lines.count * y.shape.w, lines.lowerBound * y.shape.w)
      let columns = im2col(x, lines, y.shape, into: patches)
      let target = y.pointer + first * o
      if usesPanels(o) {
        return PointwiseConvolution<Operands>(c: depth, o: o, pool).forward(
          columns, pixels: rows, W, residual: target, into: target)
      }
      multiply(
        m: rows, n: o, k: depth, Matrix(columns, stride: depth), Matrix(W, stride: o), beta: 1,
        into: target, stride: o, pool)
    }
  }

  /// dW ← xᵀ ∗ dy, added to what it holds where `adds`, and dx ← dy ∗ Wᵀ, each where it is asked
  /// for.
  func backward(
    _ x: Tensor, _ W: UnsafePointer<Float>, _ dy: Tensor, dx: Tensor?,
    dW: UnsafeMutablePointer<Float>?, adds: Bool, _ pool: BufferPool
  ) {
    let o = outputChannels
    let depth = kernel * kernel * x.shape.c
    if let dx, !isPointwise { dx.scalars.update(repeating: 0) }
    forEachChunk(x.shape, dy.shape, pool) { lines, patches in
      let (rows, first) = (lines.count * dy.shape.w, lines.lowerBound * dy.shape.w)
      let gradient = Matrix(dy.pointer + first * o, stride: o)
      let product = PointwiseConvolution<Operands>(c: depth, o: o, pool)
      if let dW {
        let columns = im2col(x, lines, dy.shape, into: patches)
        let adds = adds || lines.lowerBound > 0
        if usesPanels(depth), usesPanels(o) {
          product.weightGradient(
            columns, dy.pointer + first * o, pixels: rows, into: dW, adds: adds)
        } else {
          multiply(
            m: depth, n: o, k: rows, Matrix(columns, stride: depth, transposed: true), gradient,
            beta: adds ? 1 : 0, into: dW, stride: o, pool)
        }
      }
      guard let dx else { return }
      let target = isPointwise ? dx.pointer + first * depth : patches
      if Convolution.fillsPanels(depth), usesPanels(o) || isPointwise {
        product.backward(dy.pointer + first * o, pixels: rows, W, into: target)
      } else {
        multiply(
          m: rows, n: depth, k: o, gradient, Matrix(W, stride: o, transposed: true),
          into: target, stride: depth, pool)
      }
      if !isPointwise { col2im(patches, lines, dy.shape, addingTo: dx) }
    }
  }

  /// Whether products of so many columns go by way of panels: packing other operands costs more than
  /// OpenBLAS' or small products, in which there are no rounded ones.
  private func usesPanels(_ columns: Int) -> Bool {
    columns % 16 == 0 && (Operands.termsPerWord > 1 || columns >= 128)
  }

  /// Cuts the lines into chunks whose patches take a mebibyte or are 256, with room for the patches;
  /// pixels that are their own patches are one chunk.
  private func forEachChunk(
    _ x: Shape, _ y: Shape, _ pool: BufferPool,
    _ body: (_ lines: Range<Int>, _ patches: UnsafeMutablePointer<Float>) -> Void
  ) {
    let lineCount = y.w * kernel * kernel * x.c
    let lines = y.n * y.h
    let chunk = isPointwise ? lines : max((1 << 18) / lineCount, (255 + y.w) / y.w)
    let room = isPointwise ? 1 : min(chunk, lines) * lineCount
    let patches = Tensor(Shape(1, 1, 1, room), in: pool)
    for start in Swift.stride(from: 0, to: lines, by: chunk) {
      body(start..<min(start + chunk, lines), patches.pointer)
    }
  }

  /// Writes the patch of each pixel of the lines, (pixels, k, k, c), zeros outside the map.
  private func im2col(
    _ x: Tensor, _ lines: Range<Int>, _ y: Shape, into patches: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    if isPointwise { return UnsafePointer(x.pointer + lines.lowerBound * x.shape.w * x.shape.c) }
    forEachPatchRow(x.shape, lines, y) { patch, source, zerosBefore, copied, zerosAfter in
      let target = patches + patch
      target.update(repeating: 0, count: zerosBefore)
      (target + zerosBefore).update(from: x.pointer + source, count: copied)
      (target + zerosBefore + copied).update(repeating: 0, count: zerosAfter)
    }
    return UnsafePointer(patches)
  }

  /// Adds each patch back onto the pixels that it was taken from: the transpose of `im2col`.
  private func col2im(
    _ patches: UnsafePointer<Float>, _ lines: Range<Int>, _ y: Shape, addingTo dx: Tensor
  ) {
    forEachPatchRow(dx.shape, lines, y) { patch, source, zerosBefore, copied, _ in
      Elementwise.add(patches + patch + zerosBefore, to: dx.pointer + source, count: copied)
    }
  }

  /// Visits each row (k c scalars) of each patch: where it lies among the patches, where its part
  /// inside the map begins in x, and how many scalars lie left of, in, and right of the map.
  @inline(__always)
  private func forEachPatchRow(
    _ x: Shape, _ lines: Range<Int>, _ y: Shape,
    _ body: (
      _ patch: Int, _ source: Int, _ zerosBefore: Int, _ copied: Int, _ zerosAfter: Int
    ) -> Void
  ) {
    let rowCount = kernel * x.c
    var patch = 0
    for line in lines {
      let (image, oy) = (line / y.h, line % y.h)
      for ox in 0..<y.w {
        let left = ox * stride - paddingBefore
        let (from, to) = (max(left, 0), min(left + kernel, x.w))
        for ky in 0..<kernel {
          let iy = oy * stride - paddingBefore + ky
          if iy >= 0 && iy < x.h {
            let source = ((image * x.h + iy) * x.w + from) * x.c
            body(
              patch, source, (from - left) * x.c, (to - from) * x.c, (left + kernel - to) * x.c)
          } else {
            body(patch, 0, rowCount, 0, 0)
          }
          patch += rowCount
        }
      }
    }
  }
}
