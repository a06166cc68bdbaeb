// The kernels of text against naive references in Double.

import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct TextKernelTests {
  @Test(arguments: [Shape(2, 1, 5, 64), Shape(3, 1, 47, 35), Shape(1, 3, 2, 1), Shape(2, 1, 3, 16)])
  func layerNormalization(_ shape: Shape) {
    let (pool, c) = (BufferPool(), shape.c)
    let normalization = LayerNormalization()
    // A mean far from zero: the variance must not be a difference of large numbers.
    let x = Tensor(shape, normals(shape.count).map { 30 + $0 }, in: pool)
    let (gamma, beta) = (normals(c, index: 1), normals(c, index: 2))
    let y = Tensor(shape, in: pool)
    let statistics = Tensor(normalization.statisticsShape(for: shape), in: pool)
    normalization.forward(x, gamma, beta, into: y, statistics: statistics, pool)
    var worst = 0.0
    for row in 0..<shape.pixels {
      let values = (0..<c).map { Double(x.pointer[row * c + $0]) }
      let mean = values.reduce(0, +) / Double(c)
      let variance = values.reduce(0) { $0 + pow($1 - mean, 2) } / Double(c)
      for i in 0..<c {
        let expected =
          Double(gamma[i]) * (values[i] - mean) / (variance + 1e-5).squareRoot() + Double(beta[i])
        worst = max(worst, abs(expected - Double(y.pointer[row * c + i])))
      }
    }
    #expect(worst < 5e-5)
  }

  @Test func geluOverItsRange() {
    let x = stride(from: Float(-120), through: 120, by: 0.0371).map { $0 } + [0, -0.0, 1e-6]
    for kind in [GELU.exact, .quick] {
      var (y, g) = (x, [Float](repeating: 1, count: x.count))
      y.withUnsafeMutableBufferPointer {
        kind.apply(x, into: $0.baseAddress!, count: $0.count)
      }
      g.withUnsafeMutableBufferPointer {
        kind.applyDerivative(at: x, to: $0.baseAddress!, count: $0.count)
      }
      for i in x.indices {
        let v = Double(x[i])
        let (value, slope): (Double, Double)
        if kind == .exact {
          let phi = 0.5 * erfc(-v / 2.0.squareRoot())
          (value, slope) = (v * phi, phi + v * exp(-v * v / 2) / (2 * Double.pi).squareRoot())
        } else {
          let s = 1 / (1 + exp(-1.702 * v))
          (value, slope) = (v * s, s * (1 + 1.702 * v * (1 - s)))
        }
        #expect(abs(Double(y[i]) - value) <= 5e-7 * max(1, abs(value)), "\(kind) at \(v)")
        #expect(abs(Double(g[i]) - slope) <= 2e-6, "\(kind) at \(v)")
      }
    }
  }

  /// Queries and keys of other extents, each image with its own true lengths, and causal.
  @Test(arguments: [(1, 7), (2, 7), (2, 16), (4, 5)], [false, true])
  func attentionToAnotherSequence(_ form: (heads: Int, keys: Int), isCausal: Bool) {
    let (pool, c) = (BufferPool(), 16)
    let (q, k) = (Shape(3, 2, 3, c), Shape(3, 1, form.keys, c))
    let queries = Tensor(q, normals(q.count, index: 0, scale: 3), in: pool)
    let keys = Tensor(k, normals(k.count, index: 1, scale: 3), in: pool)
    let values = Tensor(k, normals(k.count, index: 2, scale: 3), in: pool)
    let attention = Attention(heads: form.heads, isCausal: isCausal)
    let d = c / form.heads
    for lengths in [
      Attention.Lengths(), Attention.Lengths(keys: [form.keys, 1, 3]),
      Attention.Lengths(queries: [6, 0, 4], keys: [2, 4, 0]),
    ] {
      let trace = attention.trace(q, k, in: pool)
      let y = Tensor(q, repeatElement(.nan, count: q.count), in: pool)
      attention.forward(queries, keys, values, trace: trace, into: y, lengths: lengths, pool)
      var worst = 0.0
      for n in 0..<3 {
        let (s, r) = (lengths.queries?[n] ?? 6, lengths.keys?[n] ?? form.keys)
        for i in 0..<6 {
          for head in 0..<form.heads {
            func at(_ t: Tensor, _ pixel: Int, _ channel: Int) -> Double {
              Double(t.image(n)[pixel * c + head * d + channel])
            }
            let seen = i < s ? 0..<(isCausal ? min(r, i + 1) : r) : 0..<0
            let scores = seen.map { j in
              (0..<d).reduce(0) { $0 + at(queries, i, $1) * at(keys, j, $1) }
                / Double(d).squareRoot()
            }
            let weights = scores.map { exp($0 - scores.max()!) }
            let total = weights.reduce(0, +)
            for channel in 0..<d {
              let expected = seen.reduce(0) { $0 + weights[$1] / total * at(values, $1, channel) }
              worst = max(worst, abs(expected - at(y, i, channel)))
            }
          }
        }
      }
      #expect(worst < 1e-4)
    }
  }

  /// Padding, whatever it holds, and however much there is, changes no bit of results and gradients.
  @Test(arguments: [1, 4], [false, true])
  func paddingIsNeverRead(_ heads: Int, isCausal: Bool) {
    let (pool, c, lengths) = (BufferPool(), 64, [3, 16, 1])
    let attention = Attention(heads: heads, isCausal: isCausal)
    /// The true parts of y, dq, dk and dv of self-attention, and the sum of all that is behind them.
    func run(room: Int, padding: Float) -> (results: [Float], behind: Float) {
      let shape = Shape(3, 1, room, c)
      func tensor(_ index: Int) -> Tensor {
        let t = Tensor(shape, repeatElement(padding, count: shape.count), in: pool)
        for n in 0..<3 {
          _ = t.image(n).update(fromContentsOf: normals(lengths[n] * c, index: 10 * index + n))
        }
        return t
      }
      let (q, k, v, dy) = (tensor(0), tensor(1), tensor(2), tensor(3))
      let trace = attention.trace(shape, shape, in: pool)
      let results = (0..<4).map { _ in Tensor(shape, in: pool) }
      for t in results { t.scalars.update(repeating: .nan) }
      let both = Attention.Lengths(queries: lengths, keys: lengths)
      attention.forward(q, k, v, trace: trace, into: results[0], lengths: both, pool)
      attention.backward(
        q, k, v, trace: trace, results[0], dy, dq: results[1], dk: results[2], dv: results[3],
        lengths: both,
        pool)
      var (inside, behind): ([Float], Float) = ([], 0)
      for t in results {
        for n in 0..<3 {
          inside += t.image(n)[..<(lengths[n] * c)]
          behind += t.image(n)[(lengths[n] * c)...].reduce(0) { $0 + abs($1) }
        }
      }
      return (inside, behind)
    }
    let tight = run(room: 16, padding: 0)
    #expect(tight.results.allSatisfy { $0.isFinite } && tight.behind == 0)
    for (room, padding) in [(16, Float.nan), (17, 0), (32, 7), (77, Float.nan)] {
      let wide = run(room: room, padding: padding)
      #expect(wide.results == tight.results && wide.behind == 0, "\(room) places of \(padding)")
    }
  }
}
