// Check: the run's memory is there.

import Training

extension Check {
  /// The most memory of the ranks of each machine against what is free there.
  static let memory = Check("memory") { facts in
    guard let needs = facts.needs else { return nil }
    var good: [String] = []
    var tight: Finding?
    for node in facts.nodes {
      let ranks = facts.ranks(ofNode: node.rank)
      // What they have already is not among what is free.
      let more = ranks.reduce(0) { sum, rank in
        sum
          + max(
            0, (rank.rank == 0 ? needs.firstPeakBytes : needs.otherPeakBytes) - rank.residentBytes)
      }
      guard let memory = node.memory else {
        return .unknown("\(node.host) does not tell how much memory is free")
      }
      let measured =
        "\(node.host) needs \(bytes(more)) of \(bytes(memory.freeBytes)) (\(memory.source))"
      if more > memory.freeBytes {
        return .impossible(
          measured,
          "Ask for more memory, start fewer ranks or workers on a machine, or choose a smaller batch or "
            + "more shards.", exitCode: ExitCode.unavailable)
      }
      if Double(more) > 0.9 * Double(memory.freeBytes) {
        tight =
          tight
          ?? .warning(
            measured, "Leave some for the system and for other programs: take fewer workers.")
      }
      good.append(measured)
    }
    if let tight { return tight }
    return .good(
      good[0]
        + (good.count == 1
          ? "" : good.count == 2 ? "; the other has enough" : "; the others have enough"))
  }
}
