// Kernels that are transformed once and kept.

import Tensors
import TestSupport
import Testing

@Suite struct PreparedKernelsTests {
  /// Kept kernels give the bits of kernels transformed for one call, for each of several layers,
  /// when they are new and when they are kept.
  @Test func keptKernelsChangeNothing() {
    let (pool, shape) = (BufferPool(), Shape(2, 8, 9, 32))
    let kept = PreparedKernels()
    let x = Tensor(shape, normals(shape.count), in: pool)
    for call in 0..<2 {
      for (key, o) in [(0, 16), (7, 48), (9, 160)] {
        let convolution = Convolution(
          kernel: 3, stride: 1, paddingBefore: 1, paddingAfter: 1, outputChannels: o)
        let weights = normals(9 * 32 * o, index: key)
        func run(_ prepared: (PreparedKernels, Int)?) -> [Float] {
          let y = Tensor(shape.with(channels: o), in: pool)
          convolution.forward(
            x, weights, biases: normals(o, index: 1), prepared: prepared, into: y, pool)
          return Array(y.scalars)
        }
        #expect(run(nil) == run((kept, key)), "call \(call), \(o) channels")
      }
    }
  }

  /// The passes of a step find the kernels of its weights, forward and backward, and after these have
  /// changed those of the next.
  @Test(arguments: [Precision.float32, .bfloat16])
  func renewedKernelsAreThoseOfTheNewWeights(_ precision: Precision) {
    let (pool, shape, o) = (BufferPool(), Shape(2, 7, 8, 48), 32)
    let kept = PreparedKernels()
    let (x, dy) = (
      Tensor(shape, normals(shape.count), in: pool),
      Tensor(shape.with(channels: o), normals(shape.pixels * o, index: 1), in: pool)
    )
    let convolution = Convolution(
      kernel: 3, stride: 1, paddingBefore: 1, paddingAfter: 1, outputChannels: o)
    func run(_ weights: [Float], _ prepared: (PreparedKernels, Int)?) -> [[Float]] {
      let (y, dx) = (Tensor(dy.shape, in: pool), Tensor(shape, in: pool))
      let sums = Tensor(Shape(2, 1, 1, o), in: pool)
      convolution.forward(
        x, weights, biases: normals(o), prepared: prepared, precision: precision, into: y, pool)
      var dW = [Float](repeating: 0, count: weights.count)
      convolution.backward(
        x, weights, dy, dx: dx, dW: &dW, adds: false, sums: sums, prepared: prepared,
        precision: precision, pool)
      return [Array(y.scalars), Array(dx.scalars), dW]
    }
    let (first, second) = (normals(9 * 48 * o, index: 2), normals(9 * 48 * o, index: 3))
    for _ in 0..<2 { #expect(run(first, (kept, 0)) == run(first, nil)) }
    let bytes = kept.allocatedBytes
    // Whoever forgets to renew them gets the old ones: they are kept indeed, of both passes.
    let stale = run(second, (kept, 0))
    #expect(Array(stale[..<2]) == Array(run(first, nil)[..<2]))
    #expect(kept.count == 2)
    for kernels in 0..<kept.count { kept.renew(kernels, of: second) }
    for _ in 0..<2 { #expect(run(second, (kept, 0)) == run(second, nil)) }
    #expect(kept.allocatedBytes == bytes)
  }
}
