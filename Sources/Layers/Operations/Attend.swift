// Attention on the tape.

import Tensors

extension OperationProfile.Kind {
  /// softmax(q kᵀ/√d) v.
  public static let attention = Self("attention")
}

extension Pass {
  /// Attention of every pixel of a map to every other: softmax(q kᵀ/√d) v.
  ///
  /// - Parameters:
  ///   - q: The queries, (n, h, w, c); c is a multiple of the number of heads.
  ///   - k: The keys, (n, h, w, c).
  ///   - v: The values, (n, h, w, c).
  /// - Returns: (n, h, w, c).
  package func attend(_ q: Variable, _ k: Variable, _ v: Variable, _ attention: Attention)
    -> Variable
  {
    let y = Tensor(q.shape, in: pool)
    let p = Tensor(attention.weightsShape(for: q.shape), in: pool)
    // Queries (s, c) times keys, then s × s weights times values (s, c), all heads together.
    let multiplyAdds = 2 * q.shape.h * q.shape.w * q.shape.count
    profile.measure(.attention, multiplyAdds: multiplyAdds, pool) {
      attention.forward(q.value, k.value, v.value, weights: p, into: y, pool)
    }
    return record(y, as: .attention, from: q.slot, k.slot, v.slot) { [unowned self] dy in
      let dq = Tensor(q.shape, in: pool)
      let dk = Tensor(q.shape, in: pool)
      let dv = Tensor(q.shape, in: pool)
      attention.backward(
        q.value, k.value, v.value, weights: p, dy, dq: dq, dk: dk, dv: dv, pool)
      q.slot?.add(dq, pool)
      k.slot?.add(dk, pool)
      v.slot?.add(dv, pool)
    }
  }
}
