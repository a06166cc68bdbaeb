// What two normals say together, on the tape.

import Foundation
import Tensors

extension Pass {
  /// The normal whose density is the product of two: precisions add up, and the mean is that of both
  /// means weighted by them (Sønderby et al. 2016, equations 10 to 12).
  ///
  /// With w = σ_b²/(σ_a² + σ_b²): μ = w μ_a + (1−w) μ_b and log σ = log σ_a + ½ log w.
  package func merge(_ a: DiagonalNormal, _ b: DiagonalNormal) -> DiagonalNormal {
    precondition(a.mean.shape == b.mean.shape, "Both are of the same scalars.")
    let (shape, count) = (a.mean.shape, a.mean.shape.count)
    let mean = Tensor(shape, in: pool)
    let logDeviation = Tensor(shape, in: pool)
    // w, the share of a.
    let share = Tensor(shape, in: pool)
    profile.measure(.elementwise) {
      for i in 0..<count {
        // e^{2(ℓ_a − ℓ_b)}; ½ log w = −½ log(1 + it).
        let ratio = exp(
          2 * (Double(a.logDeviation.value.pointer[i]) - Double(b.logDeviation.value.pointer[i])))
        let w = 1 / (1 + ratio)
        share.pointer[i] = Float(w)
        let (ma, mb) = (Double(a.mean.value.pointer[i]), Double(b.mean.value.pointer[i]))
        mean.pointer[i] = Float(w * ma + ratio * w * mb)
        logDeviation.pointer[i] = Float(
          Double(a.logDeviation.value.pointer[i]) - 0.5 * log1p(ratio))
      }
    }
    /// What flows back is dy times a slope.
    func add(_ dy: Tensor, to slot: GradientSlot?, _ slope: (Int) -> Float) {
      guard let slot else { return }
      let dx = Tensor(shape, in: pool)
      for i in 0..<count { dx.pointer[i] = dy.pointer[i] * slope(i) }
      slot.add(dx, pool)
    }
    let slots = [a.mean.slot, b.mean.slot, a.logDeviation.slot, b.logDeviation.slot]
    let means = record(
      mean, as: .elementwise, from: slots[0], slots[1], slots[2], slots[3]
    ) { dy in
      add(dy, to: slots[0]) { share.pointer[$0] }
      add(dy, to: slots[1]) { 1 - share.pointer[$0] }
      // ∂w/∂ℓ_b = 2 w (1 − w) = −∂w/∂ℓ_a.
      func slope(_ i: Int) -> Float {
        2 * share.pointer[i] * (1 - share.pointer[i])
          * (a.mean.value.pointer[i] - b.mean.value.pointer[i])
      }
      add(dy, to: slots[2]) { -slope($0) }
      add(dy, to: slots[3], slope)
    }
    let deviations = record(logDeviation, as: .elementwise, from: slots[2], slots[3]) { dy in
      add(dy, to: slots[2]) { share.pointer[$0] }
      add(dy, to: slots[3]) { 1 - share.pointer[$0] }
    }
    return DiagonalNormal(mean: means, logDeviation: deviations)
  }
}
