// Each algorithm of convolution against naive sums in Double, and what its results must not
// depend on.

import Tensors
import TestSupport
import Testing

@Suite struct ConvolutionTests {
  /// A convolution at stride 1 that keeps the map's extents.
  static func convolution(kernel: Int, to o: Int) -> Convolution {
    Convolution(
      kernel: kernel, stride: 1, paddingBefore: kernel / 2, paddingAfter: kernel / 2,
      outputChannels: o)
  }

  // MARK: Against sums in Double

  /// Maps that only patches suit: channels that fill no vectors, two strides, a map below a tile.
  @Test(
    arguments: [
      Shape(2, 4, 4, 17), Shape(1, 5, 3, 1), Shape(3, 7, 5, 6), Shape(2, 3, 4, 35),
      Shape(1, 28, 28, 2), Shape(2, 32, 32, 40), Shape(3, 2, 2, 16),
    ], [(3, 1), (3, 2), (1, 1)])
  func im2col(_ shape: Shape, _ form: (kernel: Int, stride: Int)) {
    let (k, stride) = form
    for o in [1, 3, 20] {
      let convolution = Convolution(
        kernel: k, stride: stride, paddingBefore: stride == 2 ? 0 : k / 2, paddingAfter: k / 2,
        outputChannels: o)
      for (result, error) in ConvolutionTrial(convolution: convolution, shape: shape).errors() {
        #expect(error < 5e-6, "\(result), outputs \(o)")
      }
    }
  }

  /// Maps that Winograd's algorithm takes where there are whole vectors of outputs, and inner
  /// products where there are few: whole tiles, all rests of tiles, chunks of channels.
  @Test(arguments: [
    Shape(2, 4, 4, 16), Shape(2, 7, 5, 16), Shape(3, 5, 6, 16), Shape(1, 6, 11, 16),
    Shape(1, 3, 9, 48), Shape(3, 28, 28, 16), Shape(7, 5, 3, 64), Shape(1, 8, 9, 80),
    Shape(2, 4, 4, 512),
  ])
  func winograd(_ shape: Shape) {
    for o in [1, 3, 7, 15, 16, 32] {
      let convolution = Self.convolution(kernel: 3, to: o)
      #expect(convolution.usesWinograd(for: shape) == (o >= 16))
      for sharesBiases in [false, true] {
        let trial = ConvolutionTrial(
          convolution: convolution, shape: shape, sharesBiases: sharesBiases,
          hasResidual: !sharesBiases)
        for (result, error) in trial.errors() {
          #expect(error < 4e-5, "\(result), outputs \(o), shared \(sharesBiases)")
        }
      }
    }
  }

