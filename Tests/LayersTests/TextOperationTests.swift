// The operations of text against the gradient checker, and the promises that they make.

import Layers
import Tensors
import TestSupport
import Testing

@Suite struct TextOperationTests {
  @Test(arguments: [Shape(2, 1, 5, 16), Shape(3, 1, 40, 6), Shape(1, 2, 3, 35)])
  func layerNormalization(_ shape: Shape) {
    checkGradient(shapes: [shape], parameterCount: 2 * shape.c) { x, pass in
      pass.normalize(
        x[0], LayerNormalization(), scale: Parameter(range: 0..<shape.c),
        bias: Parameter(range: shape.c..<2 * shape.c))
    }
  }

  @Test(arguments: [GELU.exact, .quick])
  func gelu(_ kind: GELU) {
    checkGradient(shapes: [Shape(2, 1, 5, 19)]) { x, pass in pass.activate(x[0], kind) }
  }

  @Test func addition() {
    checkGradient(shapes: [Shape(2, 1, 3, 5), Shape(2, 1, 3, 5)]) { x, pass in
      pass.add(pass.add(x[0], x[1]), pass.activate(x[0]))
    }
  }

  @Test func averages() {
    checkGradient(shapes: [Shape(4, 1, 5, 6)]) { x, pass in
      let y = pass.average(x[0], lengths: [5, 1, 0, 3])
      #expect(y.value.image(2).allSatisfy { $0 == 0 })
      return y
    }
  }

  /// The mean by hand; what lies behind a length is not read.
  @Test func averageByHand() {
    let pool = BufferPool()
    let x = Variable(
      Tensor(Shape(2, 1, 3, 2), [1, 2, 3, 6, .nan, .nan, 5, 4, 3, 2, 1, 0], in: pool))
    let y = Pass(pool: pool, weights: [0]).average(x, lengths: [2, 3])
    #expect(Array(y.value.scalars) == [2, 4, 3, 2])
  }

  @Test func substitution() {
    checkGradient(shapes: [Shape(4, 1, 3, 6)], parameterCount: 6) { x, pass in
      let y = pass.substitute(Parameter(range: 0..<6), for: [1, 3], of: x[0])
      #expect(y.value.image(1)[6...].allSatisfy { $0 == 0 })
      #expect(y.value.image(0).elementsEqual(x[0].value.image(0)))
      return pass.activate(y)
    }
  }

  /// Nothing is missing: the vector learns nothing, and its gradient is 0, not what was there.
  @Test func substitutionOfNothing() {
    let pool = BufferPool()
    var gradient: [Float] = [.nan, .nan]
    gradient.withUnsafeMutableBufferPointer { gradient in
      let pass = Pass(pool: pool, weights: [1, 2], gradient: gradient.baseAddress!)
      let x = Variable.input(Tensor(Shape(1, 1, 2, 2), [1, 2, 3, 4], in: pool))
      let y = pass.substitute(Parameter(range: 0..<2), for: [], of: x)
      #expect(Array(y.value.scalars) == [1, 2, 3, 4])
      pass.meanSquaredError(y, Tensor(Shape(1, 1, 2, 2), [0, 0, 0, 0], in: pool))
      pass.backward()
    }
    #expect(gradient == [0, 0])
  }

  /// Queries, keys and values of other extents and lengths; and self-attention, causal.
  @Test(arguments: [1, 2])
  func attentionWithLengths(_ heads: Int) {
    let (q, k) = (Shape(3, 2, 2, 8), Shape(3, 1, 5, 8))
    checkGradient(shapes: [q, k, k]) { x, pass in
      pass.attend(x[0], x[1], x[2], Attention(heads: heads))
    }
    checkGradient(shapes: [q, k, k]) { x, pass in
      pass.attend(
        x[0], x[1], x[2], Attention(heads: heads), lengths: Attention.Lengths(keys: [5, 1, 3]))
    }
    checkGradient(shapes: [k, k, k]) { x, pass in
      pass.attend(
        x[0], x[1], x[2], Attention(heads: heads, isCausal: true),
        lengths: Attention.Lengths(queries: [5, 0, 3], keys: [5, 0, 3]))
    }
  }

  /// Which keys stand where changes only rounding.
  @Test func keysAreASet() {
    let (pool, q, k) = (BufferPool(), Shape(1, 2, 3, 16), Shape(1, 1, 7, 16))
    let order = RandomStream(seed: 1, purpose: .order).permutation(count: 7)
    let pass = Pass(pool: pool, weights: [0])
    func variable(_ shape: Shape, _ index: Int, permuted: Bool) -> Variable {
      let scalars = normals(shape.count, index: index)
      return Variable(
        Tensor(
          shape, permuted ? order.flatMap { scalars[16 * $0..<16 * ($0 + 1)] } : scalars, in: pool))
    }
    let results = [false, true].map { permuted in
      pass.attend(
        variable(q, 0, permuted: false), variable(k, 1, permuted: permuted),
        variable(k, 2, permuted: permuted), Attention(heads: 2)
      ).value
    }
    let worst = zip(results[0].scalars, results[1].scalars).reduce(0) { max($0, abs($1.0 - $1.1)) }
    #expect(worst < 1e-6 && order != Array(0..<7))
  }
}
