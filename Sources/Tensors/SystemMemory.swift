// Large pieces of memory, and pages of them that nobody needs for a while.

import Foundation

/// Memory of the system.
enum SystemMemory {
  /// Memory aligned to 64 bytes with unspecified contents; a large piece asks for huge pages, which the
  /// system finds faster.
  static func allocate(bytes: Int) -> UnsafeMutableRawPointer {
    guard bytes >= 2 * hugePage else { return .allocate(byteCount: bytes, alignment: 64) }
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: hugePage)
    // int madvise(void *addr, size_t length, int advice)
    _ = madvise(memory, bytes / hugePage * hugePage, MADV_HUGEPAGE)
    return memory
  }

  /// Such memory of zeros. Those of a large piece come from the system, page by page as they are touched,
  /// by whichever thread touches them.
  static func allocateZeros(bytes: Int) -> UnsafeMutableRawPointer {
    let memory = allocate(bytes: bytes)
    let given = bytes >= 2 * hugePage && giveBack(memory, bytes: bytes) ? bytes / page * page : 0
    (memory + given).initializeMemory(as: UInt8.self, repeating: 0, count: bytes - given)
    return memory
  }

  /// Gives the whole pages within some memory back to the system, which gives others, of zeros, as soon
  /// as they are touched.
  ///
  /// - Returns: Whether it did: nothing happens where the system refuses.
  @discardableResult
  static func giveBack(_ start: UnsafeMutableRawPointer, bytes: Int) -> Bool {
    let begin = start.alignedUp(toMultipleOf: page)
    let end = (start + bytes).alignedDown(toMultipleOf: page)
    guard begin < end else { return false }
    return madvise(begin, end - begin, MADV_DONTNEED) == 0
  }

  /// long sysconf(int name)
  private static let page = sysconf(Int32(_SC_PAGESIZE))

  /// The usual size of a huge page, 2 MiB.
  private static let hugePage = 2 << 20
}
