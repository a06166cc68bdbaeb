// One rank's numbers for all.

internal import CMPI

extension Communicator {
  /// Gives all ranks the numbers of one, in place.
  ///
  /// - Parameters:
  ///   - buffer: Read on the root, filled elsewhere; equally long on all ranks.
  ///   - root: The rank that has the numbers.
  /// - Throws: `MPIError.call`.
  public func broadcast<Scalar: MPIScalar>(
    _ buffer: UnsafeMutableBufferPointer<Scalar>, from root: Int
  ) throws(MPIError) {
    requireRank(root)
    for piece in pieces(of: buffer.count) {
      let address = buffer.baseAddress! + piece.lowerBound
      // int MPI_Bcast(void *buffer, int count, MPI_Datatype datatype, int root, MPI_Comm comm)
      try check("MPI_Bcast") {
        MPI_Bcast(
          address, CInt(piece.count), Scalar.scalarKind.datatype, CInt(root), handle)
      }
    }
  }

  /// Gives all ranks the array of one, whose length only that one needs to know.
  ///
  /// - Parameters:
  ///   - values: The numbers on the root; ignored elsewhere.
  ///   - root: The rank that has the numbers.
  /// - Returns: The root's numbers.
  /// - Throws: `MPIError.call`.
  public func broadcast<Scalar: MPIScalar>(
    _ values: [Scalar], from root: Int
  ) throws(MPIError) -> [Scalar] {
    var count = values.count
    try withUnsafeMutablePointer(to: &count) { (pointer) throws(MPIError) in
      try broadcast(UnsafeMutableBufferPointer(start: pointer, count: 1), from: root)
    }
    var result = rank == root ? values : [Scalar](repeating: .zero, count: count)
    try result.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
      try broadcast(buffer, from: root)
    }
    return result
  }

  /// Gives all ranks the text of one.
  ///
  /// - Parameters:
  ///   - text: The text on the root; ignored elsewhere.
  ///   - root: The rank that has the text.
  /// - Returns: The root's text.
  /// - Throws: `MPIError.call`.
  public func broadcast(_ text: String, from root: Int) throws(MPIError) -> String {
    String(decoding: try broadcast(Array(text.utf8), from: root), as: UTF8.self)
  }
}
