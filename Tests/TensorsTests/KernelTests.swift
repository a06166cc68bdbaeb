import Foundation
import Tensors
import TestSupport
import Testing

/// Each kernel against a naive reference in Double.
@Suite struct KernelTests {
  static let shapes = [
    Shape(2, 4, 4, 16), Shape(1, 5, 3, 1), Shape(3, 7, 5, 6), Shape(2, 3, 4, 35),
    Shape(1, 28, 28, 2), Shape(2, 32, 32, 40),
  ]

  /// Maps that Winograd's algorithm takes: whole tiles, rests of tiles, several blocks of tiles
  /// and chunks of channels.
  static let winogradShapes = [
    Shape(2, 4, 4, 16), Shape(2, 7, 5, 16), Shape(1, 3, 9, 48), Shape(3, 28, 28, 16),
    Shape(1, 32, 32, 128), Shape(2, 4, 4, 512),
  ]

  /// The forward pass and all gradients, against products with unrolled patches in Double.
  @Test(arguments: winogradShapes)
  func winograd(_ shape: Shape) {
    let pool = BufferPool()
    for o in [16, 32] {
      let convolution = Convolution(
        kernel: 3, stride: 1, paddingBefore: 1, paddingAfter: 1, outputChannels: o)
      #expect(convolution.usesWinograd(for: shape))
      let (c, outputs) = (shape.c, shape.with(channels: o))
      let x = Tensor(shape, normals(shape.count), in: pool)
      let dy = Tensor(outputs, normals(outputs.count, index: 1), in: pool)
      let weights = normals(9 * c * o, index: 2)
      let offsets = normals(shape.n * o, index: 4)
      let residual = Tensor(outputs, normals(outputs.count, index: 5), in: pool)
      let (y, dx) = (Tensor(outputs, in: pool), Tensor(shape, in: pool))
      let sums = Tensor(Shape(shape.n, 1, 1, o), in: pool)
      var dW = normals(9 * c * o, index: 3)  // the gradient is added to
      convolution.forward(
        x, weights, offsets: offsets, offsetStride: o, residual: residual, into: y, pool)
      var expectedDW = dW.map { Double($0) }
      dW.withUnsafeMutableBufferPointer {
        convolution.backward(x, weights, dy, dx: dx, dW: $0.baseAddress!, sums: sums, pool)
      }
      var expectedY = (0..<outputs.count).map { i in
        Double(offsets[i / outputs.imageCount * o + i % o]) + Double(residual.pointer[i])
      }
      var expectedSums = [Double](repeating: 0, count: sums.shape.count)
      var expectedDX = [Double](repeating: 0, count: shape.count)
      for (oy, ox, n) in (0..<shape.n).flatMap({ n in
        (0..<shape.h).flatMap { y in (0..<shape.w).map { (y, $0, n) } }
      }) {
        let output = ((n * shape.h + oy) * shape.w + ox) * o
        for j in 0..<o { expectedSums[n * o + j] += Double(dy.pointer[output + j]) }
        for ky in 0..<3 {
          for kx in 0..<3 {
            let (iy, ix) = (oy + ky - 1, ox + kx - 1)
            guard (0..<shape.h).contains(iy), (0..<shape.w).contains(ix) else { continue }
            let input = ((n * shape.h + iy) * shape.w + ix) * c
            for i in 0..<c {
              let tap = ((3 * ky + kx) * c + i) * o
              let value = Double(x.pointer[input + i])
              for j in 0..<o {
                let (weight, slope) = (Double(weights[tap + j]), Double(dy.pointer[output + j]))
                expectedY[output + j] += value * weight
                expectedDX[input + i] += slope * weight
                expectedDW[tap + j] += value * slope
              }
            }
          }
        }
      }
      for (name, values, expected) in [
        ("y", Array(y.scalars), expectedY), ("dx", Array(dx.scalars), expectedDX),
        ("dW", dW, expectedDW), ("sums", Array(sums.scalars), expectedSums),
      ] {
        let scale = expected.reduce(0) { max($0, abs($1)) }
        let worst = zip(values, expected).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
        #expect(worst < 2e-5 * scale, "\(name), outputs \(o)")
      }
    }
  }

  /// An image's output has the same bits whatever the other images of the batch.
  @Test func winogradDoesNotSeeTheBatch() {
    let (pool, one, many) = (BufferPool(), Shape(1, 10, 12, 32), Shape(7, 10, 12, 32))
    let convolution = Convolution(
      kernel: 3, stride: 1, paddingBefore: 1, paddingAfter: 1, outputChannels: 48)
    let (weights, offsets) = (normals(9 * 32 * 48), normals(48, index: 1))
    func outputs(_ shape: Shape) -> [Float] {
      let x = Tensor(shape, normals(many.count, index: 2).suffix(shape.count), in: pool)
      let y = Tensor(convolution.outputShape(for: shape), in: pool)
      convolution.forward(x, weights, offsets: offsets, into: y, pool)
      return Array(y.scalars)
    }
    let alone = outputs(one)
    #expect(outputs(many).suffix(alone.count).elementsEqual(alone))
  }

