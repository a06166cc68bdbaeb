// The one error type of this module.

import Training

/// What is wrong with a job that was asked for; the description is one line: where and what.
public enum JobError: ReportedError {
  /// An option, or a line of a file of defaults, that cannot be followed.
  case option(source: String, reason: String)
  /// A job that could not work.
  case unsuitable(source: String, reason: String)
  /// A scheduler that is not here, or has not taken the job.
  case unavailable(program: String, reason: String)

  /// 64 for what the user has to say in another way, 69 for a scheduler.
  public var exitCode: Int32 {
    switch self {
    case .option, .unsuitable: ExitCode.usage
    case .unavailable: ExitCode.unavailable
    }
  }

  /// The whole error in one line.
  public var description: String {
    switch self {
    case .option(let source, let reason), .unsuitable(let source, let reason),
      .unavailable(let source, let reason):
      "\(source): \(reason)".split(whereSeparator: \.isNewline).joined(separator: " ")
    }
  }
}
