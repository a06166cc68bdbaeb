// Kernels that several passes need are transformed once.

import Foundation

/// The transformed kernels of a network's convolutions, each computed when it is first needed.
///
/// Sampling evaluates one set of weights a thousand times and transforms the kernels once; the shards
/// of a training step share those of its weights. They take four times the memory of the weights, in
/// bfloat16 twice, and as much again for a backward pass; each format has its own. Any thread may ask;
/// the results have the bits of kernels that are transformed for one call.
public final class PreparedKernels: @unchecked Sendable {
  private struct Key: Hashable {
    let offset: Int
    let termsPerWord: Int
    let isTransposed: Bool
  }

  private struct Entry {
    let array: PlaceArray
    let offset: Int
    /// Transforms the weights that begin there.
    let transform: @Sendable (UnsafePointer<Float>, PlaceArray) -> Void
    var isReady = false
  }

  private let lock = NSLock()
  // Guarded by the lock.
  private var entries: [Entry] = []
  private var indices: [Key: Int] = [:]
  private var memory: [Buffer] = []
  private let pool = BufferPool()

  /// No kernels yet.
  public init() {}

  /// The memory of the kernels so far, in bytes.
  public var allocatedBytes: Int { lock.withLock { pool.allocatedBytes } }

  /// The number of transformed kernels so far, those of each pass for themselves.
  public var count: Int { lock.withLock { entries.count } }

  /// Transforms some kernels anew, in the same memory, as the weights have changed. Different ones may be
  /// renewed at once, but nobody may use them meanwhile.
  ///
  /// - Parameters:
  ///   - index: Which, less than `count`.
  ///   - weights: All weights of the network.
  public func renew(_ index: Int, of weights: UnsafePointer<Float>) {
    let entry = lock.withLock { entries[index] }
    entry.transform(weights + entry.offset, entry.array)
  }

  /// The transformed kernels of a convolution.
  ///
  /// - Parameters:
  ///   - offset: Where its weights begin among those of the network.
  ///   - W: The weights, (3, 3, c, o), the same for one offset until all are renewed.
  ///   - isTransposed: Whether they are those of the backward pass, Uᵀ.
  /// - Returns: `nil` while another thread computes them: who would wait for it may as well
  ///   transform them for itself.
  func kernels<Operands: OperandFormat>(
    _: Operands.Type, _ offset: Int, _ W: UnsafePointer<Float>, c: Int, o: Int,
    isTransposed: Bool = false
  ) -> PlaceArray? {
    let terms = Operands.termsPerWord
    let key = Key(offset: offset, termsPerWord: terms, isTransposed: isTransposed)
    let (index, found) = lock.withLock { () -> (Int, Entry?) in
      if let index = indices[key] { return (index, entries[index]) }
      let (rows, panels) = isTransposed ? (o / terms, c / 16) : (c / terms, o / 16)
      indices[key] = entries.count
      entries.append(
        Entry(array: room(rows: rows, panels: panels), offset: offset) { W, array in
          let kernels = WinogradKernels<Operands>(W, c, o)
          if isTransposed {
            kernels.transformTransposed(0..<panels, rowPanels: 0..<o / 16, into: array)
          } else {
            kernels.transform(0..<panels, rows: 0..<rows, into: array)
          }
        })
      return (entries.count - 1, nil)
    }
    if let found { return found.isReady ? found.array : nil }
    let created = lock.withLock { entries[index] }
    created.transform(W, created.array)
    lock.withLock { entries[index].isReady = true }
    return created.array
  }

  /// Memory for kernels, kept as long as this object.
  private func room(rows: Int, panels: Int) -> PlaceArray {
    let buffer = pool.buffer(count: PlaceArray.count(rows: rows, panels: panels))
    memory.append(buffer)
    return PlaceArray(rows: rows, panels: panels, at: buffer.pointer)
  }
}
