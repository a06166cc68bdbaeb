// Messages between two ranks.

internal import CMPI

extension Communicator {
  /// Sends numbers to another rank, which receives as many; not collective.
  ///
  /// - Parameters:
  ///   - buffer: The numbers.
  ///   - destination: The receiving rank, another one than this.
  ///   - tag: Tells messages apart, 0 … 32767.
  /// - Throws: `MPIError.call`.
  public func send<Scalar: MPIScalar>(
    _ buffer: UnsafeBufferPointer<Scalar>, to destination: Int, tag: Int = 0
  ) throws(MPIError) {
    requireRank(destination)
    for piece in pieces(of: buffer.count) {
      let address = buffer.baseAddress! + piece.lowerBound
      // int MPI_Send(const void *buf, int count, MPI_Datatype datatype, int dest, int tag,
      //              MPI_Comm comm)
      try check("MPI_Send") {
        MPI_Send(
          address, CInt(piece.count), Scalar.scalarKind.datatype, CInt(destination), CInt(tag),
          handle)
      }
    }
  }

  /// Receives numbers from another rank, which sends as many; not collective.
  ///
  /// - Parameters:
  ///   - buffer: Filled with the numbers.
  ///   - source: The sending rank, another one than this.
  ///   - tag: The tag of the message, 0 … 32767.
  /// - Throws: `MPIError.call`.
  public func receive<Scalar: MPIScalar>(
    into buffer: UnsafeMutableBufferPointer<Scalar>, from source: Int, tag: Int = 0
  ) throws(MPIError) {
    requireRank(source)
    for piece in pieces(of: buffer.count) {
      let address = buffer.baseAddress! + piece.lowerBound
      // int MPI_Recv(void *buf, int count, MPI_Datatype datatype, int source, int tag,
      //              MPI_Comm comm, MPI_Status *status)
      try check("MPI_Recv") {
        MPI_Recv(
          address, CInt(piece.count), Scalar.scalarKind.datatype, CInt(source), CInt(tag), handle,
          CMPI_STATUS_IGNORE())
      }
    }
  }
}
