// An operation that goes on while the caller computes.

internal import CMPI

/// A collective operation that has begun and must be waited for.
///
/// Until then its buffers must stay where they are, what it fills must not be touched, and what it
/// sends must not be changed. MPI libraries make little progress by themselves: call `test` every
/// few milliseconds. A request that is dropped before it is complete traps.
public struct Request: ~Copyable {
  private var handle: MPI_Request?
  /// The counts and displacements, which the library may read until the operation is complete.
  private let table: UnsafeMutableBufferPointer<CInt>

  /// Begins an operation.
  ///
  /// - Parameters:
  ///   - function: The name of the MPI function.
  ///   - table: The arrays that the call refers to, one behind the other.
  ///   - call: Makes the call with the table and the place of the handle.
  /// - Throws: `MPIError.call`.
  init(
    _ function: StaticString, table values: [CInt],
    _ call: (UnsafePointer<CInt>, UnsafeMutablePointer<MPI_Request?>) -> CInt
  ) throws(MPIError) {
    let table = UnsafeMutableBufferPointer<CInt>.allocate(capacity: max(values.count, 1))
    _ = table.initialize(from: values)
    var handle: MPI_Request? = CMPI_REQUEST_NULL()
    do {
      try check(function) { call(UnsafePointer(table.baseAddress!), &handle) }
    } catch {
      table.deallocate()
      throw error
    }
    self.handle = handle
    self.table = table
  }

  /// Lets the library work on this and every other operation; not collective.
  ///
  /// - Returns: Whether the operation is complete, so that `wait` returns at once.
  /// - Throws: `MPIError.call`.
  public mutating func test() throws(MPIError) -> Bool {
    var flag: CInt = 0
    var current = handle
    // int MPI_Test(MPI_Request *request, int *flag, MPI_Status *status)
    try check("MPI_Test", waits: false) { MPI_Test(&current, &flag, CMPI_STATUS_IGNORE()) }
    handle = current
    return flag != 0
  }

  /// Returns when the operation is complete; not collective.
  ///
  /// - Throws: `MPIError.call`.
  public consuming func wait() throws(MPIError) {
    var current = handle
    // Whatever comes, this request has been waited for.
    handle = CMPI_REQUEST_NULL()
    // int MPI_Wait(MPI_Request *request, MPI_Status *status)
    try check("MPI_Wait") { MPI_Wait(&current, CMPI_STATUS_IGNORE()) }
  }

  deinit {
    precondition(
      handle == CMPI_REQUEST_NULL(), "A request was dropped before it was waited for.")
    table.deallocate()
  }
}
