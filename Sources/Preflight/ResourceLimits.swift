// What the system allows a process.

import Glibc

/// The limits of a process that a run can meet (`getrlimit(2)`); nil where there is none.
package struct ResourceLimits: Codable, Equatable, Sendable {
  /// The bytes of a file.
  package var fileBytes: Int?
  /// The files and connections that are open at a time.
  package var openFiles: Int?
  /// The bytes of the first thread's stack.
  package var stackBytes: Int?
  /// The bytes of addresses.
  package var addressBytes: Int?

  /// No limits.
  package init() {}

  /// Those of this process.
  package static var current: ResourceLimits {
    func limit(_ resource: __rlimit_resource) -> Int? {
      var limit = rlimit()
      // int getrlimit(int resource, struct rlimit *rlim)
      guard getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0 else { return nil }
      // RLIM_INFINITY is the largest number.
      return limit.rlim_cur == rlim_t.max ? nil : Int(clamping: limit.rlim_cur)
    }
    var limits = ResourceLimits()
    limits.fileBytes = limit(RLIMIT_FSIZE)
    limits.openFiles = limit(RLIMIT_NOFILE)
    limits.stackBytes = limit(RLIMIT_STACK)
    limits.addressBytes = limit(RLIMIT_AS)
    return limits
  }
}
