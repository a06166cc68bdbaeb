// Group normalisation whose scale and shift are told, on the tape.

import Tensors

extension Pass {
  /// Group normalisation with a scale and a shift of each image behind it, before the activation
  /// (FiLM, Perez et al. 2018; in diffusion models Nichol, Dhariwal 2021): u (1 + s) + t with
  /// u = γ x̂ + β.
  ///
  /// It is a normalisation with γ (1 + s) and β (1 + s) + t of each image.
  ///
  /// - Parameters:
  ///   - x: (n, h, w, c); c is a multiple of the number of groups.
  ///   - scale: γ, (c).
  ///   - bias: β, (c).
  ///   - told: s, then t, (n, 1, 1, 2c).
  ///   - dropoutRate: The probability that a scalar is dropped.
  /// - Returns: (n, h, w, c).
  package func normalize(
    _ x: Variable, _ normalization: GroupNormalization, scale: Parameter, bias: Parameter,
    told: Variable, dropoutRate: Double = 0
  ) -> Variable {
    let (n, c) = (x.shape.n, x.shape.c)
    precondition(
      told.shape == Shape(n, 1, 1, 2 * c), "Each image is told a scale and a shift a channel.")
    let y = Tensor(x.shape, in: pool)
    let statistics = Tensor(normalization.statisticsShape(for: x.shape), in: pool)
    // γ (1 + s), then β (1 + s) + t of each image.
    let own = Tensor(Shape(n, 1, 2, c), in: pool)
    let dropout = dropout(rate: dropoutRate, x.shape)
    profile.measure(.normalization, pool) {
      let (gamma, beta) = (weights(scale), weights(bias))
      for n in 0..<n {
        let (s, target) = (told.value.image(n).baseAddress!, own.image(n).baseAddress!)
        for i in 0..<c {
          target[i] = gamma[i] * (1 + s[i])
          target[c + i] = beta[i] * (1 + s[i]) + s[c + i]
        }
      }
      normalization.forward(
        x.value, own.pointer, own.pointer + c, stride: 2 * c, into: y, statistics: statistics,
        dropout: dropout, pool)
    }
    return record(
      y, as: .normalization, from: x.slot, told.slot, parameters: [scale, bias]
    ) { [unowned self] dy in
      let dx = Tensor(x.shape, in: pool)
      let slopes = Tensor(own.shape, in: pool)
      normalization.backward(
        x.value, own.pointer, own.pointer + c, stride: 2 * c, dy, statistics: statistics, into: dx,
        parts: slopes.pointer, dropout: dropout, pool)
      x.slot?.add(dx, pool)
      if learnsParameters {
        let (dGamma, dBeta) = (gradient(scale), gradient(bias))
        for n in 0..<n {
          let (s, slope) = (told.value.image(n).baseAddress!, slopes.image(n).baseAddress!)
          for i in 0..<c {
            dGamma[i] += slope[i] * (1 + s[i])
            dBeta[i] += slope[c + i] * (1 + s[i])
          }
        }
      }
      guard let slot = told.slot else { return }
      let dTold = Tensor(told.shape, in: pool)
      let (gamma, beta) = (weights(scale), weights(bias))
      for n in 0..<n {
        let (slope, target) = (slopes.image(n).baseAddress!, dTold.image(n).baseAddress!)
        for i in 0..<c {
          target[i] = slope[i] * gamma[i] + slope[c + i] * beta[i]
          target[c + i] = slope[c + i]
        }
      }
      slot.add(dTold, pool)
    }
  }
}
