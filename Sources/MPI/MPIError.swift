// The one error type of this module.

/// What can go wrong between this process and the MPI library: a fault of the world, not of ours.
public enum MPIError: Error, Equatable {
  /// A call returned another status than success.
  ///
  /// - Parameters:
  ///   - function: The MPI function.
  ///   - code: The status that it returned.
  ///   - message: The library's own words for the status.
  case call(function: String, code: Int, message: String)
  /// Several copies of the program run, but none of them knows of another one.
  ///
  /// - Parameters:
  ///   - variable: The environment variable by which the launcher gave itself away.
  ///   - processes: How many processes the launcher started.
  ///   - library: The MPI library that the program is linked with.
  case foreignLauncher(variable: String, processes: Int, library: String)
  /// The library cannot be used in a process with several threads.
  ///
  /// - Parameter library: The MPI library that the program is linked with.
  case threadsUnsupported(library: String)
}

extension MPIError: CustomStringConvertible {
  /// One line: what, where, and what to do.
  public var description: String {
    switch self {
    case .call(let function, let code, let message):
      "\(function) failed with status \(code): \(message). Another rank may have said why before."
    case .foreignLauncher(let variable, let processes, let library):
      "The launcher started \(processes) processes (\(variable)=\(processes)), but each of them "
        + "sees itself alone: start the program with the mpirun of \(library), or under Slurm with "
        + "srun --mpi=pmix."
    case .threadsUnsupported(let library):
      "\(library) does not support a process with several threads (MPI_THREAD_FUNNELED): "
        + "install an MPI library built with thread support."
    }
  }
}
