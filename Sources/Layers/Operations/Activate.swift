// Activations on the tape, where no normalisation precedes them.

import Tensors

extension OperationProfile.Kind {
  /// Sums, copies, activations and upsampling of maps.
  public static let elementwise = Self("elementwise")
}

extension Pass {
  /// SiLU(x) for each scalar; behind a normalisation it is fused with that instead.
  package func activate(_ x: Variable) -> Variable {
    let y = Tensor(x.shape, in: pool)
    profile.measure(.elementwise) {
      y.pointer.update(from: x.value.pointer, count: x.shape.count)
      SiLU.apply(y.pointer, count: x.shape.count)
    }
    return record(y, as: .elementwise, from: x.slot) { [unowned self] dy in
      let dx = Tensor(x.shape, in: pool)
      dx.pointer.update(from: dy.pointer, count: dy.shape.count)
      SiLU.applyDerivative(at: x.value.pointer, to: dx.pointer, count: dx.shape.count)
      x.slot?.add(dx, pool)
    }
  }

  /// GELU(x) for each scalar.
  package func activate(_ x: Variable, _ gelu: GELU) -> Variable {
    let y = Tensor(x.shape, in: pool)
    profile.measure(.elementwise) {
      gelu.apply(x.value.pointer, into: y.pointer, count: x.shape.count)
    }
    return record(y, as: .elementwise, from: x.slot) { [unowned self] dy in
      let dx = Tensor(x.shape, in: pool)
      dx.pointer.update(from: dy.pointer, count: dy.shape.count)
      gelu.applyDerivative(at: x.value.pointer, to: dx.pointer, count: dx.shape.count)
      x.slot?.add(dx, pool)
    }
  }

  /// An activation of each scalar.
  package func activate(_ x: Variable, _ activation: Activation) -> Variable {
    let y = Tensor(x.shape, in: pool)
    profile.measure(.elementwise) {
      activation.apply(x.value.pointer, into: y.pointer, count: x.shape.count)
    }
    return record(y, as: .elementwise, from: x.slot) { [unowned self] dy in
      let dx = Tensor(x.shape, in: pool)
      dx.pointer.update(from: dy.pointer, count: dy.shape.count)
      activation.applyDerivative(at: x.value.pointer, to: dx.pointer, count: dx.shape.count)
      x.slot?.add(dx, pool)
    }
  }
}
