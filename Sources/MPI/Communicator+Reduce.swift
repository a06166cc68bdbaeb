// Numbers of all ranks combined into one.

internal import CMPI

/// How numbers of several ranks become one.
public enum Reduction: Sendable {
  /// Their sum, in an order that the MPI library chooses.
  case sum
  /// The smallest.
  case minimum
  /// The largest.
  case maximum

  /// MPI's name of the operation.
  var operation: MPI_Op {
    switch self {
    case .sum: CMPI_SUM()
    case .minimum: CMPI_MIN()
    case .maximum: CMPI_MAX()
    }
  }
}

extension Communicator {
  /// Combines the ranks' numbers element by element; all get the result, in place.
  ///
  /// The order of a sum, and with it the last bits, depends on the library and the rank count.
  ///
  /// - Parameters:
  ///   - buffer: This rank's numbers, then the result; equally long on all ranks.
  ///   - reduction: How numbers are combined.
  /// - Throws: `MPIError.call`.
  public func allReduce<Scalar: MPIScalar>(
    _ buffer: UnsafeMutableBufferPointer<Scalar>, _ reduction: Reduction
  ) throws(MPIError) {
    for piece in pieces(of: buffer.count) {
      let address = buffer.baseAddress! + piece.lowerBound
      // int MPI_Allreduce(const void *sendbuf, void *recvbuf, int count, MPI_Datatype datatype,
      //                   MPI_Op op, MPI_Comm comm)
      try check("MPI_Allreduce") {
        MPI_Allreduce(
          CMPI_IN_PLACE(), address, CInt(piece.count), Scalar.scalarKind.datatype,
          reduction.operation, handle)
      }
    }
  }

  /// Combines the ranks' numbers.
  ///
  /// - Parameters:
  ///   - value: This rank's number.
  ///   - reduction: How numbers are combined.
  /// - Returns: The result, the same on all ranks.
  /// - Throws: `MPIError.call`.
  public func allReduce<Scalar: MPIScalar>(
    _ value: Scalar, _ reduction: Reduction
  ) throws(MPIError) -> Scalar {
    var result = value
    try withUnsafeMutablePointer(to: &result) { (pointer) throws(MPIError) in
      try allReduce(UnsafeMutableBufferPointer(start: pointer, count: 1), reduction)
    }
    return result
  }
}
