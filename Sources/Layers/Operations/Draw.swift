// A draw from a normal on the tape: noise is given, and mean and deviation are learned through it.

import Foundation
import Tensors

extension Pass {
  /// z = μ + e^ℓ ε, of which μ and ℓ have gradients (Kingma, Welling 2014, section 2.4).
  ///
  /// - Parameters:
  ///   - normal: μ and ℓ = log σ, (n, h, w, k).
  ///   - noise: ε, (n, h, w, k).
  package func draw(_ normal: DiagonalNormal, noise: Tensor) -> Variable {
    let (mean, logDeviation) = (normal.mean, normal.logDeviation)
    precondition(noise.shape == mean.shape, "Each scalar has its noise.")
    let count = mean.shape.count
    let z = Tensor(mean.shape, in: pool)
    let spread = Tensor(mean.shape, in: pool)
    profile.measure(.elementwise) {
      for i in 0..<count {
        spread.pointer[i] = Float(exp(Double(logDeviation.value.pointer[i]))) * noise.pointer[i]
        z.pointer[i] = mean.value.pointer[i] + spread.pointer[i]
      }
    }
    return record(z, as: .elementwise, from: mean.slot, logDeviation.slot) {
      [unowned self] dz in
      mean.slot?.add(dz, pool)
      guard let slot = logDeviation.slot else { return }
      let slope = Tensor(mean.shape, in: pool)
      for i in 0..<count { slope.pointer[i] = dz.pointer[i] * spread.pointer[i] }
      slot.add(slope, pool)
    }
  }
}
