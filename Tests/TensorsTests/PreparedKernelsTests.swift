import Tensors
import TestSupport
import Testing

@Suite struct PreparedKernelsTests {
  /// Kept kernels give the bits of kernels transformed for one call, in both directions, for each of
  /// several layers, and again after the weights have changed.
  @Test func keptKernelsChangeNothing() {
    let (pool, shape) = (BufferPool(), Shape(2, 8, 9, 32))
    let kept = PreparedKernels()
    let x = Tensor(shape, normals(shape.count), in: pool)
    for call in 0..<4 {
      if call == 2 { kept.invalidate() }
      for (key, o) in [(0, 16), (7, 48), (9, 160)] {
        let convolution = Convolution(
          kernel: 3, stride: 1, paddingBefore: 1, paddingAfter: 1, outputChannels: o)
        let weights = normals(9 * 32 * o, index: 100 * (call / 2) + key)
        let dy = Tensor(shape.with(channels: o), normals(2 * 8 * 9 * o, index: 2), in: pool)
        func run(_ prepared: (PreparedKernels, Int)?) -> (y: [Float], dx: [Float]) {
          let (y, dx) = (Tensor(dy.shape, in: pool), Tensor(shape, in: pool))
          let sums = Tensor(Shape(2, 1, 1, o), in: pool)
          var dW = [Float](repeating: 0, count: weights.count)
          convolution.forward(
            x, weights, offsets: normals(o, index: 1), prepared: prepared, into: y, pool)
          convolution.backward(
            x, weights, dy, dx: dx, dW: &dW, sums: sums, prepared: prepared, pool)
          return (Array(y.scalars), Array(dx.scalars))
        }
        #expect(run(nil) == run((kept, key)), "call \(call), \(o) channels")
      }
    }
  }
}
