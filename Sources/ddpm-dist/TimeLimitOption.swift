// The option --time-limit, of every command that can be ended and go on.

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

/// Refuses a time that is none.
func requireTimeLimit(_ text: String?) throws {
  if let fault = TimeLimit.fault(in: text) { throw ValidationError(fault) }
}
