// Scratch memory that stays in the cache.

/// Memory for what a kernel needs only while it runs, piece upon piece.
///
/// Pieces are released in reverse order, and whoever asks next gets the same memory, whatever the
/// size: it is still in the cache, where a buffer of just the right size might not be.
final class ScratchStack {
  /// The scalars of a block: enough for most kernels.
  private static let blockCount = 1 << 20

  private var blocks: [UnsafeMutableBufferPointer<Float>] = []
  /// The block that pieces are taken from, and how much of it is taken.
  private var top = (block: 0, count: 0)

  /// The number of bytes that the stack holds from the system, in use or not.
  var allocatedBytes: Int { blocks.reduce(0) { $0 + $1.count * MemoryLayout<Float>.stride } }

  deinit {
    for block in blocks { SystemMemory.deallocate(block.baseAddress!) }
  }

  /// Calls `body` with a piece of at least `count` scalars, aligned to 64 bytes, with unspecified
  /// contents.
  func withPiece(count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
    let before = top
    defer { top = before }
    let count = (count + 15) & ~15
    if top.count > 0, blocks[top.block].count - top.count < count { top = (top.block + 1, 0) }
    if top.block == blocks.count {
      blocks.append(Self.block(atLeast: count))
    } else if blocks[top.block].count - top.count < count {
      // Nobody uses it: a larger one takes its place.
      SystemMemory.deallocate(blocks[top.block].baseAddress!)
      blocks[top.block] = Self.block(atLeast: count)
    }
    let piece = blocks[top.block].baseAddress! + top.count
    top.count += count
    body(piece)
  }

  private static func block(atLeast count: Int) -> UnsafeMutableBufferPointer<Float> {
    let count = max(count, blockCount)
    let memory = SystemMemory.allocate(bytes: count * MemoryLayout<Float>.stride)
    return UnsafeMutableBufferPointer(
      start: memory.bindMemory(to: Float.self, capacity: count), count: count)
  }
}
