import Foundation

/// The transformed kernels of a network's convolutions, each computed when it is first needed.
///
/// Sampling evaluates one set of weights a thousand times, and transforms its kernels once. They
/// take four times the memory of the weights (458 MB for Ho's CIFAR-10 network), which training,
/// with other weights at each step, does better without. Any thread may ask; the results have the
/// bits of kernels that are transformed for one call.
public final class PreparedKernels: @unchecked Sendable {
  private let lock = NSLock()
  // Guarded by the lock; what has been handed out is only read.
  private var arrays: [Int: PlaceArray] = [:]
  private let pool = BufferPool()

  /// No kernels yet.
  public init() {}

  /// The transformed kernels of a convolution.
  ///
  /// - Parameters:
  ///   - key: Where its weights begin among those of the network.
  ///   - W: The weights, (3, 3, c, o).
  func kernels(_ key: Int, _ W: UnsafePointer<Float>, c: Int, o: Int) -> PlaceArray {
    lock.withLock {
      if let array = arrays[key] { return array }
      let array = PlaceArray(rows: c, panels: o / 16, in: pool)
      WinogradKernels(W, c, o).transform(0..<o / 16, into: array)
      arrays[key] = array
      return array
    }
  }
}
