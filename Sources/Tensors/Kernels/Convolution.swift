// One convolution, several algorithms: the extents decide which.

/// Two-dimensional convolution (cross-correlation) of NHWC maps: its extents, and the choice of the
/// algorithm that computes it.
///
/// Legend: `x` (n, h, w, c) the input, `y` (n, oh, ow, o) the output, `W` (k, k, c, o) the weights,
/// `b` (o) the biases, `dx`, `dy`, `dW`, `db` their gradients.
public struct Convolution: Sendable {
  /// The extent k of the square kernel.
  public let kernel: Int
  /// The distance between the patches of neighbouring output pixels.
  public let stride: Int
  /// The rows and columns of zeros above and to the left of the input.
  public let paddingBefore: Int
  /// The rows and columns of zeros below and to the right of the input.
  public let paddingAfter: Int
  /// The number of channels o of the output.
  public let outputChannels: Int

  /// A convolution with a square kernel.
  public init(
    kernel: Int, stride: Int, paddingBefore: Int, paddingAfter: Int, outputChannels: Int
  ) {
    self.kernel = kernel
    self.stride = stride
    self.paddingBefore = paddingBefore
    self.paddingAfter = paddingAfter
    self.outputChannels = outputChannels
  }

  /// The extents (n, oh, ow, o) of the output for an input of extents `x`.
  public func outputShape(for x: Shape) -> Shape {
    let padding = paddingBefore + paddingAfter
    precondition(
      x.h + padding >= kernel && x.w + padding >= kernel,
      "The padded map must hold the convolution's kernel at least once.")
    return Shape(
      x.n, (x.h + padding - kernel) / stride + 1, (x.w + padding - kernel) / stride + 1,
      outputChannels)
  }

  /// y ← x ∗ W + b, plus `residual` where there is one.
  ///
  /// - Parameters:
  ///   - biases: b, (o) for all images, or (n, o).
  ///   - biasStride: The distance between the biases of two images: 0, or o.
  ///   - prepared: Where transformed kernels are kept from call to call, and the number by which
  ///     these are found; nil: nowhere.
  ///   - precision: The format of the products' operands, where the extents leave a choice.
  public func forward(
    _ x: Tensor, _ W: UnsafePointer<Float>, biases: UnsafePointer<Float>, biasStride: Int = 0,
    residual: Tensor? = nil, prepared: (kernels: PreparedKernels, key: Int)? = nil,
    precision: Precision = .float32, into y: Tensor, _ pool: BufferPool
  ) {
    switch self.precision(for: x.shape, precision) {
    case .float32:
      forward(
        Float32Operands.self, x, W, biases: biases, biasStride: biasStride, residual: residual,
        prepared: prepared, into: y, pool)
    case .bfloat16:
      forward(
        BFloat16Operands.self, x, W, biases: biases, biasStride: biasStride, residual: residual,
        prepared: prepared, into: y, pool)
    }
  }

  private func forward<Operands: OperandFormat>(
    _ operands: Operands.Type, _ x: Tensor, _ W: UnsafePointer<Float>,
    biases: UnsafePointer<Float>, biasStride: Int, residual: Tensor?,
    prepared: (kernels: PreparedKernels, key: Int)?, into y: Tensor, _ pool: BufferPool
  ) {
    if usesWinograd(for: x.shape) {
      WinogradConvolution<Operands>(x.shape, outputChannels: outputChannels, pool).forward(
        x, W, biases: biases, biasStride: biasStride, residual: residual,
        prepared: prepared.flatMap {
          $0.kernels.kernels(operands, $0.key, W, c: x.shape.c, o: outputChannels)
        }, into: y)
    } else if isPointwise, Self.fillsPanels(outputChannels) {
      PointwiseConvolution<Operands>(c: x.shape.c, o: outputChannels, pool).forward(
        x.pointer, images: x.shape.n, pixels: x.shape.h * x.shape.w, W, biases: biases,
        biasStride: biasStride, residual: residual.map { UnsafePointer($0.pointer) },
        into: y.pointer)
    } else {
      let pixels = y.shape.h * y.shape.w
      for n in 0..<y.shape.n {
        let (image, b) = (y.image(n).baseAddress!, biases + n * biasStride)
        if let residual {
          Elementwise.sumOfRows(
            residual.image(n).baseAddress!, b, into: image, rows: pixels, c: outputChannels)
        } else {
          Elementwise.fillRows(b, of: image, rows: pixels, c: outputChannels)
        }
      }
      if isNarrow(for: x.shape) {
        NarrowConvolution(x, outputChannels: outputChannels, pool).forward(W, addingTo: y)
      } else {
        Im2colConvolution<Operands>(self).forward(x, W, addingTo: y, pool)
      }
    }
  }

