// Attention on the tape.

import Tensors

extension OperationProfile.Kind {
  /// softmax(q kᵀ/√d) v.
  public static let attention = Self("attention")
}

extension Pass {
  /// Attention of every pixel of a map to those of a map: softmax(q kᵀ/√d) v.
  ///
  /// - Parameters:
  ///   - q: The queries, (n, h, w, c); c is a multiple of the number of heads.
  ///   - k: The keys, (n, h′, w′, c).
  ///   - v: The values, (n, h′, w′, c).
  ///   - lengths: How many queries and keys of each image there are; what lies behind is not read.
  /// - Returns: (n, h, w, c), 0 where there is no query.
  package func attend(
    _ q: Variable, _ k: Variable, _ v: Variable, _ attention: Attention,
    lengths: Attention.Lengths = Attention.Lengths()
  ) -> Variable {
    let y = Tensor(q.shape, in: pool)
    let trace = attention.trace(q.shape, k.shape, in: pool)
    // Queries (s, c) times keys, then s × r weights times values (r, c), all heads together.
    let pairs = (0..<q.shape.n).reduce(0) { sum, n in
      sum + (lengths.queries?[n] ?? q.shape.h * q.shape.w)
        * (lengths.keys?[n] ?? k.shape.h * k.shape.w)
    }
    profile.measure(.attention, multiplyAdds: 2 * pairs * q.shape.c, pool) {
      attention.forward(
        q.value, k.value, v.value, trace: trace, into: y, lengths: lengths, precision: precision,
        pool)
    }
    return record(y, as: .attention, from: q.slot, k.slot, v.slot) { [unowned self] dy in
      let dq = Tensor(q.shape, in: pool)
      let dk = Tensor(k.shape, in: pool)
      let dv = Tensor(k.shape, in: pool)
      attention.backward(
        q.value, k.value, v.value, trace: trace, y, dy, dq: dq, dk: dk, dv: dv,
        lengths: lengths, precision: precision, pool)
      q.slot?.add(dq, pool)
      k.slot?.add(dk, pool)
      v.slot?.add(dv, pool)
    }
  }
}
