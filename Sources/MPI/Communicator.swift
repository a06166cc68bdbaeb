// A group of ranks that talk to each other.

internal import CMPI

/// A group of ranks and the collective operations over it.
///
/// Every operation is collective unless it says otherwise: all ranks call it, in the same order,
/// with matching arguments. It is not `Sendable`: it stays on the session's thread.
public final class Communicator {
  let handle: MPI_Comm
  private let isOwned: Bool
  /// This process's number, 0 ..< `size`.
  public let rank: Int
  /// The number of ranks.
  public let size: Int
  /// The largest number of elements that one call of the library carries.
  ///
  /// MPI counts in `int`; longer messages are cut. A smaller value lets tests see the cuts. The
  /// same on all ranks.
  public var maximumCount = Int(CInt.max) {
    willSet {
      precondition(
        1...Int(CInt.max) ~= newValue, "The largest count must lie in 1 ... 2147483647.")
    }
  }

  /// Takes over a handle.
  ///
  /// - Parameters:
  ///   - handle: A valid communicator.
  ///   - isOwned: Whether it is freed with this object.
  /// - Throws: `MPIError.call`.
  init(adopting handle: MPI_Comm, isOwned: Bool) throws(MPIError) {
    var rank: CInt = 0
    var size: CInt = 0
    // int MPI_Comm_rank(MPI_Comm comm, int *rank)
    try check("MPI_Comm_rank") { MPI_Comm_rank(handle, &rank) }
    // int MPI_Comm_size(MPI_Comm comm, int *size)
    try check("MPI_Comm_size") { MPI_Comm_size(handle, &size) }
    self.handle = handle
    self.isOwned = isOwned
    self.rank = Int(rank)
    self.size = Int(size)
  }

  deinit {
    guard isOwned, !MPISession.isOver else { return }
    var handle: MPI_Comm? = handle
    // int MPI_Comm_free(MPI_Comm *comm)
    // A destructor cannot throw, and the handle is gone either way.
    try? check("MPI_Comm_free") { MPI_Comm_free(&handle) }
  }

  /// The ranks of this group that share a node's memory with the caller, in the same order.
  ///
  /// - Returns: A new communicator, whose `rank` and `size` are the local ones.
  /// - Throws: `MPIError.call`.
  public func splitByNode() throws(MPIError) -> Communicator {
    var local: MPI_Comm?
    // int MPI_Comm_split_type(MPI_Comm comm, int split_type, int key, MPI_Info info,
    //                         MPI_Comm *newcomm)
    try check("MPI_Comm_split_type") {
      MPI_Comm_split_type(handle, CMPI_COMM_TYPE_SHARED(), CInt(rank), CMPI_INFO_NULL(), &local)
    }
    return try Communicator(adopting: local!, isOwned: true)
  }

  /// The ranks of this group that give the same color.
  ///
  /// - Parameters:
  ///   - color: Any number of 0 or more.
  ///   - key: Ranks are numbered anew by their keys; nil: in the order that they have.
  /// - Returns: A new communicator.
  /// - Throws: `MPIError.call`.
  public func split(color: Int, key: Int? = nil) throws(MPIError) -> Communicator {
    var part: MPI_Comm?
    // int MPI_Comm_split(MPI_Comm comm, int color, int key, MPI_Comm *newcomm)
    try check("MPI_Comm_split") { MPI_Comm_split(handle, CInt(color), CInt(key ?? rank), &part) }
    return try Communicator(adopting: part!, isOwned: true)
  }

  /// Waits until all ranks are here.
  ///
  /// - Throws: `MPIError.call`.
  public func barrier() throws(MPIError) {
    // int MPI_Barrier(MPI_Comm comm)
    try check("MPI_Barrier") { MPI_Barrier(handle) }
  }

  /// Ends all ranks at once; not collective.
  ///
  /// For a fault that one rank alone has met, when its message is written and flushed. Where all
  /// ranks come by, `agree` ends the job in order.
  ///
  /// - Parameter code: The exit code of the job, 1 … 255.
  public func abort(code: Int32) -> Never {
    // int MPI_Abort(MPI_Comm comm, int errorcode)
    let status = MPI_Abort(handle, code)
    fatalError("MPI_Abort returned with status \(status).")
  }

  /// Cuts a count of elements in pieces that one call carries.
  func pieces(of count: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: maximumCount).map { $0..<min($0 + maximumCount, count) }
  }

  /// Traps unless a number is a rank of this group.
  func requireRank(_ rank: Int) {
    precondition(0..<size ~= rank, "Rank \(rank) is not in a group of \(size) ranks.")
  }
}
