// Convolution on the tape, together with the sums that follow it.

import Tensors

extension OperationProfile.Kind {
  /// 3×3 convolutions at stride 1, those of the image's few channels included.
  public static let convolution3x3 = Self("convolution 3x3")
  /// 3×3 convolutions at stride 2.
  public static let downsampling = Self("downsampling")
  /// 1×1 convolutions, linear layers among them.
  public static let linear = Self("linear")
}

extension Pass {
  /// y = x ∗ W + b, with what follows a convolution in a residual block added as y is written.
  ///
  /// - Parameters:
  ///   - x: (n, h, w, c).
  ///   - weight: W, (k, k, c, o).
  ///   - bias: b, (o).
  ///   - vector: A vector for each image that is added to all of its pixels, (n, 1, 1, o).
  ///   - residual: A map that is added, (n, oh, ow, o).
  /// - Returns: (n, oh, ow, o), see `Convolution.outputShape(for:)`.
  package func convolve(
    _ x: Variable, _ convolution: Convolution, weight: Parameter, bias: Parameter,
    vector: Variable? = nil, residual: Variable? = nil
  ) -> Variable {
    let shape = convolution.outputShape(for: x.shape)
    let (y, vectorShape) = (Tensor(shape, in: pool), Shape(shape.n, 1, 1, shape.c))
    precondition(
      vector.map { $0.shape == vectorShape } ?? true, "Each image needs one vector of its channels."
    )
    precondition(
      residual.map { $0.shape == shape } ?? true, "Only maps of one shape can be added.")
    let kind: OperationProfile.Kind =
      convolution.kernel == 1 ? .linear : convolution.stride == 1 ? .convolution3x3 : .downsampling
    let multiplyAdds = shape.pixels * weight.range.count
    let prepared = preparedKernels.map { (kernels: $0, key: weight.range.lowerBound) }
    profile.measure(kind, multiplyAdds: multiplyAdds, pool) {
      let b = weights(bias)
      if let vector {
        let sums = Tensor(vectorShape, in: pool)
        Elementwise.sumOfRows(
          vector.value.pointer, b, into: sums.pointer, rows: shape.n, c: shape.c)
        withExtendedLifetime(sums) {
          convolution.forward(
            x.value, weights(weight), biases: sums.pointer, biasStride: shape.c,
            residual: residual?.value, prepared: prepared, precision: precision, into: y, pool)
        }
      } else {
        convolution.forward(
          x.value, weights(weight), biases: b, residual: residual?.value, prepared: prepared,
          precision: precision, into: y, pool)
      }
    }
    let (vectorSlot, residualSlot) = (vector?.slot, residual?.slot)
    return record(
      y, as: kind, from: x.slot, vectorSlot, residualSlot, parameters: [weight, bias]
    ) {
      [unowned self] dy in
      let dx = x.slot.map { _ in Tensor(x.shape, in: pool) }
      let sums = Tensor(vectorShape, in: pool)
      let slopes = learnsParameters ? partialGradient(weight) : nil
      convolution.backward(
        x.value, weights(weight), dy, dx: dx, dW: slopes?.scalars, adds: slopes?.adds ?? false,
        sums: sums, prepared: prepared, precision: precision, pool)
      if learnsParameters {
        Elementwise.addRowSum(
          of: sums.pointer, rows: shape.n, c: shape.c, to: gradient(bias))
      }
      if let dx { x.slot?.add(dx, pool) }
      vectorSlot?.add(sums, pool)
      residualSlot?.add(dy, pool)
    }
  }
}
