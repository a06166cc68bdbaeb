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
    enum State { case outdated, inWork, ready }

    let array: PlaceArray
    var state = State.outdated
  }

  private let lock = NSLock()
  // Guarded by the lock.
  private var entries: [Key: Entry] = [:]
  private var memory: [Buffer] = []
  private let pool = BufferPool()

  /// No kernels yet.
  public init() {}

  /// The memory of the kernels so far, in bytes.
  public var allocatedBytes: Int { lock.withLock { pool.allocatedBytes } }

  /// The weights have changed: all kernels are transformed anew, in the same memory. Nobody may use
  /// them meanwhile.
  public func renew() {
    lock.withLock {
      for key in entries.keys { entries[key]!.state = .outdated }
    }
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
    let (rows, panels) = isTransposed ? (o / terms, c / 16) : (c / terms, o / 16)
    let (array, state) = lock.withLock {
      let entry = entries[key] ?? Entry(array: room(rows: rows, panels: panels))
      if entry.state == .outdated { entries[key] = Entry(array: entry.array, state: .inWork) }
      return (entry.array, entry.state)
    }
    switch state {
    case .ready: return array
    case .inWork: return nil
    case .outdated:
      let kernels = WinogradKernels<Operands>(W, c, o)
      if isTransposed {
        kernels.transformTransposed(0..<panels, rowPanels: 0..<o / 16, into: array)
      } else {
        kernels.transform(0..<panels, rows: 0..<rows, into: array)
      }
      lock.withLock { entries[key]!.state = .ready }
      return array
    }
  }

  /// Memory for kernels, kept as long as this object.
  private func room(rows: Int, panels: Int) -> PlaceArray {
    let buffer = pool.buffer(count: PlaceArray.count(rows: rows, panels: panels))
    memory.append(buffer)
    return PlaceArray(rows: rows, panels: panels, at: buffer.pointer)
  }
}
