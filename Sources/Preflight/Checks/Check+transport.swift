// Check: how messages travel.

extension Check {
  /// The components of the MPI library that are in use.
  static let transport = Check("transport") { facts in
    guard facts.ranks.count > 1 else { return .good("one rank sends no messages") }
    let (transports, spans) = (facts.ranks[0].transports, facts.nodes.count > 1)
    let set = facts.ranks[0].variables.map { " (\($0))" } ?? ""
    guard let summary = transports.summary(spansNodes: spans).map({ $0 + set }) else {
      return .unknown("this MPI library does not tell how messages travel\(set)")
    }
    if let others = facts.others({ $0.transports.matching }) {
      return .warning(
        "\(summary); otherwise on \(others)",
        "Set the same OMPI_MCA_ variables on all machines.")
    }
    if spans, transports.usesTCP, let node = facts.nodes.first(where: { !$0.fabrics.isEmpty }) {
      return .warning(
        "\(summary), although \(node.host) has \(node.fabrics.joined(separator: ", "))",
        "Use an MPI library with UCX or libfabric (OMPI_MCA_pml=ucx), which moves messages without the "
          + "cores.")
    }
    return .good(summary)
  }
}
