// Matrix products against sums in Double, by registers and by OpenBLAS.

import Tensors
import TestSupport
import Testing

@Suite struct MatrixProductTests {
  /// Narrow, small and large products; rests of rows; sums in one piece and in several.
  @Test(
    arguments: [
      (1, 16, 1), (7, 16, 256), (13, 64, 257), (40, 32, 1000), (5, 64, 385), (9, 80, 30),
      (100, 96, 700), (20, 17, 40), (6, 48, 129),
    ],
    [(false, false), (true, false), (false, true), (true, true)])
  func product(_ extents: (m: Int, n: Int, k: Int), _ transposed: (a: Bool, b: Bool)) {
    let (m, n, k) = extents
    let (a, b) = (normals(m * k), normals(k * n, index: 1))
    // Rows of C lie apart; what is between them stays as it is.
    let stride = n + 3
    let old = normals(m * stride, index: 2)
    for (alpha, beta) in [(1, 0), (0.5, 1), (-2, 0.25)] as [(Float, Float)] {
      var c = old
      multiply(
        m: m, n: n, k: k, alpha: alpha,
        Matrix(a, stride: transposed.a ? m : k, transposed: transposed.a),
        Matrix(b, stride: transposed.b ? k : n, transposed: transposed.b), beta: beta, into: &c,
        stride: stride)
      var worst = 0.0
      for row in 0..<m {
        for column in 0..<stride {
          let place = row * stride + column
          guard column < n else {
            #expect(c[place] == old[place])
            continue
          }
          var sum = 0.0
          for i in 0..<k {
            sum +=
              Double(a[transposed.a ? i * m + row : row * k + i])
              * Double(b[transposed.b ? column * k + i : i * n + column])
          }
          let expected = Double(alpha) * sum + Double(beta) * Double(old[place])
          worst = max(worst, abs(expected - Double(c[place])))
        }
      }
      #expect(worst < 1e-5 * Double(k).squareRoot(), "alpha \(alpha), beta \(beta)")
    }
  }
}
