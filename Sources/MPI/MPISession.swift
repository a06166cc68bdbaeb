// The life of the MPI library in this process.

internal import CMPI
import Glibc

/// The process's membership of an MPI job, from initialisation to finalisation.
///
/// A process has one session in its life. Without `mpirun` it is a job of one rank. All calls of
/// this module belong on the thread that made the session. A failing call throws; it does not end
/// the process (`MPI_ERRORS_RETURN`).
public final class MPISession {
  /// All ranks of the job.
  public let world: Communicator
  private var finalized = false

  /// Initialises the MPI library.
  ///
  /// - Throws: `MPIError.foreignLauncher` if the launcher belongs to another MPI library,
  ///   `MPIError.threadsUnsupported`, or `MPIError.call`.
  public init() throws(MPIError) {
    precondition(!Self.begun, "A process has one MPI session in its life.")
    var provided: CInt = 0
    // int MPI_Init_thread(int *argc, char ***argv, int required, int *provided)
    try checkStatus(
      "MPI_Init_thread", MPI_Init_thread(nil, nil, CMPI_THREAD_FUNNELED(), &provided))
    // int MPI_Comm_set_errhandler(MPI_Comm comm, MPI_Errhandler errhandler)
    try check("MPI_Comm_set_errhandler") {
      MPI_Comm_set_errhandler(CMPI_COMM_WORLD(), CMPI_ERRORS_RETURN())
    }
    world = try Communicator(adopting: CMPI_COMM_WORLD(), isOwned: false)
    guard provided >= CMPI_THREAD_FUNNELED() else {
      throw MPIError.threadsUnsupported(library: Self.shortLibraryVersion)
    }
    let launcher = Launcher.foreign(worldSize: world.size) { name in
      getenv(name).map { String(cString: $0) }
    }
    if let launcher {
      throw MPIError.foreignLauncher(
        variable: launcher.variable, processes: launcher.processes,
        library: Self.shortLibraryVersion)
    }
  }

  /// Leaves the job; collective over all ranks. Later calls do nothing.
  ///
  /// All durable work belongs before it: a rank that then exits with another code than 0 makes
  /// `mpirun` kill the others.
  ///
  /// - Throws: `MPIError.call`.
  public func finalize() throws(MPIError) {
    guard !finalized else { return }
    finalized = true
    // int MPI_Finalize(void)
    try check("MPI_Finalize") { MPI_Finalize() }
  }

  deinit {
    // A destructor cannot throw, and a process that leaves has nobody to tell.
    try? finalize()
  }

  /// Whether the library was initialised, in this session or an earlier one.
  static var begun: Bool {
    var flag: CInt = 0
    // int MPI_Initialized(int *flag)
    return MPI_Initialized(&flag) == CMPI_SUCCESS() && flag != 0
  }

  /// Whether the library was finalised: no call is allowed any more.
  static var isOver: Bool {
    var flag: CInt = 0
    // int MPI_Finalized(int *flag)
    return MPI_Finalized(&flag) == CMPI_SUCCESS() && flag != 0
  }

  /// The MPI library's description of itself, as in `Open MPI v4.1.4, package: …`.
  public static var libraryVersion: String {
    // int MPI_Get_library_version(char *version, int *resultlen)
    let version = text(capacity: CMPI_MAX_LIBRARY_VERSION_STRING()) {
      MPI_Get_library_version($0, $1)
    }
    // The library counts a closing zero byte in some versions, a line break in others.
    return String((version ?? "an unknown MPI library").prefix { $0 != "\0" && !$0.isNewline })
  }

  /// The library's description up to its first comma.
  public static var shortLibraryVersion: String { String(libraryVersion.prefix { $0 != "," }) }
}
