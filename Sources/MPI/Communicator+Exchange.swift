// Collective operations that go on while the caller computes.

internal import CMPI

extension Communicator {
  /// Begins to send each rank a part of a buffer and to receive a part from each.
  ///
  /// - Parameters:
  ///   - source: The buffer that is sent from.
  ///   - sent: For each rank, the elements of `source` that it gets.
  ///   - destination: The buffer that is received into; it must not overlap what is sent.
  ///   - received: For each rank, the elements of `destination` that it fills, as many as that rank
  ///     sends here.
  /// - Returns: The request to wait for, in the same order of requests on all ranks.
  /// - Throws: `MPIError.call`.
  public func beginAllToAll<Scalar: MPIScalar>(
    from source: UnsafeBufferPointer<Scalar>, parts sent: [Range<Int>],
    into destination: UnsafeMutableBufferPointer<Scalar>, parts received: [Range<Int>]
  ) throws(MPIError) -> Request {
    requireInside(sent, of: source.count)
    requireInside(received, of: destination.count)
    let table =
      sent.map { CInt($0.count) } + sent.map { CInt($0.lowerBound) }
      + received.map { CInt($0.count) } + received.map { CInt($0.lowerBound) }
    // int MPI_Ialltoallv(const void *sendbuf, const int sendcounts[], const int sdispls[],
    //                    MPI_Datatype sendtype, void *recvbuf, const int recvcounts[],
    //                    const int rdispls[], MPI_Datatype recvtype, MPI_Comm comm,
    //                    MPI_Request *request)
    return try Request("MPI_Ialltoallv", table: table) { table, request in
      MPI_Ialltoallv(
        source.baseAddress, table, table + size, Scalar.scalarKind.datatype,
        destination.baseAddress, table + 2 * size, table + 3 * size, Scalar.scalarKind.datatype,
        handle, request)
    }
  }

  /// Begins to complete a buffer of which each rank has its own part, as `allGather(inPlace:)`.
  ///
  /// - Parameters:
  ///   - buffer: The parts in rank order, without gaps. This rank's part is read, the others are
  ///     filled.
  ///   - counts: The lengths of the parts, the same on all ranks.
  /// - Returns: The request to wait for, in the same order of requests on all ranks.
  /// - Throws: `MPIError.call`.
  public func beginAllGather<Scalar: MPIScalar>(
    inPlace buffer: UnsafeMutableBufferPointer<Scalar>, counts: [Int]
  ) throws(MPIError) -> Request {
    let parts = requireParts(counts, of: buffer.count)
    requireInside(parts, of: buffer.count)
    let table = counts.map { CInt($0) } + parts.map { CInt($0.lowerBound) }
    // int MPI_Iallgatherv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
    //                     const int recvcounts[], const int displs[], MPI_Datatype recvtype,
    //                     MPI_Comm comm, MPI_Request *request)
    return try Request("MPI_Iallgatherv", table: table) { table, request in
      MPI_Iallgatherv(
        CMPI_IN_PLACE(), 0, Scalar.scalarKind.datatype, buffer.baseAddress, table, table + size,
        Scalar.scalarKind.datatype, handle, request)
    }
  }

  /// Traps unless there is one part a rank, inside a buffer that one call can carry.
  private func requireInside(_ parts: [Range<Int>], of count: Int) {
    precondition(parts.count == size, "There must be one part for each of the \(size) ranks.")
    precondition(
      count <= maximumCount,
      "An operation that goes on in the background carries at most \(maximumCount) elements.")
    precondition(
      parts.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= count },
      "The parts must lie inside the buffer.")
  }
}
