// Attention over several blocks of queries and keys, beside sums in Double.

import Foundation
import Tensors
import TestSupport
import Testing

struct AttentionTests {
  /// Self-attention of one image, head by head, in Double: y, dq, dk, dv.
  private struct Naive {
    var results: [[Double]]

    init(
      _ q: [Float], _ k: [Float], _ v: [Float], _ dy: [Float], c: Int, heads: Int, isCausal: Bool
    ) {
      let (s, r, d) = (q.count / c, k.count / c, c / heads)
      let scale = 1 / Double(d).squareRoot()
      var y = [Double](repeating: 0, count: s * c)
      var (dq, dk, dv) = (
        y, [Double](repeating: 0, count: r * c), [Double](repeating: 0, count: r * c)
      )
      for head in 0..<heads {
        func at(_ x: [Float], _ row: Int, _ i: Int) -> Double { Double(x[row * c + head * d + i]) }
        for i in 0..<s {
          let seen = 0..<(isCausal ? min(i + 1, r) : r)
          let scores = seen.map { j in
            (0..<d).reduce(0) { $0 + at(q, i, $1) * at(k, j, $1) } * scale
          }
          let largest = scores.max()!
          let exponentials = scores.map { exp($0 - largest) }
          let total = exponentials.reduce(0, +)
          let p = exponentials.map { $0 / total }
          let dp = seen.map { j in (0..<d).reduce(0) { $0 + at(dy, i, $1) * at(v, j, $1) } }
          let mean = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
          for j in seen {
            let dS = p[j] * (dp[j] - mean) * scale
            for channel in 0..<d {
              let (a, b) = (i * c + head * d + channel, j * c + head * d + channel)
              y[a] += p[j] * at(v, j, channel)
              dv[b] += p[j] * at(dy, i, channel)
              dq[a] += dS * at(k, j, channel)
              dk[b] += dS * at(q, i, channel)
            }
          }
        }
      }
      results = [y, dq, dk, dv]
    }
  }

  /// Queries and keys that fill no block, one, and several, with channels that fill no vector.
  @Test(
    arguments: [
      (queries: 1, keys: 1), (96, 256), (97, 257), (306, 306), (200, 600), (300, 16), (13, 700),
    ], [(c: 32, heads: 2), (12, 1), (96, 3)])
  func blocks(_ form: (queries: Int, keys: Int), _ channels: (c: Int, heads: Int)) {
    for isCausal in [false, true] {
      let (pool, c) = (BufferPool(), channels.c)
      let (q, k) = (Shape(1, 1, form.queries, c), Shape(1, 1, form.keys, c))
      let values = [q, k, k, q].enumerated().map {
        normals($1.count, index: $0, scale: $0 < 2 ? 2 : 1)
      }
      let tensors = zip([q, k, k, q], values).map { Tensor($0, $1, in: pool) }
      let attention = Attention(heads: channels.heads, isCausal: isCausal)
      let trace = attention.trace(q, k, in: pool)
      let results = [q, q, k, k].map { shape in
        Tensor(shape, repeatElement(.nan, count: shape.count), in: pool)
      }
      attention.forward(
        tensors[0], tensors[1], tensors[2], trace: trace, into: results[0], pool)
      attention.backward(
        tensors[0], tensors[1], tensors[2], trace: trace, results[0], tensors[3],
        dq: results[1], dk: results[2], dv: results[3], pool)
      let naive = Naive(
        values[0], values[1], values[2], values[3], c: c, heads: channels.heads, isCausal: isCausal)
      for (name, (result, expected)) in zip(
        ["y", "dq", "dk", "dv"], zip(results, naive.results))
      {
        let scale = max(expected.reduce(0) { max($0, abs($1)) }, 1)
        let worst = zip(result.scalars, expected).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
        #expect(worst < 2e-5 * scale, "\(name), causal: \(isCausal)")
      }
    }
  }

  /// Scores that grow from block to block, and by more than an exponential holds.
  @Test func growingScores() {
    let (pool, c, count) = (BufferPool(), 16, 600)
    let shape = Shape(1, 1, count, c)
    let q = [Float](repeating: 1, count: shape.count)
    let k = (0..<count).flatMap { [Float](repeating: Float($0) * 0.25, count: c) }
    let v = (0..<count).flatMap { [Float](repeating: Float($0), count: c) }
    let y = Tensor(shape, in: pool)
    let attention = Attention(heads: 1)
    let trace = attention.trace(shape, shape, in: pool)
    attention.forward(
      Tensor(shape, q, in: pool), Tensor(shape, k, in: pool), Tensor(shape, v, in: pool),
      trace: trace, into: y, pool)
    // Scores are j: softmax weights (1 − 1/e) e^(j − 599).
    let expected = 599 - 1 / (M_E - 1)
    #expect(y.scalars.allSatisfy { abs(Double($0) - expected) < 1e-3 })
  }
}
