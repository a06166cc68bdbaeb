import Tensors

extension Pass {
  /// y = x ∗ W + b.
  ///
  /// - Parameters:
  ///   - x: (n, h, w, c).
  ///   - weight: W, (k, k, c, o).
  ///   - offset: b, (o).
  /// - Returns: (n, oh, ow, o), see `Convolution.outputShape(for:)`.
  package func convolve(
    _ x: Variable, _ convolution: Convolution, weight: Parameter, offset: Parameter
  ) -> Variable {
    let y = Tensor(convolution.outputShape(for: x.shape), in: pool)
    let kind: OperationProfile.Kind =
      convolution.kernel == 1 ? .linear : convolution.stride == 1 ? .convolution3x3 : .downsampling
    profile.measure(kind) {
      convolution.forward(x.value, weights(weight), weights(offset), into: y, pool)
    }
    return record(y, as: kind, from: x.slot, hasParameters: true) { [unowned self] dy in
      let dx = x.slot.map { _ in Tensor(x.shape, in: pool) }
      convolution.backward(
        x.value, weights(weight), dy, dx: dx, dW: gradient(weight), db: gradient(offset), pool)
      if let dx { x.slot?.add(dx, pool) }
    }
  }
}
