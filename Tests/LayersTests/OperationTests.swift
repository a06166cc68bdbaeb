// Every operation against the gradient checker, over several shapes.

import Foundation
import Layers
import Tensors
import TestSupport
import Testing

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
          bias: Parameter(range: count..<count + outputs))
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
          bias: Parameter(range: shape.c..<2 * shape.c))
      }
    }
  }

  /// With a scale and a shift of each image, and the same dropped scalars in both passes.
  @Test(arguments: [Shape(2, 4, 4, 16), Shape(3, 7, 5, 6), Shape(1, 28, 28, 2)], [false, true])
  func normalizationThatIsTold(_ shape: Shape, _ activates: Bool) {
    let normalization = GroupNormalization(groups: 2, activates: activates)
    let streams = (0..<shape.n).map { RandomStream(seed: 4, purpose: .dropout, position: $0) }
    for dropoutRate in [0, 0.4] {
      checkGradient(
        shapes: [shape, Shape(shape.n, 1, 1, 2 * shape.c)], parameterCount: 2 * shape.c,
        dropoutStreams: streams
      ) { x, pass in
        pass.normalize(
          x[0], normalization, scale: Parameter(range: 0..<shape.c),
          bias: Parameter(range: shape.c..<2 * shape.c), told: x[1], dropoutRate: dropoutRate)
      }
    }
  }

  /// Told nothing, it is the normalisation alone, with the same bits.
  @Test func normalizationThatIsToldNothing() {
    let shape = Shape(2, 4, 4, 16)
    let (pool, weights) = (BufferPool(), normals(32))
    let pass = Pass(pool: pool, weights: weights)
    let x = Variable(Tensor(shape, normals(shape.count), in: pool))
    let nothing = Variable(Tensor(Shape(2, 1, 1, 32), repeatElement(0, count: 64), in: pool))
    let normalization = GroupNormalization(groups: 4, activates: true)
    let (scale, bias) = (Parameter(range: 0..<16), Parameter(range: 16..<32))
    let alone = pass.normalize(x, normalization, scale: scale, bias: bias)
    let told = pass.normalize(x, normalization, scale: scale, bias: bias, told: nothing)
    #expect(told.value.scalars.elementsEqual(alone.value.scalars))
  }

  @Test(arguments: [Shape(2, 4, 4, 16), Shape(1, 2, 6, 1), Shape(3, 8, 2, 35)])
  func averagePooling(_ shape: Shape) {
    checkGradient(shapes: [shape]) { x, pass in pass.averagePool(x[0]) }
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

  /// Each activation that settings can name, away from the kink that one of them has.
  @Test(arguments: shapes, Activation.allCases)
  func namedActivation(_ shape: Shape, _ activation: Activation) {
    for side: Float in activation == .leakyReLU ? [-6, 6] : [0] {
      checkGradient(shapes: [shape], parameterCount: shape.c, step: 1 / 256) { x, pass in
        let shift = Tensor(
          shape, [Float](repeating: side, count: shape.count), in: pass.pool)
        let pushed = pass.add(
          pass.add(x[0], Variable(shift)),
          pass.repeated(Parameter(range: 0..<shape.c), shape: shape))
        return pass.activate(pushed, activation)
      }
    }
  }

  /// Their values, in Double.
  @Test func activationValues() {
    let x = (0..<400).map { Float($0 - 200) / 23 }
    for activation in Activation.allCases {
      var y = [Float](repeating: 0, count: x.count)
      activation.apply(x, into: &y, count: x.count)
      for (x, y) in zip(x.map(Double.init), y.map(Double.init)) {
        let expected =
          switch activation {
          case .silu: x / (1 + exp(-x))
          case .tanh: tanh(x)
          case .leakyReLU: x < 0 ? Double(Float(0.1)) * x : x
          case .gelu: x * 0.5 * erfc(-x * 0.5.squareRoot())
          }
        #expect(abs(y - expected) < 1e-6 * max(0.5, abs(expected)), "\(activation) of \(x)")
      }
    }
  }

  @Test(arguments: shapes)
  func reshaping(_ shape: Shape) {
    checkGradient(shapes: [shape]) { x, pass in
      let flat = pass.reshape(x[0], to: Shape(shape.n, 1, 1, shape.imageCount))
      return pass.reshape(pass.activate(flat), to: shape)
    }
  }

  /// Within the interval, beyond both ends, and never outside.
  @Test func bounding() {
    let shape = Shape(2, 3, 1, 4)
    checkGradient(shapes: [shape]) { x, pass in pass.bound(x[0], to: -0.7...0.4) }
    let pool = BufferPool()
    let weights: [Float] = [0]
    let x = Tensor(Shape(1, 1, 1, 5), [-100, -7, 0, 5, 100], in: pool)
    let y = Pass(pool: pool, weights: weights).bound(Variable(x), to: -7...5).value.scalars
    for (y, expected) in zip(y, [-7, -7 + log(2), 0, 5 - log(2), 5] as [Double]) {
      #expect(abs(Double(y) - expected) < 0.01 && y >= -7 && y <= 5)
    }
  }

  @Test(arguments: shapes)
  func drawing(_ shape: Shape) {
    checkGradient(shapes: [shape, shape]) { x, pass in
      let noise = Tensor(shape, normals(shape.count, index: 9), in: pass.pool)
      return pass.draw(DiagonalNormal(mean: x[0], logDeviation: x[1]), noise: noise)
    }
  }

  /// Of what is merged, the mean and the deviation.
  @Test(arguments: [Shape(2, 1, 1, 5), Shape(1, 2, 3, 4)], [false, true])
  func merging(_ shape: Shape, _ wantsMean: Bool) {
    checkGradient(shapes: [shape, shape, shape, shape], step: 1 / 256) { x, pass in
      let merged = pass.merge(
        DiagonalNormal(mean: x[0], logDeviation: x[1]),
        DiagonalNormal(mean: x[2], logDeviation: x[3]))
      // The mean does not depend on what is left out; the deviation does not on the means.
      return wantsMean
        ? pass.add(merged.mean, merged.logDeviation)
        : pass.concatenate(merged.logDeviation, pass.concatenate(x[0], x[2]))
    }
  }

  @Test(arguments: shapes)
  func repetition(_ shape: Shape) {
    checkGradient(shapes: [shape], parameterCount: shape.c) { x, pass in
      pass.add(x[0], pass.repeated(Parameter(range: 0..<shape.c), shape: shape))
    }
  }

  /// The waves are steep: a small step for the differences.
  @Test(arguments: shapes, [[], [-1], [0, 1], [3, 4]])
  func waves(_ shape: Shape, _ exponents: [Int]) {
    checkGradient(shapes: [shape], step: exponents == [3, 4] ? 1 / 1024 : 1 / 128) { x, pass in
      pass.fourierFeatures(x[0], exponents: exponents)
    }
  }

  @Test func wavesByHand() {
    let pool = BufferPool()
    let weights: [Float] = [0]
    weights.withUnsafeBufferPointer { weights in
      let pass = Pass(pool: pool, weights: weights.baseAddress!)
      let x = Tensor(Shape(1, 1, 2, 2), [0.25, -0.5, 0.125, 1], in: pool)
      let y = pass.fourierFeatures(Variable(x), exponents: [0, 2]).value
      let root = Float(0.5).squareRoot()
      #expect(y.shape == Shape(1, 1, 2, 10))
      let expected: [Float] = [
        0.25, -0.5, root, -1, root, 0, 0, 0, -1, 1,
        0.125, 1, 0.382_683_43, 0, 0.923_879_53, -1, 1, 0, 0, 1,
      ]
      for (a, b) in zip(y.scalars, expected) { #expect(abs(a - b) < 1e-6) }
    }
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

  /// Both parts of a map, in other roles than before.
  @Test(arguments: shapes.filter { $0.c > 1 })
  func splitting(_ shape: Shape) {
    for channels in Set([1, shape.c / 2, shape.c - 1]) {
      checkGradient(shapes: [shape]) { x, pass in
        let (first, second) = pass.split(x[0], at: channels)
        #expect(first.shape == shape.with(channels: channels))
        #expect(second.shape == shape.with(channels: shape.c - channels))
        return pass.concatenate(pass.activate(second), first)
      }
    }
  }

  /// What is split and joined is what it was, and so is its gradient, bit for bit.
  @Test(arguments: shapes.filter { $0.c > 1 }, [false, true])
  func splittingIsUndone(_ shape: Shape, wantsGradient: Bool) {
    let pool = BufferPool()
    var gradient: [Float] = [0]
    gradient.withUnsafeMutableBufferPointer { gradient in
      for channels in Set([1, shape.c / 2, shape.c - 1]) {
        let pass = Pass(pool: pool, weights: gradient.baseAddress!)
        let scalars = normals(shape.count)
        let tensor = Tensor(shape, scalars, in: pool)
        let x = wantsGradient ? Variable.input(tensor) : Variable(tensor)
        let (first, second) = pass.split(x, at: channels)
        for pixel in 0..<shape.pixels {
          for c in 0..<shape.c {
            let value =
              c < channels
              ? first.value.scalars[pixel * channels + c]
              : second.value.scalars[pixel * (shape.c - channels) + c - channels]
            #expect(value == scalars[pixel * shape.c + c])
          }
        }
        let joined = pass.concatenate(first, second)
        #expect(Array(joined.value.scalars) == scalars)
        let slope = normals(shape.count, index: 7)
        pass.loss(of: joined) { gradients in
          for dy in gradients { _ = dy.scalars.update(from: slope) }
        }
        pass.backward()
        #expect(x.gradient.map { Array($0.scalars) } == (wantsGradient ? slope : nil))
      }
    }
  }

  /// A part that nobody reads has the gradient 0, and parts read twice add up.
  @Test func oneOfTwoParts() {
    for usesFirst in [true, false] {
      checkGradient(shapes: [Shape(2, 3, 3, 5)]) { x, pass in
        let (first, second) = pass.split(x[0], at: 2)
        return pass.activate(usesFirst ? first : second)
      }
    }
    checkGradient(shapes: [Shape(2, 3, 3, 5)]) { x, pass in
      let (first, second) = pass.split(x[0], at: 2)
      return pass.concatenate(pass.concatenate(first, second), pass.activate(first))
    }
    // Two losses, one of each part, as of a mean and a variance.
    let pool = BufferPool()
    var gradient: [Float] = [0]
    gradient.withUnsafeMutableBufferPointer { gradient in
      let pass = Pass(pool: pool, weights: gradient.baseAddress!, gradient: gradient.baseAddress!)
      let x = Variable.input(Tensor(Shape(1, 1, 2, 3), [1, 2, 3, 4, 5, 6], in: pool))
      let (first, second) = pass.split(x, at: 1)
      pass.loss(of: first, second) { gradients in
        for (dy, y) in zip(gradients, [first, second]) {
          for i in 0..<dy.shape.count { dy.pointer[i] = 10 * y.value.pointer[i] }
        }
      }
      pass.backward()
      #expect(x.gradient.map { Array($0.scalars) } == [10, 20, 30, 40, 50, 60])
    }
  }

  /// One variable read three times: its gradient is the sum of the three ways.
  @Test func variableReadSeveralTimes() {
    checkGradient(shapes: [Shape(2, 3, 3, 4)]) { x, pass in
      pass.concatenate(pass.concatenate(x[0], x[0]), pass.activate(x[0]))
    }
  }

  /// A convolution with the vector and the map that are added to it.
  @Test(arguments: [Shape(2, 4, 4, 16), Shape(3, 5, 6, 2)], [(3, 1), (3, 2), (1, 1)])
  func convolutionWithAddends(_ shape: Shape, _ form: (kernel: Int, stride: Int)) {
    let convolution = Convolution(
      kernel: form.kernel, stride: form.stride,
      paddingBefore: form.stride == 2 ? 0 : form.kernel / 2, paddingAfter: form.kernel / 2,
      outputChannels: 16)
    let count = form.kernel * form.kernel * shape.c * 16
    let output = convolution.outputShape(for: shape)
    checkGradient(
      shapes: [shape, Shape(shape.n, 1, 1, 16), output], parameterCount: count + 16
    ) { x, pass in
      pass.convolve(
        x[0], convolution, weight: Parameter(range: 0..<count),
        bias: Parameter(range: count..<count + 16), vector: x[1], residual: x[2])
    }
  }

  @Test(arguments: [Shape(2, 4, 4, 16), Shape(1, 5, 3, 2), Shape(3, 7, 5, 6)])
  func dropout(_ shape: Shape) {
    let streams = (0..<shape.n).map {
      RandomStream(seed: 5, purpose: .dropout, step: 3, shard: 1, position: $0)
    }
    let normalization = GroupNormalization(groups: 2, activates: true)
    let (scale, bias) = (Parameter(range: 0..<shape.c), Parameter(range: shape.c..<2 * shape.c))
    checkGradient(
      shapes: [shape], parameterCount: 2 * shape.c, dropoutStreams: streams
    ) { x, pass in
      let once = pass.normalize(
        x[0], normalization, scale: scale, bias: bias, dropoutRate: 0.3)
      return pass.normalize(once, normalization, scale: scale, bias: bias, dropoutRate: 0.5)
    }
  }

  /// The gradient of weights that two convolutions share is the sum of both, by every algorithm.
  @Test(arguments: [Shape(2, 4, 4, 16), Shape(2, 3, 5, 6)], [1, 3])
  func sharedParameters(_ shape: Shape, _ kernel: Int) {
    let convolution = Convolution(
      kernel: kernel, stride: 1, paddingBefore: kernel / 2, paddingAfter: kernel / 2,
      outputChannels: shape.c)
    let count = kernel * kernel * shape.c * shape.c
    checkGradient(shapes: [shape], parameterCount: count + shape.c) { x, pass in
      func convolve(_ x: Variable) -> Variable {
        pass.convolve(
          x, convolution, weight: Parameter(range: 0..<count),
          bias: Parameter(range: count..<count + shape.c))
      }
      return convolve(pass.activate(convolve(x[0])))
    }
  }

  /// A parameter whose operation the loss does not see has the gradient 0, whatever was there.
  @Test func unseenParameters() {
    let pool = BufferPool()
    let shape = Shape(1, 3, 3, 2)
    let convolution = Convolution(
      kernel: 1, stride: 1, paddingBefore: 0, paddingAfter: 0, outputChannels: 2)
    let weights = normals(12)
    var gradient = [Float](repeating: .nan, count: 12)
    gradient.withUnsafeMutableBufferPointer { gradient in
      let pass = Pass(pool: pool, weights: weights, gradient: gradient.baseAddress!)
      let x = Variable(Tensor(shape, normals(shape.count), in: pool))
      func convolve(_ first: Int) -> Variable {
        pass.convolve(
          x, convolution, weight: Parameter(range: first..<first + 4),
          bias: Parameter(range: first + 4..<first + 6))
      }
      _ = convolve(0)
      pass.meanSquaredError(convolve(6), x.value)
      pass.backward()
    }
    #expect(gradient[..<6].allSatisfy { $0 == 0 })
    #expect(gradient[6...].allSatisfy { $0.isFinite && $0 != 0 })
  }

  /// Several losses, one of two variables, and one that nothing can learn from.
  @Test(arguments: [(false, false), (false, true), (true, true)])
  func lossesAdd(parameters: Bool, inputs: Bool) {
    let pool = BufferPool()
    let shape = Shape(1, 2, 3, 2)
    var gradient = [Float](repeating: 0, count: 1)
    gradient.withUnsafeMutableBufferPointer { gradient in
      let pass = Pass(
        pool: pool, weights: gradient.baseAddress!,
        gradient: parameters ? gradient.baseAddress! : nil)
      func variable(_ index: Int) -> Variable {
        let tensor = Tensor(shape, normals(shape.count, index: index), in: pool)
        return inputs ? Variable.input(tensor) : Variable(tensor)
      }
      let (a, b) = (variable(0), variable(1))
      func product(_ x: Variable, _ y: Variable, _ factor: Float) -> Double {
        pass.loss(of: x, y) { gradients in
          #expect(gradients.count == (inputs ? 2 : 0))
          for (slope, other) in zip(gradients, [y, x]) {
            for i in 0..<shape.count { slope.pointer[i] = factor * other.value.pointer[i] }
          }
          return (0..<shape.count).reduce(0) {
            $0 + Double(factor * x.value.pointer[$1] * y.value.pointer[$1])
          }
        }
      }
      let constant = Variable(Tensor(shape, normals(shape.count, index: 2), in: pool))
      let losses = [product(a, b, 2), product(a, constant, 3), product(a, b, 0.5)]
      #expect(Set(losses).count == 3)
      pass.backward()
      guard inputs else {
        #expect(a.gradient == nil && b.gradient == nil)
        return
      }
      for i in 0..<shape.count {
        let (x, y, z) = (a.value.pointer[i], b.value.pointer[i], constant.value.pointer[i])
        #expect(abs(a.gradient!.pointer[i] - (2.5 * y + 3 * z)) < 1e-5)
        #expect(abs(b.gradient!.pointer[i] - 2.5 * x) < 1e-5)
      }
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
