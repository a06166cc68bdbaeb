// What one check has found.

/// Whether a run can work as it is.
public enum Verdict: String, Codable, Sendable, CaseIterable {
  /// Nothing is in its way.
  case good
  /// It works, and not as well as it could, or something can go wrong.
  case warning
  /// It cannot work.
  case impossible = "cannot work"
  /// It could not be found out.
  case unknown
}

/// What one check has found.
public struct Finding: Codable, Equatable, Sendable {
  /// What was measured, in words.
  public let measured: String
  /// What it means for the run.
  public let verdict: Verdict
  /// What to do, a sentence; nil where there is nothing to do.
  public let advice: String?
  /// The exit code that it calls for; 0 where the run can work.
  public let exitCode: Int32

  /// Nothing is in the way.
  static func good(_ measured: String) -> Finding {
    Finding(measured: measured, verdict: .good, advice: nil, exitCode: 0)
  }

  /// It could not be found out.
  static func unknown(_ measured: String, _ advice: String? = nil) -> Finding {
    Finding(measured: measured, verdict: .unknown, advice: advice, exitCode: 0)
  }

  /// The run works, but something should be done.
  static func warning(_ measured: String, _ advice: String) -> Finding {
    Finding(measured: measured, verdict: .warning, advice: advice, exitCode: 0)
  }

  /// The run cannot work.
  static func impossible(_ measured: String, _ advice: String, exitCode: Int32) -> Finding {
    Finding(measured: measured, verdict: .impossible, advice: advice, exitCode: exitCode)
  }
}
