import Layers
import Tensors
import TestSupport
import Testing

/// Every operation against the gradient checker, over several shapes.
@Suite struct OperationTests {
  /// Odd extents, one channel, channel counts around a vector of sixteen, a 28×28 map.
  static let shapes = [
    Shape(2, 4, 4, 16), Shape(1, 5, 3, 1), Shape(3, 7, 5, 6), Shape(2, 3, 4, 35),
    Shape(1, 28, 28, 2),
  ]

  @Test(arguments: shapes, [(3, 1), (3, 2), (1, 1)])
  func convolution(_ shape: Shape, _ form: (kernel: Int, stride: Int)) {
    for outputs in [1, 5, 16] {
      let convolution = Convolution(
        kernel: form.kernel, stride: form.stride,
        paddingBefore: form.stride == 2 ? 0 : form.kernel / 2, paddingAfter: form.kernel / 2,
        outputChannels: outputs)
      let count = form.kernel * form.kernel * shape.c * outputs
      checkGradient(shapes: [shape], parameterCount: count + outputs) { x, pass in
        pass.convolve(
          x[0], convolution, weight: Parameter(range: 0..<count),
          offset: Parameter(range: count..<count + outputs))
      }
    }
  }

  @Test(arguments: shapes, [false, true])
  func normalization(_ shape: Shape, _ activates: Bool) {
    for groups in 1...shape.c where shape.c % groups == 0 {
      // A group of one scalar normalises to 0 whatever it is; its differences are only noise.
      guard shape.imageCount / groups > 4 else { continue }
      let normalization = GroupNormalization(groups: groups, activates: activates)
      checkGradient(shapes: [shape], parameterCount: 2 * shape.c) { x, pass in
        pass.normalize(
          x[0], normalization, scale: Parameter(range: 0..<shape.c),
          offset: Parameter(range: shape.c..<2 * shape.c))
      }
    }
  }

  @Test(arguments: [Shape(2, 4, 4, 16), Shape(1, 5, 3, 1), Shape(2, 3, 7, 6)])
  func attention(_ shape: Shape) {
    for heads in 1...2 where shape.c % heads == 0 {
      checkGradient(shapes: [shape, shape, shape]) { x, pass in
        pass.attend(x[0], x[1], x[2], Attention(heads: heads))
      }
    }
  }

  @Test(arguments: shapes)
  func activation(_ shape: Shape) {
    checkGradient(shapes: [shape]) { x, pass in pass.activate(x[0]) }
  }

  @Test(arguments: shapes)
  func upsampling(_ shape: Shape) {
    checkGradient(shapes: [shape]) { x, pass in pass.upsample(x[0]) }
  }

  @Test(arguments: shapes)
  func concatenation(_ shape: Shape) {
    checkGradient(shapes: [shape, shape.with(channels: 3)]) { x, pass in
      pass.concatenate(x[0], x[1])
    }
  }

  @Test(arguments: shapes)
  func addition(_ shape: Shape) {
    checkGradient(shapes: [shape, shape]) { x, pass in pass.add(x[0], x[1]) }
    checkGradient(shapes: [shape, Shape(shape.n, 1, 1, shape.c)]) { x, pass in
      pass.add(x[0], vector: x[1])
    }
  }

  /// One variable read three times: its gradient is the sum of the three ways.
  @Test func variableReadSeveralTimes() {
    checkGradient(shapes: [Shape(2, 3, 3, 4)]) { x, pass in
      pass.add(pass.add(x[0], x[0]), pass.activate(x[0]))
    }
  }

  @Test(arguments: shapes)
  func dropout(_ shape: Shape) {
    let streams = (0..<shape.n).map {
      RandomStream(seed: 5, purpose: .dropout, step: 3, shard: 1, position: $0)
    }
    checkGradient(shapes: [shape], dropoutStreams: streams) { x, pass in
      pass.dropOut(pass.dropOut(x[0], rate: 0.3), rate: 0.5)
    }
  }

  /// The share of zeros is the rate, the mean stays, and two layers draw different masks.
  @Test func dropoutStatistics() {
    let shape = Shape(4, 50, 50, 10)
    let pool = BufferPool()
    let streams = (0..<4).map { RandomStream(seed: 1, purpose: .dropout, position: $0) }
    let none: [Float] = [0]
    none.withUnsafeBufferPointer { weights in
      let pass = Pass(pool: pool, weights: weights.baseAddress!, dropoutStreams: streams)
      let x = Variable(Tensor(shape, repeatElement(1, count: shape.count), in: pool))
      let first = pass.dropOut(x, rate: 0.1).value
      let second = pass.dropOut(x, rate: 0.1).value
      let zeros = first.scalars.count { $0 == 0 }
      #expect(abs(Double(zeros) / Double(shape.count) - 0.1) < 5 * (0.09 / 1e5).squareRoot())
      #expect(first.scalars.allSatisfy { $0 == 0 || abs($0 - 1 / 0.9) < 1e-6 })
      let both = zip(first.scalars, second.scalars).count { $0 == 0 && $1 == 0 }
      #expect(abs(Double(both) / Double(shape.count) - 0.01) < 5 * (0.0099 / 1e5).squareRoot())
      #expect(!zip(first.image(0), first.image(1)).allSatisfy { $0 == $1 })
      let off = Pass(pool: pool, weights: weights.baseAddress!)
      #expect(off.dropOut(x, rate: 0.1).value.scalars.allSatisfy { $0 == 1 })
    }
  }

  @Test func meanSquaredError() {
    let pool = BufferPool()
    var gradient: [Float] = [0]
    let shape = Shape(1, 1, 2, 2)
    gradient.withUnsafeMutableBufferPointer { gradient in
      let pass = Pass(pool: pool, weights: gradient.baseAddress!, gradient: gradient.baseAddress!)
      let x = Variable.input(Tensor(shape, [1, 2, 3, 4], in: pool))
      let target = Tensor(shape, [1, 0, 3, 7], in: pool)
      #expect(pass.meanSquaredError(x, target) == (4 + 9) / 4.0)
      pass.backward()
      #expect(x.gradient.map { Array($0.scalars) } == [0, 1, 0, -1.5])
    }
  }
}
