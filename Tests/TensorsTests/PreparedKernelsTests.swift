import Tensors
import TestSupport
import Testing

@Suite struct PreparedKernelsTests {
  /// Kept kernels give the bits of kernels transformed for one call, for each of several layers.
  @Test func keptKernelsChangeNothing() {
    let (pool, shape) = (BufferPool(), Shape(2, 8, 9, 32))
    let prepared = PreparedKernels()
    let x = Tensor(shape, normals(shape.count), in: pool)
    for call in 0..<3 {
      for (key, o) in [(0, 16), (7, 48), (9, 160)] {
        let convolution = Convolution(
          kernel: 3, stride: 1, paddingBefore: 1, paddingAfter: 1, outputChannels: o)
        let (weights, offsets) = (normals(9 * 32 * o, index: key), normals(o, index: 1))
        let (once, kept) = (
          Tensor(shape.with(channels: o), in: pool), Tensor(shape.with(channels: o), in: pool)
        )
        convolution.forward(x, weights, offsets: offsets, into: once, pool)
        convolution.forward(
          x, weights, offsets: offsets, prepared: (prepared, key), into: kept, pool)
        #expect(once.scalars.elementsEqual(kept.scalars), "call \(call), \(o) channels")
      }
    }
  }
}
