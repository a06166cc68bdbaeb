// How many ranks a job has, and where: from what was said of its nodes.

import Training

/// Nodes, ranks and cores of a job, as they follow from a request.
public struct JobLayout: Equatable, Sendable {
  /// The nodes.
  public let nodes: Int
  /// The ranks of each node.
  public let ranksPerNode: Int
  /// The ranks of each socket; nil where they are not placed by sockets.
  public let ranksPerSocket: Int?
  /// The cores of each rank, and so its workers.
  public let coresPerRank: Int

  /// The ranks of the job.
  public var ranks: Int { nodes * ranksPerNode }

  /// Computes the layout.
  ///
  /// - Parameters:
  ///   - request: What was asked for.
  ///   - hosts: The lines of the host file, where there is one.
  ///   - machine: The cores and sockets of this machine, for `--cores here`.
  /// - Throws: `JobError` where something is missing or does not fit.
  public init(
    _ request: JobRequest, hosts: Int? = nil,
    machine: () -> (cores: Int, sockets: Int) = thisMachine
  ) throws(JobError) {
    var (cores, sockets) = (0, request.sockets)
    switch request.cores {
    case .count(let count): cores = count
    case .here:
      let found = machine()
      cores = found.cores
      sockets = sockets ?? found.sockets
    case nil:
      throw .option(
        source: "--cores",
        reason: "say how many cores of each node the job uses, or 'here' where they are as many as "
          + "this machine has")
    }
    if let each = request.ranksPerSocket {
      guard let sockets else {
        throw .option(
          source: "--ranks-per-socket \(each)",
          reason: "say with --sockets how many sockets a node has")
      }
      if let node = request.ranksPerNode, node != each * sockets {
        throw .option(
          source: "--ranks-per-socket \(each)",
          reason: "on \(sockets) sockets that is \(each * sockets) ranks a node, and "
            + "--ranks-per-node says \(node); give one of the two")
      }
    }
    ranksPerSocket = request.ranksPerSocket
    ranksPerNode =
      request.ranksPerSocket.map { $0 * sockets! } ?? request.ranksPerNode ?? sockets ?? 1
    nodes = request.nodes ?? hosts ?? 1
    if let hosts, nodes > hosts {
      throw .option(
        source: "--nodes \(nodes)", reason: "\(request.hostFile!) names \(hosts) hosts only")
    }
    coresPerRank = cores / ranksPerNode
    guard coresPerRank >= 1 else {
      throw .unsuitable(
        source: "--cores \(cores)",
        reason: "\(ranksPerNode) ranks on a node need as many cores; start fewer ranks there")
    }
  }

  /// The cores that a node has and no rank uses.
  public func idleCores(of request: JobRequest) -> Int {
    guard case .count(let count) = request.cores else { return 0 }
    return count - ranksPerNode * coresPerRank
  }

  /// The cores that are switched on, and the sockets that they are on, of this machine.
  public static func thisMachine() -> (cores: Int, sockets: Int) {
    let topology = CoreTopology()
    return (topology.onlineCores, topology.sockets)
  }
}
