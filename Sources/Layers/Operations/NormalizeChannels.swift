// Layer normalisation on the tape.

import Tensors

extension Pass {
  /// Layer normalisation: over the channels of each pixel by itself.
  ///
  /// - Parameters:
  ///   - x: (n, h, w, c).
  ///   - scale: γ, (c).
  ///   - bias: β, (c).
  /// - Returns: (n, h, w, c).
  package func normalize(
    _ x: Variable, _ normalization: LayerNormalization, scale: Parameter, bias: Parameter
  ) -> Variable {
    let y = Tensor(x.shape, in: pool)
    let statistics = Tensor(normalization.statisticsShape(for: x.shape), in: pool)
    profile.measure(.normalization, pool) {
      normalization.forward(
        x.value, weights(scale), weights(bias), into: y, statistics: statistics, pool)
    }
    return record(y, as: .normalization, from: x.slot, parameters: [scale, bias]) {
      [unowned self] dy in
      let dx = Tensor(x.shape, in: pool)
      normalization.backward(
        x.value, weights(scale), dy, statistics: statistics, into: dx,
        slopes: learnsParameters ? (gradient(scale), gradient(bias)) : nil, pool)
      x.slot?.add(dx, pool)
    }
  }
}
