// The one gate through which every call of the HDF5 library passes, one thread at a time.

import CHDF5
import Glibc

/// Runs one call of the library and turns a negative result into an error with the reason.
///
/// - Parameters:
///   - doing: What the call is for, as it follows "cannot": `open the file`.
///   - place: The file and the object that the call is about.
///   - body: The call.
/// - Returns: What the call returned: an identifier, a count, or a status.
@discardableResult
func call<Result: BinaryInteger>(
  _ doing: @autoclosure () -> String, _ place: Place, _ body: () -> Result
) throws(HDF5Error) -> Result {
  Library.start
  let (result, reason) = alone { () -> (Result, String?) in
    // Error stacks are per thread in a thread-safe library, and so is the switch that prints them.
    // herr_t H5Eset_auto2(hid_t estack_id, H5E_auto2_t func, void *client_data)
    H5Eset_auto2(0, nil, nil)
    let result = body()
    return (result, result >= 0 ? nil : Library.innermostReason())
  }
  if let reason { throw .library(place: place, doing: doing(), reason: reason) }
  return result
}

/// Runs a call of the library while no other thread is in it: not every build of it is thread-safe.
///
/// For calls that cannot fail; others go through `call`.
func alone<Result>(_ body: () -> Result) -> Result {
  pthread_mutex_lock(Library.mutex)
  defer { pthread_mutex_unlock(Library.mutex) }
  return body()
}

/// The state of the library that is shared by the whole process.
enum Library {
  /// Held by the thread that is in the library, which may call back into this module.
  nonisolated(unsafe) fileprivate static let mutex: UnsafeMutablePointer<pthread_mutex_t> = {
    var attributes = pthread_mutexattr_t()
    let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    let status =
      pthread_mutexattr_init(&attributes)
      | pthread_mutexattr_settype(&attributes, Int32(PTHREAD_MUTEX_RECURSIVE))
      | pthread_mutex_init(mutex, &attributes)
    precondition(status == 0, "A lock cannot be made.")
    return mutex
  }()

  /// Sets the library up on first use.
  ///
  /// The library's exit handler crashes after a full disk, so that it must not be installed, and
  /// files must not be able to load plug-ins.
  static let start: Void = {
    // herr_t H5dont_atexit(void): must come before every other call.
    let exitless = H5dont_atexit()
    // herr_t H5open(void)
    let opened = H5open()
    // herr_t H5PLset_loading_state(unsigned int plugin_control_mask)
    let plugins = H5PLset_loading_state(0)
    precondition(
      exitless >= 0 && opened >= 0 && plugins >= 0, "The HDF5 library cannot be initialised.")
  }()

  /// The innermost entry of this thread's error stack, in one line.
  fileprivate static func innermostReason() -> String {
    var reason = ""
    let status = withUnsafeMutablePointer(to: &reason) { pointer in
      // herr_t H5Ewalk2(hid_t err_stack, H5E_direction_t direction, H5E_walk2_t func, void *data)
      // H5E_WALK_UPWARD begins with the most specific error; 0 stands for H5E_DEFAULT.
      H5Ewalk2(0, H5E_WALK_UPWARD, takeFirst, pointer)
    }
    if status < 0 || reason.isEmpty { reason = "the HDF5 library gives no reason" }
    // The library puts line ends (after a date) into some of its messages.
    reason = reason.split(whereSeparator: \.isNewline).joined(separator: " ")
    if reason.contains("unable to lock file") {
      reason += "; on a file system without locks set HDF5_USE_FILE_LOCKING=FALSE"
    }
    return reason
  }

  private static let takeFirst: H5E_walk2_t = { depth, entry, data in
    guard depth == 0, let entry = entry?.pointee, let data else { return 0 }
    var reason = entry.desc.map { String(cString: $0) } ?? ""
    var kind = H5E_MAJOR
    var message = [CChar](repeating: 0, count: 128)
    // ssize_t H5Eget_msg(hid_t msg_id, H5E_type_t *type, char *msg, size_t size)
    if H5Eget_msg(entry.min_num, &kind, &message, message.count) > 0 {
      let minor = message.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
      reason += reason.isEmpty ? minor : " (\(minor))"
    }
    data.assumingMemoryBound(to: String.self).pointee = reason
    return 0
  }
}
