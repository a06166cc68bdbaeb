// Each kernel against a naive reference in Double.

import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct KernelTests {
  static let shapes = [
    Shape(2, 4, 4, 16), Shape(1, 5, 3, 1), Shape(3, 7, 5, 6), Shape(2, 3, 4, 35),
    Shape(1, 28, 28, 2), Shape(2, 32, 32, 40),
  ]

  @Test(arguments: shapes, [false, true])
  func groupNormalization(_ shape: Shape, _ activates: Bool) {
    for groups in 1...4 where shape.c % groups == 0 {
      let pool = BufferPool()
      let normalization = GroupNormalization(groups: groups, activates: activates)
      // A mean far from zero: the variance must not be a difference of large numbers.
      let x = Tensor(shape, normals(shape.count).map { 30 + $0 }, in: pool)
      let (gamma, beta) = (normals(shape.c, index: 1), normals(shape.c, index: 2))
      let y = Tensor(shape, in: pool)
      let statistics = Tensor(normalization.statisticsShape(for: shape), in: pool)
      normalization.forward(x, gamma, beta, into: y, statistics: statistics, pool)
      let size = shape.c / groups
      var worst = 0.0
      for n in 0..<shape.n {
        for group in 0..<groups {
          let indices = (0..<shape.imageCount).filter { $0 % shape.c / size == group }
          let values = indices.map { Double(x.image(n)[$0]) }
          let mean = values.reduce(0, +) / Double(values.count)
          let variance = values.reduce(0) { $0 + pow($1 - mean, 2) } / Double(values.count)
          for (i, value) in zip(indices, values) {
            let c = i % shape.c
            let u =
              Double(gamma[c]) * (value - mean) / (variance + 1e-6).squareRoot() + Double(beta[c])
            let expected = activates ? u / (1 + exp(-u)) : u
            worst = max(worst, abs(expected - Double(y.image(n)[i])))
          }
        }
      }
      #expect(worst < 5e-5)
    }
  }

  /// Each image has the scale and the shift that lie a stride behind those of the one before.
  @Test func groupNormalizationOfEachImage() {
    let (shape, c) = (Shape(3, 5, 2, 6), 6)
    let (pool, normalization) = (BufferPool(), GroupNormalization(groups: 3, activates: true))
    let (x, dy) = (
      Tensor(shape, normals(shape.count), in: pool),
      Tensor(shape, normals(shape.count, index: 1), in: pool)
    )
    let own = normals(3 * 2 * c, index: 2)
    let (y, dx) = (Tensor(shape, in: pool), Tensor(shape, in: pool))
    let statistics = Tensor(normalization.statisticsShape(for: shape), in: pool)
    var parts = [Float](repeating: .nan, count: own.count)
    own.withUnsafeBufferPointer { own in
      let (gamma, beta) = (own.baseAddress!, own.baseAddress! + c)
      normalization.forward(
        x, gamma, beta, stride: 2 * c, into: y, statistics: statistics, pool)
      parts.withUnsafeMutableBufferPointer {
        normalization.backward(
          x, gamma, beta, stride: 2 * c, dy, statistics: statistics, into: dx,
          parts: $0.baseAddress!, pool)
      }
      for n in 0..<3 {
        let one = Shape(1, shape.h, shape.w, c)
        let (xn, dyn) = (Tensor(one, x.image(n), in: pool), Tensor(one, dy.image(n), in: pool))
        let (yn, dxn) = (Tensor(one, in: pool), Tensor(one, in: pool))
        var slopes = [Float](repeating: 0, count: 2 * c)
        let (gamma, beta) = (gamma + 2 * c * n, beta + 2 * c * n)
        normalization.forward(xn, gamma, beta, into: yn, statistics: statistics, pool)
        slopes.withUnsafeMutableBufferPointer {
          normalization.backward(
            xn, gamma, beta, dyn, statistics: statistics, into: dxn,
            slopes: ($0.baseAddress!, $0.baseAddress! + c), pool)
        }
        #expect(y.image(n).elementsEqual(yn.scalars) && dx.image(n).elementsEqual(dxn.scalars))
        #expect(parts[2 * c * n..<2 * c * (n + 1)].elementsEqual(slopes))
      }
    }
  }

  @Test(arguments: [Shape(2, 4, 4, 16), Shape(1, 2, 6, 1), Shape(3, 8, 2, 35)])
  func averagePooling(_ shape: Shape) {
    let (pool, c) = (BufferPool(), shape.c)
    let x = Tensor(shape, normals(shape.count), in: pool)
    let y = Tensor(AveragePooling.outputShape(for: shape), in: pool)
    AveragePooling.forward(x, into: y)
    #expect(y.shape == Shape(shape.n, shape.h / 2, shape.w / 2, c))
    func place(_ s: Shape, _ n: Int, _ row: Int, _ column: Int, _ i: Int) -> Int {
      ((n * s.h + row) * s.w + column) * s.c + i
    }
    let dy = Tensor(y.shape, normals(y.shape.count, index: 1), in: pool)
    let dx = Tensor(shape, in: pool)
    AveragePooling.backward(dy, into: dx)
    for n in 0..<shape.n {
      for row in 0..<shape.h {
        for column in 0..<shape.w {
          for i in 0..<c {
            let half = place(y.shape, n, row / 2, column / 2, i)
            #expect(dx.scalars[place(shape, n, row, column, i)] == dy.scalars[half] / 4)
            guard row % 2 == 0, column % 2 == 0 else { continue }
            let square = [(0, 0), (0, 1), (1, 0), (1, 1)].map {
              Double(x.scalars[place(shape, n, row + $0.0, column + $0.1, i)])
            }
            #expect(abs(Double(y.scalars[half]) - square.reduce(0, +) / 4) < 1e-6)
          }
        }
      }
    }
  }

  @Test func siluOverItsRange() {
    let x = stride(from: Float(-120), through: 120, by: 0.0371).map { $0 }
    var y = x
    y.withUnsafeMutableBufferPointer { SiLU.apply($0.baseAddress!, count: $0.count) }
    var g = [Float](repeating: 1, count: x.count)
    g.withUnsafeMutableBufferPointer {
      SiLU.applyDerivative(at: x, to: $0.baseAddress!, count: $0.count)
    }
    for i in x.indices {
      let v = Double(x[i])
      let s = 1 / (1 + exp(-v))
      #expect(abs(Double(y[i]) - v * s) <= 1e-6 * max(1, abs(v * s)))
      #expect(abs(Double(g[i]) - s * (1 + v * (1 - s))) <= 2e-6)
    }
  }

  @Test(arguments: [Shape(2, 4, 4, 16), Shape(1, 5, 3, 2), Shape(2, 7, 7, 6)])
  func attention(_ shape: Shape) {
    for heads in 1...2 {
      let pool = BufferPool()
      let (s, d) = (shape.h * shape.w, shape.c / heads)
      let tensors = (0..<3).map {
        Tensor(shape, normals(shape.count, index: $0, scale: 3), in: pool)
      }
      let (q, k, v) = (tensors[0], tensors[1], tensors[2])
      let attention = Attention(heads: heads)
      let trace = attention.trace(shape, shape, in: pool)
      let y = Tensor(shape, in: pool)
      attention.forward(q, k, v, trace: trace, into: y, pool)
      var worst = 0.0
      for n in 0..<shape.n {
        for head in 0..<heads {
          func at(_ t: Tensor, _ pixel: Int, _ i: Int) -> Double {
            Double(t.image(n)[pixel * shape.c + head * d + i])
          }
          for i in 0..<s {
            let scores = (0..<s).map { j in
              (0..<d).reduce(0) { $0 + at(q, i, $1) * at(k, j, $1) } / Double(d).squareRoot()
            }
            let weights = scores.map { exp($0 - scores.max()!) }
            let total = weights.reduce(0, +)
            for channel in 0..<d {
              let expected = (0..<s).reduce(0) { $0 + weights[$1] / total * at(v, $1, channel) }
              worst = max(worst, abs(expected - at(y, i, channel)))
            }
          }
        }
      }
      #expect(worst < 1e-4)
    }
  }

  /// The share of zeros is the rate, the mean stays, and layers and images draw different masks.
  @Test(arguments: [25_000, 24_979])
  func dropoutStatistics(_ count: Int) {
    let streams = (0..<2).map { RandomStream(seed: 1, purpose: .dropout, position: $0) }
    let ones = [Float](repeating: 1, count: count)
    func masked(_ image: Int, firstBlock: Int) -> [Float] {
      var y = ones
      Dropout(rate: 0.1, streams: streams, firstBlock: firstBlock)
        .apply(image: image, ones, into: &y, count: count)
      return y
    }
    let first = masked(0, firstBlock: 0)
    let second = masked(0, firstBlock: Dropout.blockCount(imageCount: count))
    #expect(first == masked(0, firstBlock: 0))
    #expect(first != masked(1, firstBlock: 0))
    #expect(first.allSatisfy { $0 == 0 || abs($0 - 1 / 0.9) < 1e-6 })
    let n = Double(count)
    let zeros = Double(first.count { $0 == 0 }) / n
    #expect(abs(zeros - 0.1) < 5 * (0.09 / n).squareRoot())
    let both = Double(zip(first, second).count { $0 == 0 && $1 == 0 }) / n
    #expect(abs(both - 0.01) < 5 * (0.0099 / n).squareRoot())
    // Neighbours, in either order of scalars and blocks, are independent.
    for distance in [1, 16, 64] {
      let pairs = zip(first, first.dropFirst(distance)).count { $0 == 0 && $1 == 0 }
      #expect(abs(Double(pairs) / n - 0.01) < 6 * (0.0099 / n).squareRoot())
    }
  }

  @Test func longColumnSumsStayAccurate() {
    let (rows, c) = (100_000, 3)
    let x = normals(rows * c).map { $0 + 1 }
    var sum = [Float](repeating: 0, count: c)
    sum.withUnsafeMutableBufferPointer {
      Elementwise.addRowSum(of: x, rows: rows, c: c, to: $0.baseAddress!)
    }
    for channel in 0..<c {
      let expected = stride(from: channel, to: rows * c, by: c).reduce(0.0) { $0 + Double(x[$1]) }
      #expect(abs(Double(sum[channel]) / expected - 1) < 1e-5)
    }
  }

  /// What has not been used for the longest time loses its pages where there would be more of them than
  /// were ever needed at once.
  @Test func poolGivesIdleMemoryBack() {
    let (pool, mebibyte) = (BufferPool(), 1 << 18)
    pool.givesPagesBack = true
    func tensor(_ count: Int) -> Tensor {
      Tensor(Shape(1, 1, 1, count), repeatElement(1, count: count), in: pool)
    }
    func isCleared(_ tensor: Tensor) -> Bool {
      tensor.scalars.count { $0 == 0 } >= tensor.shape.count - 2048
    }
    let size = 4 * mebibyte
    let used = tensor(mebibyte)
    var others = [tensor(2 * mebibyte), tensor(2 * mebibyte)]
    let first = others[0].pointer
    others = []
    #expect(pool.pageBytes == 5 * size)
    // One of the two that are free has to go for another size.
    others = [tensor(3 * mebibyte / 2)]
    #expect(pool.allocatedBytes == 13 * size / 2 && pool.pageBytes == 9 * size / 2)
    // The one that was released last is still there; the other is there again, of zeros.
    let (second, third) = (
      Tensor(Shape(1, 1, 1, 2 * mebibyte), in: pool), Tensor(Shape(1, 1, 1, 2 * mebibyte), in: pool)
    )
    #expect(second.pointer != third.pointer && [second, third].contains { $0.pointer == first })
    #expect(!isCleared(second) && isCleared(third))
    #expect(used.scalars.allSatisfy { $0 == 1 } && others[0].scalars.allSatisfy { $0 == 1 })
    #expect(pool.pageBytes == 13 * size / 2 && pool.peakBytes == 13 * size / 2)
  }

  /// What grows beside a pool takes the place of what is free.
  @Test func poolMakesRoom() {
    let (pool, count) = (BufferPool(), 1 << 18)
    pool.givesPagesBack = true
    var tensors = (0..<4).map { _ in Tensor(Shape(1, 1, 1, count), in: pool) }
    #expect(pool.pageBytes == 16 * count)
    pool.besideBytes = 4 * count
    #expect(pool.pageBytes == 16 * count)
    tensors.removeLast(3)
    // The most was five of them: one in use, one beside, and three may stay.
    #expect(pool.pageBytes == 16 * count)
    pool.besideBytes = 8 * count + 1
    #expect(pool.pageBytes == 8 * count)
    pool.besideBytes = 40 * count
    #expect(pool.pageBytes == 4 * count)
    pool.besideBytes = 0
    withExtendedLifetime(tensors) {}
  }

  /// A freed buffer is used again, and a pool's memory stops growing.
  @Test func poolReusesMemory() {
    let pool = BufferPool()
    var sizes: [Int] = []
    for _ in 0..<3 {
      for count in [1, 100, 127, 128, 129, 1000, 4096, 4097, 100_000] {
        let tensor = Tensor(Shape(1, 1, 1, count), repeatElement(1, count: count), in: pool)
        #expect(Int(bitPattern: tensor.pointer) % 64 == 0)
      }
      sizes.append(pool.allocatedBytes)
    }
    #expect(sizes[0] == sizes[1] && sizes[1] == sizes[2])
    var shared = Tensor(Shape(1, 1, 1, 3), [1, 2, 3], in: pool)
    let copy = shared
    shared.add(copy, in: pool)
    #expect(Array(shared.scalars) == [2, 4, 6])
    #expect(Array(copy.scalars) == [1, 2, 3])
    shared.add(copy, in: pool)
    #expect(Array(shared.scalars) == [3, 6, 9])
  }
}