  @Test(arguments: shapes, [(3, 1), (3, 2), (1, 1)])
  func convolution(_ shape: Shape, _ form: (kernel: Int, stride: Int)) {
    let (k, s, before) = (form.kernel, form.stride, form.stride == 2 ? 0 : form.kernel / 2)
    for o in [1, 3, 20] {
      let convolution = Convolution(
        kernel: k, stride: s, paddingBefore: before, paddingAfter: k / 2, outputChannels: o)
      let pool = BufferPool()
      let x = Tensor(shape, normals(shape.count), in: pool)
      let weights = normals(k * k * shape.c * o, index: 1)
      let offsets = normals(o, index: 2)
      let y = Tensor(convolution.outputShape(for: shape), in: pool)
      convolution.forward(x, weights, offsets: offsets, into: y, pool)
      var worst = 0.0
      for n in 0..<shape.n {
        for oy in 0..<y.shape.h {
          for ox in 0..<y.shape.w {
            for channel in 0..<o {
              var sum = Double(offsets[channel])
              for ky in 0..<k {
                for kx in 0..<k {
                  let (iy, ix) = (oy * s - before + ky, ox * s - before + kx)
                  guard (0..<shape.h).contains(iy), (0..<shape.w).contains(ix) else { continue }
                  for c in 0..<shape.c {
                    sum +=
                      Double(x.image(n)[(iy * shape.w + ix) * shape.c + c])
                      * Double(weights[((ky * k + kx) * shape.c + c) * o + channel])
                  }
                }
              }
              let value = y.image(n)[(oy * y.shape.w + ox) * o + channel]
              worst = max(worst, abs(Double(value) - sum))
            }
          }
        }
      }
      #expect(worst < 1e-4, "outputs \(o)")
    }
  }

  @Test(arguments: shapes, [false, true])
  func groupNormalization(_ shape: Shape, _ activates: Bool) {
    for groups in 1...4 where shape.c % groups == 0 {
      let pool = BufferPool()
      let normalization = GroupNormalization(groups: groups, activates: activates)
      // A mean far from zero: the variance must not be a difference of large numbers.
      let x = Tensor(shape, normals(shape.count).map { 30 + $0 }, in: pool)
      let (gamma, beta) = (normals(shape.c, index: 1), normals(shape.c, index: 2))
      let y = Tensor(shape, in: pool)
      let statistics = Tensor(normalization.statisticsShape(for: shape), in: pool)
      normalization.forward(x, gamma, beta, into: y, statistics: statistics)
      let size = shape.c / groups
      var worst = 0.0
      for n in 0..<shape.n {
        for group in 0..<groups {
          let indices = (0..<shape.imageCount).filter { $0 % shape.c / size == group }
          let values = indices.map { Double(x.image(n)[$0]) }
          let mean = values.reduce(0, +) / Double(values.count)
          let variance = values.reduce(0) { $0 + pow($1 - mean, 2) } / Double(values.count)
          for (i, value) in zip(indices, values) {
            let c = i % shape.c
            let u =
              Double(gamma[c]) * (value - mean) / (variance + 1e-6).squareRoot() + Double(beta[c])
            let expected = activates ? u / (1 + exp(-u)) : u
            worst = max(worst, abs(expected - Double(y.image(n)[i])))
          }
        }
      }
      #expect(worst < 5e-5)
    }
  }

  @Test func siluOverItsRange() {
    let x = stride(from: Float(-120), through: 120, by: 0.0371).map { $0 }
    var y = x
    y.withUnsafeMutableBufferPointer { SiLU.apply($0.baseAddress!, count: $0.count) }
    var g = [Float](repeating: 1, count: x.count)
    g.withUnsafeMutableBufferPointer {
      SiLU.applyDerivative(at: x, to: $0.baseAddress!, count: $0.count)
    }
    for i in x.indices {
      let v = Double(x[i])
      let s = 1 / (1 + exp(-v))
      #expect(abs(Double(y[i]) - v * s) <= 1e-6 * max(1, abs(v * s)))
      #expect(abs(Double(g[i]) - s * (1 + v * (1 - s))) <= 2e-6)
    }
  }

