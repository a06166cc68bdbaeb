// Systems of linear equations, by LAPACK.

import COpenBLAS

/// Solves A x = b by elimination with row exchanges.
///
/// - Parameters:
///   - matrix: A, n × n, symmetric, so that the order of its elements does not matter.
///   - right: b, n numbers.
/// - Returns: x, or nil where a pivot is exactly zero.
public func solve(symmetric matrix: [Double], _ right: [Double]) -> [Double]? {
  var (order, columns, failure) = (blasint(right.count), blasint(1), blasint(0))
  precondition(matrix.count == right.count * right.count, "The matrix must be square and fit b.")
  var (factors, x) = (matrix, right)
  var pivots = [blasint](repeating: 0, count: right.count)
  var leading = max(order, 1)
  // void dgesv_(const int *n, const int *nrhs, double *a, const int *lda, int *ipiv, double *b,
  //             const int *ldb, int *info)
  withUnsafePointer(to: &leading) { leading in
    dgesv_(&order, &columns, &factors, leading, &pivots, &x, leading, &failure)
  }
  precondition(failure >= 0, "An argument of dgesv is wrong.")
  return failure == 0 ? x : nil
}
