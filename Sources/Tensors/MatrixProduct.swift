// Products of row-major matrices, in registers or by OpenBLAS.

import COpenBLAS

/// A row-major matrix operand: its first scalar, the distance between rows, and whether it enters
/// the product transposed.
public struct Matrix {
  let pointer: UnsafePointer<Float>
  let stride: Int
  let transposed: CBLAS_TRANSPOSE

  /// A matrix whose rows are `stride` scalars apart.
  public init(_ pointer: UnsafePointer<Float>, stride: Int, transposed: Bool = false) {
    self.pointer = pointer
    self.stride = stride
    self.transposed = transposed ? CblasTrans : CblasNoTrans
  }
}

/// C ← α A B + β C for row-major `Float` matrices: small and narrow products in registers, others
/// by OpenBLAS on the calling thread.
///
/// OpenBLAS copies both operands into an order of its own first, which small and narrow products do
/// not pay back. Which way is taken depends on the extents alone.
///
/// - Parameters:
///   - m: The rows of A (after transposition) and C.
///   - n: The columns of B (after transposition) and C.
///   - k: The columns of A and rows of B.
///   - alpha: The factor of the product.
///   - beta: The factor of the old C; at 0 the old C is not read.
///   - c: The first scalar of C.
///   - stride: The distance between rows of C.
///   - pool: Whose helpers may compute some of the rows; nil: the calling thread computes all.
public func multiply(
  m: Int, n: Int, k: Int, alpha: Float = 1, _ a: Matrix, _ b: Matrix, beta: Float = 0,
  into c: UnsafeMutablePointer<Float>, stride: Int, _ pool: BufferPool? = nil
) {
  let isSmall = (m + n) * k <= 1 << 16 && (m * n * k <= 1 << 21 || k <= 64)
  if beta == 0 || beta == 1, n % 16 == 0 ? n <= 64 || isSmall : n > 48 && isSmall {
    return multiplyInRegisters(
      m: m, n: n, k: k, alpha: alpha, a, b, adds: beta == 1, into: c, stride: stride, pool)
  }
  // void cblas_sgemm(CBLAS_ORDER, CBLAS_TRANSPOSE, CBLAS_TRANSPOSE, blasint M, N, K, float alpha,
  //                  const float *A, blasint lda, const float *B, blasint ldb, float beta,
  //                  float *C, blasint ldc)
  cblas_sgemm(
    CblasRowMajor, a.transposed, b.transposed, blasint(m), blasint(n), blasint(k), alpha,
    a.pointer, blasint(a.stride), b.pointer, blasint(b.stride), beta, c, blasint(stride))
}

/// C ← α A B, added to C where `adds`.
private func multiplyInRegisters(
  m: Int, n: Int, k: Int, alpha: Float, _ a: Matrix, _ b: Matrix, adds: Bool,
  into c: UnsafeMutablePointer<Float>, stride: Int, _ pool: BufferPool?
) {
  guard b.transposed == CblasNoTrans else {
    return withUnsafeTemporaryAllocation(of: Float.self, capacity: k * n) { turned in
      let turned = turned.baseAddress!
      transpose(b.pointer, rows: n, columns: k, stride: b.stride, into: turned)
      multiplyInRegisters(
        m: m, n: n, k: k, alpha: alpha, a, Matrix(turned, stride: n), adds: adds, into: c,
        stride: stride, pool)
    }
  }
  let (row, step) = a.transposed == CblasNoTrans ? (a.stride, 1) : (1, a.stride)
  // Rows that are `stride` apart share few lines of the cache: a longer sum is made in pieces.
  let chunk = k <= 256 ? max(k, 1) : 128
  let whole = n & ~15
  // The last columns fill no vector: they are copied, with zeros behind them.
  withUnsafeTemporaryAllocation(of: Float.self, capacity: whole == n ? 1 : 16 * k) { last in
    let last = last.baseAddress!
    if whole < n {
      for i in 0..<k { put(load(b.pointer + (i * b.stride + whole), n - whole), last + 16 * i) }
    }
    func rows(_ range: Range<Int>) {
      for start in Swift.stride(from: 0, to: k, by: chunk) {
        let (first, depth) = (range.lowerBound, min(chunk, k - start))
        func product(
          columns: Int, _ panels: PanelProduct<Float32Operands>.Panels,
          into c: UnsafeMutablePointer<Float>
        ) {
          PanelProduct.strided(
            rows: range.count, columns: columns, depth: depth, alpha: alpha,
            a.pointer + (first * row + start * step), row: row, step: step, panels,
            adds: adds || start > 0, into: c + first * stride, stride: stride)
        }
        product(
          columns: whole,
          .init(first: b.pointer + start * b.stride, stride: b.stride, panelStride: 16), into: c)
        if whole < n {
          product(
            columns: n - whole, .init(first: last + 16 * start, stride: 16, panelStride: 0),
            into: c + whole)
        }
      }
    }
    if let pool { pool.split(m, cost: n * k, rows) } else { rows(0..<m) }
  }
}

/// What is to be known and set about the OpenBLAS library of this process.
public enum BLAS {
  /// Keeps the library's products on their calling threads; the workers are the parallelism.
  ///
  /// A product split over threads would also sum in another order than the same product on one.
  public static func useOneThread() {
    openblas_set_num_threads(1)  // void openblas_set_num_threads(int)
  }

  /// The library's version, build options and the kernels that it chose for this CPU.
  public static var description: String {
    // char *openblas_get_config(void)
    String(cString: openblas_get_config())
  }

  /// The library's version.
  public static var version: String {
    description.split(separator: " ").dropFirst().first.map { String($0) } ?? "unknown"
  }

  /// The kernels that the library chose for this CPU: `Haswell`, `SkylakeX`, `Zen`.
  public static var kernels: String {
    // char *openblas_get_corename(void)
    String(cString: openblas_get_corename())
  }
}
