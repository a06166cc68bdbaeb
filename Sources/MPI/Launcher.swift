// A job that the wrong launcher started is recognised before it does harm.

/// What the environment says about the launcher that started this process.
public enum Launcher {
  /// The variable by which a launcher of another MPI library gives itself away, if there is one.
  ///
  /// A program that is started by the `mpirun` of another library, or by `srun` without the right
  /// plug-in, becomes several processes that each see a world of one rank, and would all do the
  /// same work into the same files. A batch or interactive shell of Slurm sets `SLURM_NTASKS`
  /// without having started anything, so only the count of a job *step* counts.
  ///
  /// - Parameters:
  ///   - worldSize: The number of ranks that the MPI library reports.
  ///   - environment: The value of an environment variable, or `nil` where it is not set.
  /// - Returns: The variable and the number of processes that it tells, or `nil` if all is well.
  public static func foreign(
    worldSize: Int, environment: (String) -> String?
  ) -> (variable: String, processes: Int)? {
    guard worldSize == 1 else { return nil }
    // The most specific launcher decides: an `mpirun -n 1` inside a large Slurm step is well.
    for variable in ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"] {
      guard let processes = environment(variable).flatMap({ Int($0) }) else { continue }
      return processes > 1 ? (variable, processes) : nil
    }
    let step = "SLURM_STEP_NUM_TASKS"
    if environment("SLURM_STEP_ID") != nil, environment("SLURM_PROCID") != nil,
      let processes = environment(step).flatMap({ Int($0) }), processes > 1
    {
      return (step, processes)
    }
    return nil
  }
}
