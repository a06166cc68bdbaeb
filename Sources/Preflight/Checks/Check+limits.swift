// Check: the system allows what the run does.

import Training

extension Check {
  /// The limits of files, connections, stack and addresses, on each rank.
  static let limits = Check("limits") { facts in
    for rank in facts.ranks {
      let (limits, place) = (rank.limits, "rank \(rank.rank) on \(rank.host)")
      if let needs = facts.needs {
        if rank.rank == 0, let largest = limits.fileBytes, largest < needs.checkpointBytes {
          return .impossible(
            "\(place): files of \(bytes(largest)), a checkpoint has \(bytes(needs.checkpointBytes))",
            "Raise the limit of files (ulimit -f unlimited).", exitCode: ExitCode.unavailable)
        }
        let peak = rank.rank == 0 ? needs.firstPeakBytes : needs.otherPeakBytes
        if let addresses = limits.addressBytes, addresses < peak {
          return .impossible(
            "\(place): addresses of \(bytes(addresses)), \(bytes(peak)) are needed",
            "Raise the limit of addresses (ulimit -v unlimited), or ask for more memory.",
            exitCode: ExitCode.unavailable)
        }
      }
      // A connection to each other rank, and files, pipes and libraries.
      if let open = limits.openFiles, open < facts.ranks.count + 64 {
        return .warning(
          "\(place): \(open) open files, for \(facts.ranks.count) ranks",
          "Raise the limit of open files (ulimit -n 4096): over TCP each other rank takes one.")
      }
      if let stack = limits.stackBytes, stack < 1 << 20 {
        return .warning(
          "\(place): a stack of \(bytes(stack))", "Raise the limit of the stack (ulimit -s 8192).")
      }
    }
    func text(_ limit: Int?, _ unit: (Int) -> String) -> String { limit.map(unit) ?? "unlimited" }
    let limits = facts.ranks[0].limits
    return .good(
      "files \(text(limits.fileBytes, bytes)), open \(text(limits.openFiles) { "\($0)" }), stack "
        + "\(text(limits.stackBytes, bytes)), addresses \(text(limits.addressBytes, bytes))")
  }
}
