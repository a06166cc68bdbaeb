// Group normalisation on the tape.

import Tensors

extension OperationProfile.Kind {
  /// Group normalisation with the activation and the dropout behind it.
  public static let normalization = Self("normalization")
}

extension Pass {
  /// Group normalisation, with SiLU behind it where the kernel says so, and dropout behind that.
  ///
  /// - Parameters:
  ///   - x: (n, h, w, c); c is a multiple of the number of groups.
  ///   - scale: γ, (c).
  ///   - bias: β, (c).
  ///   - dropoutRate: The probability that a scalar is dropped; a pass without random streams for
  ///     it drops nothing.
  /// - Returns: (n, h, w, c).
  package func normalize(
    _ x: Variable, _ normalization: GroupNormalization, scale: Parameter, bias: Parameter,
    dropoutRate: Double = 0
  ) -> Variable {
    let y = Tensor(x.shape, in: pool)
    let statistics = Tensor(normalization.statisticsShape(for: x.shape), in: pool)
    let dropout = dropout(rate: dropoutRate, x.shape)
    profile.measure(.normalization, pool) {
      normalization.forward(
        x.value, weights(scale), weights(bias), into: y, statistics: statistics,
        dropout: dropout, pool)
    }
    return record(y, as: .normalization, from: x.slot, parameters: [scale, bias]) {
      [unowned self] dy in
      let dx = Tensor(x.shape, in: pool)
      normalization.backward(
        x.value, weights(scale), weights(bias), dy, statistics: statistics, into: dx,
        slopes: learnsParameters ? (gradient(scale), gradient(bias)) : nil, dropout: dropout, pool)
      x.slot?.add(dx, pool)
    }
  }
}
