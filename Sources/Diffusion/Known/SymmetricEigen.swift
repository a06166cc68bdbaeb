// The eigenvectors of a small symmetric matrix.

/// The eigenvalues and orthonormal eigenvectors of a symmetric matrix R, by Jacobi's rotations.
///
/// Each rotation by the angle of tan θ = t, t² + 2τt − 1 = 0, τ = (R_qq − R_pp)/(2R_pq), makes one
/// pair of entries vanish; sweeps over all pairs converge quadratically (Golub and Van Loan, Matrix
/// Computations, section 8.5).
struct SymmetricEigen: Sendable {
  /// The eigenvalues λ_0 …, in no order.
  let values: [Double]
  /// U, n × n, row by row: its columns are the eigenvectors.
  private let vectors: [Double]
  private let order: Int

  /// Decomposes R, n × n numbers row by row.
  init(_ matrix: [Double], order n: Int) {
    precondition(matrix.count == n * n, "A matrix is square.")
    var (a, u) = (matrix, [Double](repeating: 0, count: n * n))
    for i in 0..<n { u[i * n + i] = 1 }
    func rotate(_ x: inout [Double], _ i: Int, _ j: Int, _ cosine: Double, _ sine: Double) {
      (x[i], x[j]) = (cosine * x[i] - sine * x[j], sine * x[i] + cosine * x[j])
    }
    // Six sweeps are enough for any matrix of a few rows; entries that are 0 are left alone.
    for _ in 0..<12 {
      for p in 0..<n {
        for q in p + 1..<n where a[p * n + q] != 0 {
          let tau = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q])
          let tangent = (tau < 0 ? -1 : 1) / (abs(tau) + (1 + tau * tau).squareRoot())
          let cosine = 1 / (1 + tangent * tangent).squareRoot()
          let sine = tangent * cosine
          for k in 0..<n { rotate(&a, k * n + p, k * n + q, cosine, sine) }
          for k in 0..<n { rotate(&a, p * n + k, q * n + k, cosine, sine) }
          for k in 0..<n { rotate(&u, k * n + p, k * n + q, cosine, sine) }
        }
      }
    }
    values = (0..<n).map { a[$0 * n + $0] }
    vectors = u
    order = n
  }

  /// Uᵀ Y U for an n × n matrix Y, row by row: its coordinates in the basis of R⊗R.
  func coordinates(_ y: [Double]) -> [Double] {
    product(y) { i, k in vectors[k * order + i] }
  }

  /// U Y Uᵀ: the matrix of given coordinates.
  func point(_ y: [Double]) -> [Double] {
    product(y) { i, k in vectors[i * order + k] }
  }

  /// A Y Aᵀ.
  private func product(_ y: [Double], _ a: (Int, Int) -> Double) -> [Double] {
    let n = order
    var half = [Double](repeating: 0, count: n * n)
    var whole = half
    for i in 0..<n {
      for j in 0..<n { for k in 0..<n { half[i * n + j] += a(i, k) * y[k * n + j] } }
    }
    for i in 0..<n {
      for j in 0..<n { for k in 0..<n { whole[i * n + j] += half[i * n + k] * a(j, k) } }
    }
    return whole
  }
}
