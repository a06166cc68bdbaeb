// Products of operands that are rounded to bfloat16, by the instructions for it where the program has them.

import Tensors
import TestSupport
import Testing

@Suite struct BFloat16Tests {
  // MARK: Against sums in Double

  /// Direct products are sums of rounded operands, with the errors of float32.
  @Test(
    arguments: [
      (Shape(2, 5, 5, 512), 256), (Shape(1, 4, 6, 32), 96), (Shape(3, 1, 9, 48), 32),
      (Shape(2, 7, 7, 64), 16), (Shape(8, 16, 17, 16), 144), (Shape(1, 33, 35, 16), 16),
      (Shape(1, 72, 70, 16), 32),
    ], [(1, 1), (3, 2)])
  func directConvolutions(_ shape: (Shape, Int), _ form: (kernel: Int, stride: Int)) {
    let convolution = Convolution(
      kernel: form.kernel, stride: form.stride, paddingBefore: 0, paddingAfter: form.stride - 1,
      outputChannels: shape.1)
    guard shape.0.h >= form.kernel - 1 else { return }
    for sharesBiases in [false, true] {
      let trial = ConvolutionTrial(
        convolution: convolution, shape: shape.0, sharesBiases: sharesBiases,
        hasResidual: sharesBiases, precision: .bfloat16)
      for (result, error) in trial.errors() {
        #expect(error < 5e-6, "\(result), shared \(sharesBiases)")
      }
    }
  }