  /// More tiles than a block holds, and chunks of many output channels.
  @Test func winogradBlocks() {
    let trial = ConvolutionTrial(
      convolution: Self.convolution(kernel: 3, to: 512), shape: Shape(2, 21, 22, 32))
    for (result, error) in trial.errors() { #expect(error < 4e-5, "\(result)") }
  }

  /// Transformed tiles that no block of the pool's scratch memory holds.
  @Test func winogradBeyondABlockOfScratch() {
    let trial = ConvolutionTrial(
      convolution: Self.convolution(kernel: 3, to: 16), shape: Shape(3, 16, 16, 1024))
    for (result, error) in trial.errors() { #expect(error < 4e-5, "\(result)") }
  }

  /// Channels that fill vectors on both sides, on one, on none; weights that are multiplied where
  /// they lie and that are packed first; several chunks of panels, the last one shorter or not; a
  /// panel larger than a chunk.
  @Test(arguments: [
    (Shape(2, 5, 5, 512), 256), (Shape(2, 5, 5, 256), 512), (Shape(1, 4, 6, 512), 96),
    (Shape(1, 1, 23, 512), 96), (Shape(3, 1, 9, 4096), 32), (Shape(2, 4, 7, 20), 48),
    (Shape(2, 4, 7, 48), 20), (Shape(1, 5, 5, 35), 3), (Shape(1, 1, 1, 16), 16),
    (Shape(16, 1, 1, 784), 200), (Shape(2, 1, 32, 200), 49), (Shape(3, 3, 5, 50), 100),
  ])
  func pointwise(_ shape: Shape, _ o: Int) {
    let convolution = Self.convolution(kernel: 1, to: o)
    for (sharesBiases, hasResidual) in [
      (false, false), (false, true), (true, false), (true, true),
    ] {
      let trial = ConvolutionTrial(
        convolution: convolution, shape: shape, sharesBiases: sharesBiases,
        hasResidual: hasResidual)
      for (result, error) in trial.errors() {
        #expect(error < 5e-6, "\(result), shared \(sharesBiases), residual \(hasResidual)")
      }
    }
  }

  /// All that is left over where rows are taken six at a time.
  @Test(arguments: 1...50)
  func pointwiseRows(_ rows: Int) {
    for (n, c, o) in [(1, 16, 48), (3, 32, 16), (2, 17, 32), (2, 32, 17), (2, 50, 57)] {
      for sharesBiases in [false, true] {
        let trial = ConvolutionTrial(
          convolution: Self.convolution(kernel: 1, to: o), shape: Shape(n, 1, rows, c),
          sharesBiases: sharesBiases)
        for (result, error) in trial.errors() {
          #expect(error < 5e-6, "\(result), \(n) images, \(c) to \(o), shared \(sharesBiases)")
        }
      }
    }
  }

  // MARK: Independence

  /// An image's results have the same bits whatever the other images of the batch, and whether the
  /// images share their biases or have equal ones.
  @Test(
    arguments: [(1, 96), (3, 96), (3, 3)],
    [Shape(7, 10, 12, 32), Shape(7, 5, 3, 64), Shape(7, 9, 12, 512)])
  func imagesDoNotSeeTheBatch(_ form: (kernel: Int, o: Int), _ many: Shape) {
    let (pool, kernel, o) = (BufferPool(), form.kernel, form.o)
    let convolution = Self.convolution(kernel: kernel, to: o)
    let one = Shape(1, many.h, many.w, many.c)
    let x = Tensor(many, normals(many.count), in: pool)
    let dy = Tensor(many.with(channels: o), normals(many.pixels * o, index: 1), in: pool)
    let W = normals(kernel * kernel * many.c * o, index: 2)
    let biases = normals(o, index: 3)
    let repeated = (0..<many.n).flatMap { _ in biases }

    /// y with the one and the other form of biases, dx and the sums.
    func results(_ x: Tensor, _ dy: Tensor) -> [Tensor] {
      let results = [
        Tensor(dy.shape, in: pool), Tensor(dy.shape, in: pool), Tensor(x.shape, in: pool),
        Tensor(Shape(x.shape.n, 1, 1, o), in: pool),
      ]
      convolution.forward(x, W, biases: biases, into: results[0], pool)
      convolution.forward(x, W, biases: repeated, biasStride: o, into: results[1], pool)
      var dW = [Float](repeating: .nan, count: W.count)
      dW.withUnsafeMutableBufferPointer {
        convolution.backward(
          x, W, dy, dx: results[2], dW: $0.baseAddress!, adds: false, sums: results[3], pool)
      }
      return results
    }
    let together = results(x, dy)
    #expect(together[0].scalars.elementsEqual(together[1].scalars))
    for n in 0..<many.n {
      let alone = results(
        Tensor(one, x.image(n), in: pool), Tensor(one.with(channels: o), dy.image(n), in: pool))
      for (i, name) in ["y", "y", "dx", "sums"].enumerated() {
        #expect(alone[i].scalars.elementsEqual(together[i].image(n)), "\(name) of image \(n)")
      }
    }
  }

  // MARK: Adjoints

  /// ⟨x ∗ W, dy⟩ = ⟨x, dx⟩ = ⟨W, dW⟩: each gradient is the exact adjoint of the forward pass.
  ///
  /// dy lies near x ∗ W, so that the inner products do not cancel.
  @Test(arguments: [1, 3], [Shape(1, 4, 4, 16), Shape(3, 10, 9, 48), Shape(2, 16, 16, 128)])
  func gradientsAreAdjoint(_ kernel: Int, _ shape: Shape) {
    for o in [3, 16, 64] {
      let (pool, outputs) = (BufferPool(), shape.with(channels: o))
      let convolution = Self.convolution(kernel: kernel, to: o)
      let x = Tensor(shape, normals(shape.count), in: pool)
      let W = normals(kernel * kernel * shape.c * o, index: 1)
      let (y, dx) = (Tensor(outputs, in: pool), Tensor(shape, in: pool))
      convolution.forward(
        x, W, biases: [Float](repeating: 0, count: o), into: y, pool)
      let noise = normals(outputs.count, index: 2, scale: Float(W.count / o).squareRoot())
      let dy = Tensor(outputs, zip(y.scalars, noise).map { $0 + $1 }, in: pool)
      var dW = [Float](repeating: .nan, count: W.count)
      dW.withUnsafeMutableBufferPointer {
        convolution.backward(
          x, W, dy, dx: dx, dW: $0.baseAddress!, adds: false,
          sums: Tensor(Shape(shape.n, 1, 1, o), in: pool), pool)
      }
      func product(_ a: some Sequence<Float>, _ b: some Sequence<Float>) -> Double {
        zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
      }
      let forward = product(y.scalars, dy.scalars)
      #expect(abs(product(x.scalars, dx.scalars) / forward - 1) < 1e-6, "dx, outputs \(o)")
      #expect(abs(product(W, dW) / forward - 1) < 1e-6, "dW, outputs \(o)")
    }
  }
}