  @Test(arguments: [Shape(2, 4, 4, 16), Shape(1, 5, 3, 2), Shape(2, 7, 7, 6)])
  func attention(_ shape: Shape) {
    for heads in 1...2 {
      let pool = BufferPool()
      let (s, d) = (shape.h * shape.w, shape.c / heads)
      let tensors = (0..<3).map {
        Tensor(shape, normals(shape.count, index: $0, scale: 3), in: pool)
      }
      let (q, k, v) = (tensors[0], tensors[1], tensors[2])
      let attention = Attention(heads: heads)
      let p = Tensor(attention.weightsShape(for: shape), in: pool)
      let y = Tensor(shape, in: pool)
      attention.forward(q, k, v, weights: p, into: y)
      var worst = 0.0
      for n in 0..<shape.n {
        for head in 0..<heads {
          func at(_ t: Tensor, _ pixel: Int, _ i: Int) -> Double {
            Double(t.image(n)[pixel * shape.c + head * d + i])
          }
          for i in 0..<s {
            let scores = (0..<s).map { j in
              (0..<d).reduce(0) { $0 + at(q, i, $1) * at(k, j, $1) } / Double(d).squareRoot()
            }
            let weights = scores.map { exp($0 - scores.max()!) }
            let total = weights.reduce(0, +)
            for channel in 0..<d {
              let expected = (0..<s).reduce(0) { $0 + weights[$1] / total * at(v, $1, channel) }
              worst = max(worst, abs(expected - at(y, i, channel)))
            }
          }
        }
      }
      #expect(worst < 1e-4)
    }
  }

  /// The share of zeros is the rate, the mean stays, and layers and images draw different masks.
  @Test(arguments: [25_000, 24_979])
  func dropoutStatistics(_ count: Int) {
    let streams = (0..<2).map { RandomStream(seed: 1, purpose: .dropout, position: $0) }
    let ones = [Float](repeating: 1, count: count)
    func masked(_ image: Int, firstBlock: Int) -> [Float] {
      var y = ones
      Dropout(rate: 0.1, streams: streams, firstBlock: firstBlock)
        .apply(image: image, ones, into: &y, count: count)
      return y
    }
    let first = masked(0, firstBlock: 0)
    let second = masked(0, firstBlock: Dropout.blockCount(imageCount: count))
    #expect(first == masked(0, firstBlock: 0))
    #expect(first != masked(1, firstBlock: 0))
    #expect(first.allSatisfy { $0 == 0 || abs($0 - 1 / 0.9) < 1e-6 })
    let n = Double(count)
    let zeros = Double(first.count { $0 == 0 }) / n
    #expect(abs(zeros - 0.1) < 5 * (0.09 / n).squareRoot())
    let both = Double(zip(first, second).count { $0 == 0 && $1 == 0 }) / n
    #expect(abs(both - 0.01) < 5 * (0.0099 / n).squareRoot())
    // Neighbours, in either order of scalars and blocks, are independent.
    for distance in [1, 16, 64] {
      let pairs = zip(first, first.dropFirst(distance)).count { $0 == 0 && $1 == 0 }
      #expect(abs(Double(pairs) / n - 0.01) < 6 * (0.0099 / n).squareRoot())
    }
  }

  @Test func longColumnSumsStayAccurate() {
    let (rows, c) = (100_000, 3)
    let x = normals(rows * c).map { $0 + 1 }
    var sum = [Float](repeating: 0, count: c)
    sum.withUnsafeMutableBufferPointer {
      Elementwise.addRowSum(of: x, rows: rows, c: c, to: $0.baseAddress!)
    }
    for channel in 0..<c {
      let expected = stride(from: channel, to: rows * c, by: c).reduce(0.0) { $0 + Double(x[$1]) }
      #expect(abs(Double(sum[channel]) / expected - 1) < 1e-5)
    }
  }

  /// A freed buffer is used again, and a pool's memory stops growing.
  @Test func poolReusesMemory() {
    let pool = BufferPool()
    var sizes: [Int] = []
    for _ in 0..<3 {
      for count in [1, 100, 127, 128, 129, 1000, 4096, 4097, 100_000] {
        let tensor = Tensor(Shape(1, 1, 1, count), repeatElement(1, count: count), in: pool)
        #expect(Int(bitPattern: tensor.pointer) % 64 == 0)
      }
      sizes.append(pool.allocatedBytes)
    }
    #expect(sizes[0] == sizes[1] && sizes[1] == sizes[2])
    var shared = Tensor(Shape(1, 1, 1, 3), [1, 2, 3], in: pool)
    let copy = shared
    shared.add(copy, in: pool)
    #expect(Array(shared.scalars) == [2, 4, 6])
    #expect(Array(copy.scalars) == [1, 2, 3])
    shared.add(copy, in: pool)
    #expect(Array(shared.scalars) == [3, 6, 9])
  }
}
