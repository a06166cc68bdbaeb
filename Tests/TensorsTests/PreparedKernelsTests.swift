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
}
