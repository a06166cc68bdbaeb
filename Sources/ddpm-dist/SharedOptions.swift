// Options of several commands: --time-limit and --force.

import ArgumentParser
import Training

extension ArgumentHelp {
  /// What `--time-limit` means.
  static let timeLimit = ArgumentHelp(
    """
    Stop in time, with everything kept and exit code 75: minutes, or hours:minutes:seconds, from the \
    start of the process. (default: none, but Slurm's end of the job)
    """, valueName: "11:50:00")
}

extension ArgumentHelp {
  /// What `--force` means.
  static let force = ArgumentHelp(
    "Replace a file of another kind too; never an input, a folder or a device.")
}

/// Refuses a time that is none.
func requireTimeLimit(_ text: String?) throws {
  if let fault = TimeLimit.fault(in: text) { throw ValidationError(fault) }
}
