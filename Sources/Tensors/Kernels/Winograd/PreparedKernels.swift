// Weights that do not change are transformed once.

import Foundation

/// The transformed kernels of a network's convolutions, each computed when it is first needed.
///
/// Sampling evaluates one set of weights a thousand times and transforms the kernels once. They
/// take four times the memory of the weights, in bfloat16 twice; each format has its own. Any thread
/// may ask; the results have the bits of kernels that are transformed for one call.
public final class PreparedKernels: @unchecked Sendable {
  private struct Key: Hashable {
    let offset: Int
    let termsPerWord: Int
  }

  private let lock = NSLock()
  // Guarded by the lock. An entry is nil while its kernels are transformed.
  private var kernels: [Key: PlaceArray?] = [:]
  private var memory: [Buffer] = []
  private let pool = BufferPool()

  /// No kernels yet.
  public init() {}

  /// The memory of the kernels so far, in bytes.
  public var allocatedBytes: Int { lock.withLock { pool.allocatedBytes } }

  /// The transformed kernels of a convolution.
  ///
  /// - Parameters:
  ///   - offset: Where its weights begin among those of the network.
  ///   - W: The weights, (3, 3, c, o), always the same for one offset.
  /// - Returns: `nil` while another thread computes them: who would wait for it may as well
  ///   transform them for itself.
  func kernels<Operands: OperandFormat>(
    _: Operands.Type, _ offset: Int, _ W: UnsafePointer<Float>, c: Int, o: Int
  ) -> PlaceArray? {
    let (key, rows) = (
      Key(offset: offset, termsPerWord: Operands.termsPerWord), c / Operands.termsPerWord
    )
    let (found, created) = lock.withLock { () -> (PlaceArray?, PlaceArray?) in
      if let entry = kernels[key] { return (entry, nil) }
      kernels[key] = .some(nil)
      let buffer = pool.buffer(count: PlaceArray.count(rows: rows, panels: o / 16))
      memory.append(buffer)
      return (nil, PlaceArray(rows: rows, panels: o / 16, at: buffer.pointer))
    }
    guard let created else { return found }
    WinogradKernels<Operands>(W, c, o).transform(0..<created.panels, rows: 0..<rows, into: created)
    lock.withLock { kernels[key] = created }
    return created
  }
}
