// The reference that the tests of convolutions compare with.

import Tensors
import TestSupport

/// A convolution of random maps with its gradients, and the same by naive sums in Double.
struct ConvolutionTrial {
  let convolution: Convolution
  let shape: Shape
  /// Whether all images have the same biases.
  var sharesBiases = false
  var hasResidual = true
  var precision = Precision.float32

  /// The largest error of each result, as a share of the result's largest scalar.
  func errors() -> [(result: String, error: Double)] {
    let pool = BufferPool()
    let (o, outputs) = (convolution.outputChannels, convolution.outputShape(for: shape))
    let x = normals(shape.count)
    let dy = normals(outputs.count, index: 1)
    let W = normals(convolution.kernel * convolution.kernel * shape.c * o, index: 2)
    let firstDW = normals(W.count, index: 3)
    let biases = normals(shape.n * o, index: 4)
    let residual = hasResidual ? normals(outputs.count, index: 5) : nil
    let (y, dx) = (Tensor(outputs, in: pool), Tensor(shape, in: pool))
    let sums = Tensor(Shape(shape.n, 1, 1, o), in: pool)
    let input = Tensor(shape, x, in: pool)
    convolution.forward(
      input, W, biases: biases, biasStride: sharesBiases ? 0 : o,
      residual: residual.map { Tensor(outputs, $0, in: pool) }, precision: precision, into: y,
      pool)
    // The gradient is added to what is there, or written over it.
    var (addedDW, writtenDW) = (firstDW, [Float](repeating: .nan, count: W.count))
    func backward(_ dx: Tensor, _ dW: UnsafeMutablePointer<Float>?, adds: Bool) {
      convolution.backward(
        input, W, Tensor(outputs, dy, in: pool), dx: dx, dW: dW, adds: adds, sums: sums,
        precision: precision, pool)
    }
    addedDW.withUnsafeMutableBufferPointer { backward(dx, $0.baseAddress!, adds: true) }
    writtenDW.withUnsafeMutableBufferPointer { backward(dx, $0.baseAddress!, adds: false) }
    // Without dW, dx has the same bits.
    let alone = Tensor(shape, in: pool)
    backward(alone, nil, adds: false)
    let isAlike = alone.scalars.elementsEqual(dx.scalars)

    var expectedY = (0..<outputs.count).map { i in
      let image = sharesBiases ? 0 : i / outputs.imageCount
      return Double(biases[image * o + i % o]) + Double(residual?[i] ?? 0)
    }
    var expectedSums = [Double](repeating: 0, count: sums.shape.count)
    for i in dy.indices { expectedSums[i / outputs.imageCount * o + i % o] += Double(dy[i]) }
    var expectedDX = [Double](repeating: 0, count: shape.count)
    var expectedDW = [Double](repeating: 0, count: W.count)
    func operand(_ x: Float) -> Double { precision == .float32 ? Double(x) : bfloat16(x) }
    forEachProduct { x0, tap, y0 in
      let (value, w0) = (operand(x[x0]), tap * o)
      var slope = 0.0
      for j in 0..<o {
        let (weight, gradient) = (operand(W[w0 + j]), operand(dy[y0 + j]))
        expectedY[y0 + j] += value * weight
        expectedDW[w0 + j] += value * gradient
        slope += gradient * weight
      }
      expectedDX[x0] += slope
    }
    return [
      ("y", error(Array(y.scalars), expectedY)), ("dx", error(Array(dx.scalars), expectedDX)),
      ("dW", error(writtenDW, expectedDW)),
      ("dW, added", error(addedDW, zip(firstDW, expectedDW).map { Double($0) + $1 })),
      ("sums", error(Array(sums.scalars), expectedSums)), ("dx, alone", isAlike ? 0 : .infinity),
    ]
  }

  /// Visits each scalar of x under each kernel: its place in x, that of its row of o weights in W,
  /// and the first of the o scalars of y that it adds to.
  private func forEachProduct(_ body: (_ x: Int, _ tap: Int, _ y: Int) -> Void) {
    let (k, y) = (convolution.kernel, convolution.outputShape(for: shape))
    for pixel in 0..<y.pixels {
      let (n, oy, ox) = (pixel / (y.h * y.w), pixel / y.w % y.h, pixel % y.w)
      for tap in 0..<k * k {
        let iy = oy * convolution.stride - convolution.paddingBefore + tap / k
        let ix = ox * convolution.stride - convolution.paddingBefore + tap % k
        guard (0..<shape.h).contains(iy), (0..<shape.w).contains(ix) else { continue }
        let first = ((n * shape.h + iy) * shape.w + ix) * shape.c
        for c in 0..<shape.c { body(first + c, tap * shape.c + c, pixel * y.c) }
      }
    }
  }

  private func error(_ values: [Float], _ expected: [Double]) -> Double {
    var (worst, scale) = (0.0, 0.0)
    for (value, exact) in zip(values, expected) {
      // A NaN is no maximum: it must not be overlooked.
      if !value.isFinite { return .infinity }
      worst = max(worst, abs(Double(value) - exact))
      scale = max(scale, abs(exact))
    }
    return worst / scale
  }
}

/// The number of eight significant bits that is nearest, the even one of two.
func bfloat16(_ x: Float) -> Double {
  guard x != 0, x.isFinite else { return Double(x) }
  let unit = Double(sign: .plus, exponent: Int(x.exponent) - 7, significand: 1)
  return (Double(x) / unit).rounded(.toNearestOrEven) * unit
}