  /// Winograd's algorithm rounds what it has transformed: within some per cent of the largest scalar.
  /// Odd numbers of tiles and of blocks, one tile, and channels of several chunks.
  @Test(arguments: [
    (Shape(2, 4, 4, 16), 16), (Shape(3, 5, 6, 16), 48), (Shape(1, 12, 12, 32), 16),
    (Shape(1, 4, 4, 512), 32), (Shape(2, 21, 22, 32), 512), (Shape(7, 5, 3, 64), 64),
    (Shape(5, 28, 28, 16), 16),
  ])
  func winograd(_ form: (shape: Shape, outputs: Int)) {
    let convolution = ConvolutionTests.convolution(kernel: 3, to: form.outputs)
    var trial = ConvolutionTrial(convolution: convolution, shape: form.shape, precision: .bfloat16)
    let exact: Set = ["sums", "dx, alone"]
    for (result, error) in trial.errors() {
      #expect(error < (exact.contains(result) ? 1e-6 : 0.035), "\(result)")
    }
    trial.precision = .float32
    for (result, error) in trial.errors() { #expect(error < 4e-5, "\(result) in float32") }
  }

  /// The order of a sum: the later product of a pair first, each rounded to float32.
  @Test func sumsAreInTheOrderOfTheInstruction() {
    let (pool, c, o, shape) = (BufferPool(), 48, 32, Shape(1, 2, 3, 48))
    let (x, W, b) = (normals(shape.count), normals(c * o, index: 1), normals(o, index: 2))
    let y = Tensor(shape.with(channels: o), in: pool)
    ConvolutionTests.convolution(kernel: 1, to: o).forward(
      Tensor(shape, x, in: pool), W, biases: b, precision: .bfloat16, into: y, pool)
    for pixel in 0..<shape.pixels {
      for j in 0..<o {
        var sum = b[j]
        for k in stride(from: 0, to: c, by: 2) {
          for k in [k + 1, k] {
            // Exact in float32: two times eight bits.
            sum += Float(bfloat16(x[pixel * c + k])) * Float(bfloat16(W[k * o + j]))
          }
        }
        #expect(y.scalars[pixel * o + j] == sum, "pixel \(pixel), output \(j)")
      }
    }
  }

  /// Attention: each of its products has rounded operands, 0.4 % of each at most.
  @Test(
    arguments: [(queries: 97, keys: 257), (49, 49), (13, 700), (1, 1)],
    [(c: 48, heads: 3, isCausal: false), (48, 3, true), (120, 6, false), (40, 5, true)])
  func attention(
    _ form: (queries: Int, keys: Int), _ kind: (c: Int, heads: Int, isCausal: Bool)
  ) {
    let (pool, c) = (BufferPool(), kind.c)
    let (q, k) = (Shape(2, 1, form.queries, c), Shape(2, 1, form.keys, c))
    let inputs = [q, k, k, q].enumerated().map {
      Tensor($1, normals($1.count, index: $0), in: pool)
    }
    let attention = Attention(heads: kind.heads, isCausal: kind.isCausal)
    let runs = Precision.allCases.map { precision in
      let trace = attention.trace(q, k, in: pool)
      let results = [q, q, k, k].map { Tensor($0, in: pool) }
      attention.forward(
        inputs[0], inputs[1], inputs[2], trace: trace, into: results[0], precision: precision, pool)
      attention.backward(
        inputs[0], inputs[1], inputs[2], trace: trace, results[0], inputs[3], dq: results[1],
        dk: results[2], dv: results[3], precision: precision, pool)
      return results
    }
    for (name, (exact, rounded)) in zip(["y", "dq", "dk", "dv"], zip(runs[0], runs[1])) {
      // Where there is one key, dq and dk are what the rounding of P leaves of y's.
      let scale = max(exact.scalars.reduce(0) { max($0, abs($1)) }, form.keys > 1 ? 0 : 1)
      let worst = zip(exact.scalars, rounded.scalars).reduce(0) { max($0, abs($1.0 - $1.1)) }
      #expect(worst < 0.02 * scale, "\(name)")
      if form.keys > 1 { #expect(worst > 0, "\(name) is not rounded") }
    }
  }

  // MARK: What the results must not depend on

  /// Padding is never read, and an image's attention has the same bits alone.
  @Test func paddingDoesNotShow() {
    let (pool, c, counts) = (BufferPool(), 40, [0, 1, 7, 33])
    let shape = Shape(counts.count, 1, 33, c)
    let inputs = (0..<3).map { normals(shape.count, index: $0) }
    let attention = Attention(heads: 2)
    func run(_ shape: Shape, _ inputs: [[Float]], _ lengths: Attention.Lengths) -> [Float] {
      let tensors = inputs.map { Tensor(shape, $0, in: pool) }
      let y = Tensor(shape, repeatElement(.nan, count: shape.count), in: pool)
      attention.forward(
        tensors[0], tensors[1], tensors[2], trace: attention.trace(shape, shape, in: pool), into: y,
        lengths: lengths, precision: .bfloat16, pool)
      return Array(y.scalars)
    }
    let all = run(shape, inputs, .init(queries: counts, keys: counts))
    for (n, count) in counts.enumerated() {
      let image = n * shape.imageCount
      let rest = all[image + count * c..<image + shape.imageCount]
      #expect(rest.allSatisfy { $0 == 0 }, "image \(n)")
      guard count > 0 else { continue }
      let alone = run(
        Shape(1, 1, count, c), inputs.map { Array($0[image..<image + count * c]) }, .init())
      #expect(Array(all[image..<image + count * c]) == alone, "image \(n)")
    }
  }

  /// An image's output has the same bits alone and among others, whoever computes it.
  @Test(arguments: [(kernel: 1, stride: 1), (3, 1), (3, 2)])
  func imagesAreIndependent(_ form: (kernel: Int, stride: Int)) {
    let (pool, shape, o) = (BufferPool(), Shape(5, 9, 7, 32), 48)
    let convolution = Convolution(
      kernel: form.kernel, stride: form.stride,
      paddingBefore: form.stride == 1 ? form.kernel / 2 : 0,
      paddingAfter: form.kernel / 2, outputChannels: o)
    let (x, W) = (normals(shape.count), normals(form.kernel * form.kernel * 32 * o, index: 1))
    func run(_ images: Range<Int>) -> [Float] {
      let part = Shape(images.count, shape.h, shape.w, shape.c)
      let scalars = x[images.lowerBound * shape.imageCount..<images.upperBound * shape.imageCount]
      let y = Tensor(convolution.outputShape(for: part), in: pool)
      convolution.forward(
        Tensor(part, scalars, in: pool), W, biases: normals(o, index: 2), precision: .bfloat16,
        into: y, pool)
      return Array(y.scalars)
    }
    #expect(run(0..<5) == (0..<5).flatMap { run($0..<$0 + 1) })
  }

  /// Kept kernels give the bits of those that are transformed for one call, in each format.
  @Test func keptKernelsChangeNothing() {
    let (pool, shape, o) = (BufferPool(), Shape(2, 8, 9, 32), 48)
    let (x, W) = (Tensor(shape, normals(shape.count), in: pool), normals(9 * 32 * o, index: 1))
    let kept = PreparedKernels()
    func run(_ precision: Precision, _ prepared: (PreparedKernels, Int)?) -> [Float] {
      let y = Tensor(shape.with(channels: o), in: pool)
      ConvolutionTests.convolution(kernel: 3, to: o).forward(
        x, W, biases: normals(o, index: 2), prepared: prepared, precision: precision, into: y, pool)
      return Array(y.scalars)
    }
    for _ in 0..<2 {
      for precision in Precision.allCases {
        #expect(run(precision, nil) == run(precision, (kept, 3)), "\(precision)")
      }
    }
    #expect(run(.float32, nil) != run(.bfloat16, nil))
  }

  /// Few channels, few outputs and single vectors stay as they are.
  @Test(arguments: [
    (Shape(2, 8, 8, 3), 16, 3), (Shape(2, 8, 8, 16), 3, 3), (Shape(2, 8, 8, 24), 16, 1),
    (Shape(9, 1, 1, 64), 64, 1),
  ])
  func whatIsNotRounded(_ form: (shape: Shape, outputs: Int, kernel: Int)) {
    let pool = BufferPool()
    let x = Tensor(form.shape, normals(form.shape.count), in: pool)
    let W = normals(form.kernel * form.kernel * form.shape.c * form.outputs, index: 1)
    let results = Precision.allCases.map { precision in
      let y = Tensor(form.shape.with(channels: form.outputs), in: pool)
      ConvolutionTests.convolution(kernel: form.kernel, to: form.outputs).forward(
        x, W, biases: normals(form.outputs, index: 2), precision: precision, into: y, pool)
      return Array(y.scalars)
    }
    #expect(results[0] == results[1])
  }

  /// What is no number stays visible, and what float32 holds is not too large.
  @Test(arguments: [1, 3])
  func numbersThatAreNone(_ kernel: Int) {
    let (pool, shape, o) = (BufferPool(), Shape(1, 4, 4, 16), 16)
    let W = normals(kernel * kernel * 16 * o, index: 1)
    func run(_ value: Float) -> [Float] {
      var x = normals(shape.count)
      x[5] = value
      let y = Tensor(shape, in: pool)
      ConvolutionTests.convolution(kernel: kernel, to: o).forward(
        Tensor(shape, x, in: pool), W, biases: normals(o, index: 2), precision: .bfloat16, into: y,
        pool)
      return Array(y.scalars)
    }
    #expect(run(.nan).contains { $0.isNaN })
    #expect(run(-.nan).contains { $0.isNaN })
    #expect(run(.infinity).contains { !$0.isFinite })
    #expect(run(1e30).allSatisfy { $0.isFinite })
    #expect(run(Float.leastNormalMagnitude / 128).allSatisfy { $0.isFinite })
  }
}
