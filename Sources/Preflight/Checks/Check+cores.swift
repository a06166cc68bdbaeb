// Check: there is a core for each worker.

extension Check {
  /// Cores and quotas of CPU time against workers, machine by machine.
  static let cores = Check("cores") { facts in
    for node in facts.nodes {
      let ranks = facts.ranks(ofNode: node.rank)
      let workers = ranks.reduce(0) { $0 + $1.workers }
      let cores = Set(ranks.flatMap(\.cores)).count
      let counted =
        "\(node.host): \(ranks.count) \(ranks.count == 1 ? "rank" : "ranks") with \(workers) workers on \(cores) cores"
      if workers > cores {
        return .warning(
          counted,
          "Start fewer ranks or workers there, or bind ranks to more cores (mpirun --bind-to none)."
        )
      }
      if let quota = node.quota, Double(workers) > max(1, quota) {
        return .warning(
          "\(counted), of which control groups allow the time of \(quota)",
          "Ask for more CPUs, or give --workers so many that they fit.")
      }
      for (place, rank) in ranks.enumerated() {
        for other in ranks[(place + 1)...] where rank.cores != other.cores {
          if Set(rank.cores).isDisjoint(with: other.cores) { continue }
          return .warning(
            "\(node.host): ranks \(rank.rank) and \(other.rank) share some of their cores",
            "Bind ranks to cores of their own, or to the same ones.")
        }
      }
    }
    let nodes = facts.nodes.count
    let workers = facts.ranks.reduce(0) { $0 + $1.workers }
    return .good(
      "\(nodes) \(nodes == 1 ? "machine" : "machines"), \(facts.ranks.count) "
        + "\(facts.ranks.count == 1 ? "rank" : "ranks"), \(workers) "
        + "\(workers == 1 ? "worker" : "workers"), each with a core")
  }
}
