// Parts of the ranks put together in rank order, and taken apart again.

internal import CMPI

extension Communicator {
  /// Collects one number of each rank; all get them.
  ///
  /// - Parameter value: This rank's number.
  /// - Returns: The numbers in rank order.
  /// - Throws: `MPIError.call`.
  public func allGather<Scalar: MPIScalar>(_ value: Scalar) throws(MPIError) -> [Scalar] {
    var result = [Scalar](repeating: .zero, count: size)
    result[rank] = value
    try result.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
      try allGather(inPlace: buffer, counts: Array(repeating: 1, count: size))
    }
    return result
  }

  /// Collects an array of each rank, of any lengths; all get them.
  ///
  /// - Parameter values: This rank's numbers.
  /// - Returns: The arrays in rank order.
  /// - Throws: `MPIError.call`.
  public func allGather<Scalar: MPIScalar>(_ values: [Scalar]) throws(MPIError) -> [[Scalar]] {
    let counts = try allGather(values.count)
    let parts = Self.consecutive(counts)
    var result = [Scalar](repeating: .zero, count: parts.last!.upperBound)
    result.replaceSubrange(parts[rank], with: values)
    try result.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
      try allGather(inPlace: buffer, counts: counts)
    }
    return parts.map { Array(result[$0]) }
  }

  /// Completes a buffer of which each rank has its own part; all get the whole.
  ///
  /// - Parameters:
  ///   - buffer: The parts in rank order, without gaps. This rank's part is read, the others are
  ///     filled.
  ///   - counts: The lengths of the parts, the same on all ranks.
  /// - Throws: `MPIError.call`.
  public func allGather<Scalar: MPIScalar>(
    inPlace buffer: UnsafeMutableBufferPointer<Scalar>, counts: [Int]
  ) throws(MPIError) {
    let parts = requireParts(counts, of: buffer.count)
    guard buffer.count > 0 else { return }
    guard buffer.count <= maximumCount else {
      // Displacements are `int` too: the long way, one owner after the other.
      for (owner, part) in parts.enumerated() {
        try broadcast(UnsafeMutableBufferPointer(rebasing: buffer[part]), from: owner)
      }
      return
    }
    let lengths = counts.map { CInt($0) }
    let displacements = parts.map { CInt($0.lowerBound) }
    // int MPI_Allgatherv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
    //                    const int recvcounts[], const int displs[], MPI_Datatype recvtype,
    //                    MPI_Comm comm)
    try check("MPI_Allgatherv") {
      MPI_Allgatherv(
        CMPI_IN_PLACE(), 0, Scalar.scalarKind.datatype, buffer.baseAddress, lengths,
        displacements, Scalar.scalarKind.datatype, handle)
    }
  }

  /// Collects a part of each rank on one rank.
  ///
  /// - Parameters:
  ///   - part: This rank's numbers, as many as its entry of `counts`.
  ///   - buffer: On the root, filled with the parts in rank order; ignored elsewhere. It must not
  ///     overlap `part`.
  ///   - counts: The lengths of the parts, the same on all ranks.
  ///   - root: The rank that gets the whole.
  /// - Throws: `MPIError.call`.
  public func gather<Scalar: MPIScalar>(
    _ part: UnsafeBufferPointer<Scalar>, into buffer: UnsafeMutableBufferPointer<Scalar>,
    counts: [Int], root: Int
  ) throws(MPIError) {
    requireRank(root)
    let total = counts.reduce(0, +)
    let parts = requireParts(counts, of: rank == root ? buffer.count : total)
    precondition(part.count == counts[rank], "A rank's part must have the length it announced.")
    guard total > 0 else { return }
    guard total <= maximumCount else {
      guard rank == root else { return try send(part, to: root) }
      for (source, range) in parts.enumerated() {
        let place = UnsafeMutableBufferPointer(rebasing: buffer[range])
        if source == root {
          _ = place.update(from: part)
        } else {
          try receive(into: place, from: source)
        }
      }
      return
    }
    let lengths = counts.map { CInt($0) }
    let displacements = parts.map { CInt($0.lowerBound) }
    // int MPI_Gatherv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
    //                 const int recvcounts[], const int displs[], MPI_Datatype recvtype, int root,
    //                 MPI_Comm comm)
    try check("MPI_Gatherv") {
      MPI_Gatherv(
        part.baseAddress, CInt(part.count), Scalar.scalarKind.datatype,
        rank == root ? buffer.baseAddress : nil, lengths, displacements,
        Scalar.scalarKind.datatype, CInt(root), handle)
    }
  }

  /// Hands each rank its part of one rank's buffer.
  ///
  /// - Parameters:
  ///   - buffer: On the root, the parts in rank order; ignored elsewhere. It must not overlap
  ///     `part`.
  ///   - part: Filled with this rank's numbers, as many as its entry of `counts`.
  ///   - counts: The lengths of the parts, the same on all ranks.
  ///   - root: The rank that has the whole.
  /// - Throws: `MPIError.call`.
  public func scatter<Scalar: MPIScalar>(
    _ buffer: UnsafeBufferPointer<Scalar>, into part: UnsafeMutableBufferPointer<Scalar>,
    counts: [Int], root: Int
  ) throws(MPIError) {
    requireRank(root)
    let total = counts.reduce(0, +)
    let parts = requireParts(counts, of: rank == root ? buffer.count : total)
    precondition(part.count == counts[rank], "A rank's part must have the length it announced.")
    guard total > 0 else { return }
    guard total <= maximumCount else {
      guard rank == root else { return try receive(into: part, from: root) }
      for (destination, range) in parts.enumerated() {
        let piece = UnsafeBufferPointer(rebasing: buffer[range])
        if destination == root {
          _ = part.update(from: piece)
        } else {
          try send(piece, to: destination)
        }
      }
      return
    }
    let lengths = counts.map { CInt($0) }
    let displacements = parts.map { CInt($0.lowerBound) }
    // int MPI_Scatterv(const void *sendbuf, const int sendcounts[], const int displs[],
    //                  MPI_Datatype sendtype, void *recvbuf, int recvcount, MPI_Datatype recvtype,
    //                  int root, MPI_Comm comm)
    try check("MPI_Scatterv") {
      MPI_Scatterv(
        rank == root ? buffer.baseAddress : nil, lengths, displacements,
        Scalar.scalarKind.datatype, part.baseAddress, CInt(part.count),
        Scalar.scalarKind.datatype, CInt(root), handle)
    }
  }

  /// The ranges of parts that follow each other without gaps.
  static func consecutive(_ counts: [Int]) -> [Range<Int>] {
    var end = 0
    return counts.map { count in
      defer { end += count }
      return end..<(end + count)
    }
  }

  /// The ranges of the ranks' parts; traps unless there is one a rank and they fill the buffer.
  func requireParts(_ counts: [Int], of total: Int) -> [Range<Int>] {
    precondition(counts.count == size, "There must be one part for each of the \(size) ranks.")
    precondition(counts.allSatisfy { $0 >= 0 }, "The length of a part must not be negative.")
    let parts = Self.consecutive(counts)
    precondition(parts.last!.upperBound == total, "The parts must fill the buffer.")
    return parts
  }
}
