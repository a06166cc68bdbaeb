// Memory for tensors, kept by a worker from one step of training to the next.

/// Memory that one worker uses again and again, so that a steady training step allocates nothing.
///
/// A pool belongs to one thread at a time. A `Buffer` goes back to its pool when its last owner
/// releases it; the next request of a similar size gets it, with the old contents still in it.
public final class BufferPool {
  private var free: [[UnsafeMutablePointer<Float>]] = []
  private var bufferBytes = 0
  private let scratch = ScratchStack()

  /// The number of bytes that the pool holds from the system, in use or not.
  public var allocatedBytes: Int { bufferBytes + scratch.allocatedBytes }

  /// Who helps with the work of the pool's thread; nil: nobody.
  let helpers: Helpers?

  /// The time that other threads have helped with the work of the pool's thread.
  public internal(set) var helped = Duration.zero

  /// A pool that holds nothing yet.
  public init(helpers: Helpers? = nil) { self.helpers = helpers }

  deinit {
    for list in free {
      for pointer in list { UnsafeMutableRawPointer(pointer).deallocate() }
    }
  }

  /// A buffer for at least `count` scalars, aligned to 64 bytes, with unspecified contents.
  func buffer(count: Int) -> Buffer {
    let sizeClass = SizeClass(atLeast: count)
    if free.count <= sizeClass.index {
      free.append(contentsOf: repeatElement([], count: sizeClass.index + 1 - free.count))
    }
    if let pointer = free[sizeClass.index].popLast() {
      return Buffer(pointer, sizeClass, self)
    }
    let bytes = sizeClass.capacity * MemoryLayout<Float>.stride
    bufferBytes += bytes
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    return Buffer(
      memory.bindMemory(to: Float.self, capacity: sizeClass.capacity), sizeClass, self)
  }

  /// Calls `body` with at least `count` scalars, aligned to 64 bytes, with unspecified contents,
  /// that are its own until it returns.
  func withScratch(count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
    scratch.withPiece(count: count, body)
  }

  fileprivate func takeBack(_ pointer: UnsafeMutablePointer<Float>, _ sizeClass: SizeClass) {
    free[sizeClass.index].append(pointer)
  }
}

/// A piece of a pool's memory; its `deinit` gives it back.
final class Buffer {
  let pointer: UnsafeMutablePointer<Float>
  private let sizeClass: SizeClass
  private let pool: BufferPool

  fileprivate init(
    _ pointer: UnsafeMutablePointer<Float>, _ sizeClass: SizeClass, _ pool: BufferPool
  ) {
    self.pointer = pointer
    self.sizeClass = sizeClass
    self.pool = pool
  }

  deinit { pool.takeBack(pointer, sizeClass) }
}

/// One of eight capacities between a power of two and the next: at most an eighth is wasted, and
/// maps of slightly different sizes share memory.
private struct SizeClass {
  let index: Int
  let capacity: Int

  init(atLeast count: Int) {
    let count = max(count, 128)
    let exponent = Int.bitWidth - 1 - (count - 1).leadingZeroBitCount  // of the power below count
    let step = 1 << (exponent - 3)
    let steps = (count - (1 << exponent) + step - 1) / step  // 1...8
    index = (exponent - 6) * 8 + steps - 1
    capacity = (1 << exponent) + steps * step
  }
}
