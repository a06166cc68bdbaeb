// Large pieces of memory, and pages of them that nobody needs for a while.

import Foundation

/// Memory of the system whose contents are unspecified.
enum SystemMemory {
  /// Memory aligned to 64 bytes; a large piece asks for huge pages, which the system finds faster.
  static func allocate(bytes: Int) -> UnsafeMutableRawPointer {
    guard bytes >= 2 * hugePage else { return .allocate(byteCount: bytes, alignment: 64) }
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: hugePage)
    // int madvise(void *addr, size_t length, int advice)
    _ = madvise(memory, bytes / hugePage * hugePage, MADV_HUGEPAGE)
    return memory
  }

  /// Gives the whole pages within some memory back to the system, which gives others, of zeros, as soon
  /// as they are touched. Nothing happens where the system refuses.
  static func giveBack(_ start: UnsafeMutableRawPointer, bytes: Int) {
    let begin = start.alignedUp(toMultipleOf: page)
    let end = (start + bytes).alignedDown(toMultipleOf: page)
    guard begin < end else { return }
    _ = madvise(begin, end - begin, MADV_DONTNEED)
  }

  /// long sysconf(int name)
  private static let page = sysconf(Int32(_SC_PAGESIZE))

  /// The usual size of a huge page, 2 MiB.
  private static let hugePage = 2 << 20
}
