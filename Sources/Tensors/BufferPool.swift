// Memory for tensors, kept by a worker from one step of training to the next.

/// Memory that one worker uses again and again, so that a steady training step allocates nothing.
///
/// A pool belongs to one thread at a time. A `Buffer` goes back to its pool when its last owner
/// releases it; the next request of a similar size gets it, with the old contents still in it.
///
/// Buffers of other sizes that nobody uses add up to more than was ever needed at once. Where a pool
/// `givesPagesBack` and would have more pages of the system than that, the large buffers that have not
/// been used for the longest time give theirs back, until they are used again.
public final class BufferPool {
  /// The buffers of one size that nobody uses, the last one released last.
  private struct FreeList {
    var buffers: [(pointer: UnsafeMutablePointer<Float>, time: Int)] = []
    /// The first ones of them have no pages.
    var givenBack = 0
  }

  private var free: [FreeList] = []
  private var bufferBytes = 0
  private var givenBackBytes = 0
  /// The bytes of large buffers that have pages, and of those in use.
  private var residentBytes = 0
  private var usedBytes = 0
  /// The most that has been used at once, with what was taken beside it.
  private var mostBytes = 0
  /// How many buffers have been released.
  private var time = 0
  private let scratch = ScratchStack()

  /// The number of bytes that the pool has allocated, in use or not.
  public var allocatedBytes: Int { bufferBytes + scratch.allocatedBytes }

  /// Those of them that may have pages of the system now.
  package var pageBytes: Int { allocatedBytes - givenBackBytes }

  /// The most that they have been.
  package private(set) var peakBytes = 0

  /// Whether the system gets pages back that are not needed; it takes time to clear others.
  package var givesPagesBack = false

  /// The bytes of what grows while buffers are released, as a gradient does: the pool makes room for it.
  package var besideBytes = 0 { didSet { makeRoom() } }

  /// Who helps with the work of the pool's thread; nil: nobody.
  let helpers: Helpers?

  /// The time that other threads have helped with the work of the pool's thread.
  public internal(set) var helped = Duration.zero

  /// A pool that holds nothing yet.
  public init(helpers: Helpers? = nil) { self.helpers = helpers }

  deinit {
    for list in free {
      for buffer in list.buffers { SystemMemory.deallocate(buffer.pointer) }
    }
  }

  /// A buffer for at least `count` scalars, aligned to 64 bytes, with unspecified contents.
  func buffer(count: Int) -> Buffer {
    let sizeClass = SizeClass(atLeast: count)
    let (index, bytes) = (sizeClass.index, sizeClass.bytes)
    if free.count <= index {
      free.append(contentsOf: repeatElement(FreeList(), count: index + 1 - free.count))
    }
    var isNew = false
    let pointer: UnsafeMutablePointer<Float>
    if let last = free[index].buffers.popLast() {
      pointer = last.pointer
      if free[index].buffers.count < free[index].givenBack {
        free[index].givenBack -= 1
        givenBackBytes -= bytes
        isNew = true
      }
    } else {
      pointer = SystemMemory.allocate(bytes: bytes).bindMemory(
        to: Float.self, capacity: sizeClass.capacity)
      bufferBytes += bytes
      isNew = true
    }
    if sizeClass.isLarge {
      usedBytes += bytes
      if isNew { residentBytes += bytes }
      makeRoom()
    }
    if isNew { peakBytes = max(peakBytes, pageBytes) }
    return Buffer(pointer, sizeClass, self)
  }

  /// Calls `body` with at least `count` scalars, aligned to 64 bytes, with unspecified contents,
  /// that are its own until it returns.
  func withScratch(count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
    scratch.withPiece(count: count) { piece in
      peakBytes = max(peakBytes, pageBytes)
      body(piece)
    }
  }

  fileprivate func takeBack(_ pointer: UnsafeMutablePointer<Float>, _ sizeClass: SizeClass) {
    time += 1
    free[sizeClass.index].buffers.append((pointer, time))
    if sizeClass.isLarge { usedBytes -= sizeClass.bytes }
  }

  /// Gives pages back where there are more than were ever needed at once.
  private func makeRoom() {
    guard givesPagesBack else { return }
    mostBytes = max(mostBytes, usedBytes + besideBytes)
    while residentBytes + besideBytes > mostBytes, let index = longestUnused() {
      let bytes = SizeClass.capacity(index: index) * MemoryLayout<Float>.stride
      SystemMemory.giveBack(free[index].buffers[free[index].givenBack].pointer, bytes: bytes)
      free[index].givenBack += 1
      givenBackBytes += bytes
      residentBytes -= bytes
    }
  }

  /// The size of the large buffer with pages that has not been used for the longest time; nil where
  /// there is none.
  private func longestUnused() -> Int? {
    var (found, oldest) = (nil as Int?, Int.max)
    for index in free.indices.dropFirst(SizeClass.firstLargeIndex) {
      let list = free[index]
      guard list.givenBack < list.buffers.count else { continue }
      if list.buffers[list.givenBack].time < oldest {
        (found, oldest) = (index, list.buffers[list.givenBack].time)
      }
    }
    return found
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
  /// The first size whose buffers give pages back: 1 MiB.
  static let firstLargeIndex = SizeClass(atLeast: 1 << 18).index

  let index: Int
  let capacity: Int
  var bytes: Int { capacity * MemoryLayout<Float>.stride }
  var isLarge: Bool { index >= Self.firstLargeIndex }

  init(atLeast count: Int) {
    let count = max(count, 128)
    let exponent = Int.bitWidth - 1 - (count - 1).leadingZeroBitCount  // of the power below count
    let step = 1 << (exponent - 3)
    let steps = (count - (1 << exponent) + step - 1) / step  // 1...8
    index = (exponent - 6) * 8 + steps - 1
    capacity = (1 << exponent) + steps * step
  }

  /// The capacity of the class of an index.
  static func capacity(index: Int) -> Int {
    let (exponent, steps) = (index / 8 + 6, index % 8 + 1)
    return (1 << exponent) + (steps << (exponent - 3))
  }
}
