// Check: all ranks run the same program.

import Training

extension Check {
  /// The bytes of the program's file.
  static let program = Check("program") { facts in
    guard let own = facts.ranks[0].program else {
      return .unknown("the program's own file cannot be read")
    }
    if let others = facts.others(\.program) {
      let versions = Set(facts.ranks.map(\.version)).count
      return .impossible(
        "another file than the first rank's: \(others)"
          + (versions > 1 ? " (its version differs too)" : ""),
        "Install one build on all machines, or start it from a shared folder.",
        exitCode: ExitCode.unavailable)
    }
    let version = facts.ranks[0].version.prefix { $0 != " " }
    return .good("checksum \(own.prefix(12)), version \(version)")
  }
}
