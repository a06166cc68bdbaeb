// What the session's thread is doing in the library, for whoever watches it from another thread.

import Synchronization

/// In which function of MPI the process is, and how many it has been in.
///
/// A process that waits in one for long does so for another one. `MPI_Test` does not count: it waits
/// for nobody.
public enum MPIActivity {
  /// The address of the function's name, which lives as long as the program; 0: none.
  private static let name = Atomic<UInt>(0)
  private static let calls = Atomic<Int>(0)

  /// The function that the process is in; nil: none, it works for itself.
  public static var function: String? {
    UnsafePointer<UInt8>(bitPattern: name.load(ordering: .relaxed)).map { String(cString: $0) }
  }

  /// How many functions have begun.
  public static var count: Int { calls.load(ordering: .relaxed) }

  /// Takes notice of a function for as long as a call of it takes.
  @inline(__always)
  static func during<Result>(_ function: StaticString, _ call: () -> Result) -> Result {
    // One thread writes.
    calls.store(calls.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    name.store(UInt(bitPattern: function.utf8Start), ordering: .relaxed)
    defer { name.store(0, ordering: .relaxed) }
    return call()
  }
}
