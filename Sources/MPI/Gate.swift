// The gate that every call of the MPI library passes.

internal import CMPI

/// Runs one call of the MPI library and turns any status but success into an error.
///
/// The session asks for `MPI_THREAD_FUNNELED`, so only the thread that began it may call.
///
/// - Parameters:
///   - function: The name of the MPI function.
///   - waits: Whether it may wait for other ranks.
///   - call: Makes the call and returns its status.
/// - Throws: `MPIError.call` with the library's message.
@inline(__always)
func check(
  _ function: StaticString, waits: Bool = true, _ call: () -> CInt
) throws(MPIError) {
  var onMainThread: CInt = 0
  // int MPI_Is_thread_main(int *flag)
  let status = MPI_Is_thread_main(&onMainThread)
  precondition(
    status == CMPI_SUCCESS() && onMainThread != 0,
    "MPI may be called only on the thread that began the session.")
  try checkStatus(function, waits ? MPIActivity.during(function, call) : call())
}

/// Turns any status but success into an error.
///
/// - Parameters:
///   - function: The name of the MPI function.
///   - code: The status that it returned.
/// - Throws: `MPIError.call` with the library's message.
func checkStatus(_ function: StaticString, _ code: CInt) throws(MPIError) {
  guard code != CMPI_SUCCESS() else { return }
  // int MPI_Error_string(int errorcode, char *string, int *resultlen)
  let message = text(capacity: CMPI_MAX_ERROR_STRING()) { MPI_Error_string(code, $0, $1) }
  throw MPIError.call(function: "\(function)", code: Int(code), message: message ?? "no message")
}

/// The text that an MPI function writes into a buffer of a given capacity.
///
/// - Parameters:
///   - capacity: The largest number of bytes that the function writes.
///   - call: Makes the call with the buffer and the place of the length, and returns its status.
/// - Returns: The text, or `nil` if the call failed.
func text(
  capacity: CInt, _ call: (UnsafeMutablePointer<CChar>, UnsafeMutablePointer<CInt>) -> CInt
) -> String? {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(capacity) + 1) { buffer in
    buffer.initialize(repeating: 0)
    var length: CInt = 0
    guard call(buffer.baseAddress!, &length) == CMPI_SUCCESS() else { return nil }
    return String(decoding: UnsafeRawBufferPointer(buffer).prefix(Int(length)), as: UTF8.self)
  }
}
