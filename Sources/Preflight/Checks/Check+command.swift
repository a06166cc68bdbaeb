// Check: all ranks were told the same.

import Training

extension Check {
  /// The words of the command line, and the configuration file.
  static let command = Check("command") { facts in
    if let others = facts.others(\.words) {
      return .impossible(
        "other words than the first rank's: \(others)",
        "Start every rank with the same command line.", exitCode: ExitCode.usage)
    }
    let files = facts.ranks.filter {
      $0.configuration != nil && $0.configuration != facts.ranks[0].configuration
    }
    if facts.ranks[0].configuration != nil, !files.isEmpty {
      return .warning(
        "another configuration file than the first rank's: \(facts.places(of: files))",
        "The first rank's counts; copy it to the other machines, or use a shared folder.")
    }
    return .good(facts.ranks.count == 1 ? "one rank" : "the same on \(facts.ranks.count) ranks")
  }
}