  /// dW ← xᵀ ∗ dy and dx ← dy ∗ Wᵀ, each where it is asked for.
  ///
  /// - Parameters:
  ///   - adds: Whether xᵀ ∗ dy is added to what dW holds.
  ///   - sums: Gets Σ dy over the pixels of each image, (n, o): the gradient of (n, o) biases.
  ///   - prepared: As in the forward pass.
  ///   - precision: The format of the products' operands, where the extents leave a choice.
  public func backward(
    _ x: Tensor, _ W: UnsafePointer<Float>, _ dy: Tensor, dx: Tensor?,
    dW: UnsafeMutablePointer<Float>?, adds: Bool, sums: Tensor,
    prepared: (kernels: PreparedKernels, key: Int)? = nil, precision: Precision = .float32,
    _ pool: BufferPool
  ) {
    sums.scalars.update(repeating: 0)
    switch self.precision(for: x.shape, precision) {
    case .float32:
      backward(
        Float32Operands.self, x, W, dy, dx: dx, dW: dW, adds: adds, sums: sums,
        prepared: prepared, pool)
    case .bfloat16:
      backward(
        BFloat16Operands.self, x, W, dy, dx: dx, dW: dW, adds: adds, sums: sums,
        prepared: prepared, pool)
    }
  }

  private func backward<Operands: OperandFormat>(
    _ operands: Operands.Type, _ x: Tensor, _ W: UnsafePointer<Float>, _ dy: Tensor,
    dx: Tensor?, dW: UnsafeMutablePointer<Float>?, adds: Bool, sums: Tensor,
    prepared: (kernels: PreparedKernels, key: Int)?, _ pool: BufferPool
  ) {
    if usesWinograd(for: x.shape) {
      WinogradConvolution<Operands>(x.shape, outputChannels: outputChannels, pool).backward(
        x, W, dy, dx: dx, dW: dW, adds: adds, sums: sums.pointer,
        prepared: dx == nil
          ? nil
          : prepared.flatMap {
            $0.kernels.kernels(
              operands, $0.key, W, c: x.shape.c, o: outputChannels, isTransposed: true)
          })
    } else {
      for n in 0..<dy.shape.n {
        Elementwise.addRowSum(
          of: dy.image(n).baseAddress!, rows: dy.shape.h * dy.shape.w, c: outputChannels,
          to: sums.pointer + n * outputChannels)
      }
      if isNarrow(for: x.shape) {
        let narrow = NarrowConvolution(x, outputChannels: outputChannels, pool)
        if let dW {
          narrow.backward(W, dy, dx: dx, dW: dW, adds: adds)
        } else if let dx {
          narrow.backward(W, dy, dx: dx)
        }
        return
      }
      Im2colConvolution<Operands>(self).backward(x, W, dy, dx: dx, dW: dW, adds: adds, pool)
    }
  }

  /// The precision that a map gets. Pixels of few channels, single vectors and outputs of few channels
  /// are too little work to be rounded.
  private func precision(for x: Shape, _ precision: Precision) -> Precision {
    x.c % 16 == 0 && outputChannels % 16 == 0 && x.h * x.w > 1 ? precision : .float32
  }

  /// Whether so many columns fill their panels well enough; others are better multiplied elsewhere.
  static func fillsPanels(_ columns: Int) -> Bool { columns % 16 == 0 || columns > 48 }

  /// Whether the output pixels are linear maps of the input pixels.
  var isPointwise: Bool {
    kernel == 1 && stride == 1 && paddingBefore == 0 && paddingAfter == 0
  }

  /// Whether a map is computed by Winograd's algorithm: a 3×3 kernel at stride 1 on whole vectors
  /// of channels, and tiles of 4×4 pixels that are not mostly padding.
  ///
  /// A function of the extents alone, so that all ranks choose alike.
  public func usesWinograd(for x: Shape) -> Bool {
    suitsWinograd(x) && outputChannels % 16 == 0
  }

  /// Whether the output has too few channels for anything but inner products.
  private func isNarrow(for x: Shape) -> Bool { suitsWinograd(x) && outputChannels < 8 }

  private func suitsWinograd(_ x: Shape) -> Bool {
    kernel == 3 && stride == 1 && paddingBefore == 1 && paddingAfter == 1
      && x.c % 16 == 0 && x.h > 2 && x.w > 2
  }
}
