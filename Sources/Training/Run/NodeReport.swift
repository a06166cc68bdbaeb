// The cores of all nodes, and who uses them.

import Foundation
import MPI

/// Which cores the ranks of each node may use, and how many workers that gives.
public struct NodeReport: Sendable {
  /// A machine, and what the job has of it.
  public struct Node: Codable, Equatable, Sendable {
    /// Its name.
    public let host: String
    /// The ranks on it, of the whole job.
    public let ranks: [Int]
    /// The cores that they may use together.
    public let cores: Int
    /// Their worker threads together.
    public let workers: Int
    /// The name of its CPU.
    public let cpu: String

    /// Its name, ranks, cores and workers.
    var line: String {
      func count(_ number: Int, _ name: String) -> String {
        "\(number) \(name)\(number == 1 ? "" : "s")"
      }
      return "\(host): \(count(ranks.count, "rank")), \(count(cores, "core")), "
        + count(workers, "worker")
    }
  }

  /// The worker threads of this rank.
  public let workers: Int
  /// The machines, from that of the first rank.
  public let nodes: [Node]
  /// Sentences on nodes whose workers outnumber their cores.
  public let warnings: [String]

  /// Looks at all nodes of the job; collective.
  ///
  /// - Parameter requested: The workers that the configuration asks for; nil: this rank's share of
  ///   the cores in its mask, and of the CPU time that its control groups allow.
  public init(communicator: Communicator, requested: Int?) throws(MPIError) {
    let node = try communicator.splitByNode()
    let topology = CoreTopology()
    let masks = try node.allGather(topology.cores)
    let mine = masks[node.rank]
    let sharing = masks.count { $0 == mine }
    // The ranks of a machine are in one group of processes.
    let quota = topology.workerLimit.map { max(1, $0 / node.size) } ?? .max
    workers = requested ?? max(1, min(mine.count / sharing, quota))

    let all = Node(
      host: ProcessInfo.processInfo.hostName, ranks: try node.allGather(communicator.rank),
      cores: Set(masks.joined()).count, workers: try node.allReduce(workers, .sum),
      cpu: Provenance.cpuName)
    var (text, warning) = ([UInt8](), "")
    if node.rank == 0 {
      guard let encoded = try? JSONEncoder().encode(all) else {
        preconditionFailure("Texts and whole numbers can always be written.")
      }
      text = Array(encoded)
      if all.workers > all.cores {
        warning =
          "\(all.host) runs \(all.workers) workers on \(all.cores) "
          + "\(all.cores == 1 ? "core" : "cores"); start fewer ranks, or bind them to more cores "
          + "(mpirun --bind-to none)."
      } else if requested == nil, Self.isBoundByMPIRun, all.workers < topology.onlineCores,
        topology.workerLimit ?? .max > all.workers
      {
        warning =
          "\(all.host) works on \(all.workers) of \(topology.onlineCores) cores: mpirun binds each rank to "
          + "few; start it with --bind-to none, or by launch/run.sh, to use all."
      }
    }
    nodes = try communicator.allGather(text).filter { !$0.isEmpty }
      .map { bytes in
        guard let node = try? JSONDecoder().decode(Node.self, from: Data(bytes)) else {
          preconditionFailure("A node is told as it was written.")
        }
        return node
      }
    warnings = try communicator.allGather(Array(warning.utf8))
      .map { String(decoding: $0, as: UTF8.self) }.filter { !$0.isEmpty }
  }

  /// One line a node: its name, ranks, cores and workers.
  public var lines: [String] { nodes.map(\.line) }

  /// Whether mpirun alone, and no batch system, decides on the cores of a rank.
  private static var isBoundByMPIRun: Bool {
    let environment = ProcessInfo.processInfo.environment
    return environment["OMPI_COMM_WORLD_RANK"] != nil
      && environment["SLURM_JOB_ID"] == nil && environment["PBS_JOBID"] == nil
  }
}
