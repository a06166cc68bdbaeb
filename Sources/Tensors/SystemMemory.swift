// Large pieces of memory, and pages of them that nobody needs for a while.

import Foundation

/// Memory of the system.
package enum SystemMemory {
  /// Memory aligned to 64 bytes with unspecified contents; a large piece asks for huge pages, which the
  /// system finds faster. Where the system has not got it, the process ends with a line and exit code 71.
  static func allocate(bytes: Int) -> UnsafeMutableRawPointer {
    let isLarge = bytes >= 2 * hugePage
    var memory: UnsafeMutableRawPointer?
    // int posix_memalign(void **memptr, size_t alignment, size_t size)
    guard posix_memalign(&memory, isLarge ? hugePage : 64, max(bytes, 1)) == 0, let memory else {
      endWithout(bytes)
    }
    // int madvise(void *addr, size_t length, int advice)
    if isLarge { _ = madvise(memory, bytes / hugePage * hugePage, MADV_HUGEPAGE) }
    return memory
  }

  /// Such memory of zeros. Those of a large piece come from the system, page by page as they are touched,
  /// by whichever thread touches them.
  static func allocateZeros(bytes: Int) -> UnsafeMutableRawPointer {
    let memory = allocate(bytes: bytes)
    // Whole huge pages: of smaller parts of one, some systems give nothing back.
    let whole = bytes / hugePage * hugePage
    let given = bytes >= 2 * hugePage && giveBack(memory, bytes: whole) ? whole : 0
    (memory + given).initializeMemory(as: UInt8.self, repeating: 0, count: bytes - given)
    return memory
  }

  /// Returns memory of `allocate` or `allocateZeros`.
  static func deallocate(_ memory: UnsafeMutableRawPointer) {
    free(memory)  // void free(void *ptr)
  }

  /// Kernels allocate in the middle of a step, on any thread: there is nobody to hand an error to. A
  /// launcher ends the other ranks.
  private static func endWithout(_ bytes: Int) -> Never {
    let line =
      "error: The system has no more memory for this process, which needs \((bytes + 999_999) / 1_000_000) "
      + "MB more; allow it more (ulimit -v, the memory of the job), take a smaller batch or more ranks, or "
      + "set memory=less. What has been saved is kept.\n"
    // ssize_t write(int fd, const void *buf, size_t count)
    _ = line.utf8.withContiguousStorageIfAvailable {
      write(STDERR_FILENO, $0.baseAddress, $0.count)
    }
    _exit(missingExitCode)  // void _exit(int status)
  }

  /// The exit code of a process whose memory is missing (EX_OSERR).
  package static let missingExitCode: Int32 = 71

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
