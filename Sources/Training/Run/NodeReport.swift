// The cores of all nodes, and who uses them.

import Foundation
import MPI

/// Which cores the ranks of each node may use, and how many workers that gives.
public struct NodeReport: Sendable {
  /// The worker threads of this rank.
  public let workers: Int
  /// The names of the nodes.
  public let hosts: [String]
  /// One line a node: its name, ranks, cores and workers.
  public let lines: [String]
  /// Sentences on nodes whose workers outnumber their cores.
  public let warnings: [String]

  /// Looks at all nodes of the job; collective.
  ///
  /// - Parameter requested: The workers that the configuration asks for; nil: this rank's share of
  ///   the cores in its mask.
  public init(communicator: Communicator, requested: Int?) throws(MPIError) {
    let node = try communicator.splitByNode()
    let masks = try node.allGather(Self.allowedCores)
    let mine = masks[node.rank]
    let sharing = masks.count { $0 == mine }
    workers = requested ?? max(1, mine.count / sharing)

    let nodeWorkers = try node.allReduce(workers, .sum)
    let cores = Set(masks.joined()).count
    let name = ProcessInfo.processInfo.hostName
    var (line, warning) = ("", "")
    if node.rank == 0 {
      line =
        "\(name): \(node.size) \(node.size == 1 ? "rank" : "ranks"), \(cores) "
        + "\(cores == 1 ? "core" : "cores"), \(nodeWorkers) "
        + "\(nodeWorkers == 1 ? "worker" : "workers")"
      if nodeWorkers > cores {
        warning =
          "\(name) runs \(nodeWorkers) workers on \(cores) "
          + "\(cores == 1 ? "core" : "cores"); start fewer ranks, or bind them to more cores "
          + "(mpirun --bind-to none)."
      } else if requested == nil, Self.isBoundByMPIRun, nodeWorkers < Self.onlineCores {
        warning =
          "\(name) works on \(nodeWorkers) of \(Self.onlineCores) cores: mpirun binds each rank to "
          + "few; start it with --bind-to none, or by launch/run.sh, to use all."
      }
    }
    hosts = try Self.gather(node.rank == 0 ? name : "", communicator)
    lines = try Self.gather(line, communicator)
    warnings = try Self.gather(warning, communicator)
  }

  /// The cores of the machine, whatever this process may use.
  private static var onlineCores: Int { Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

  /// Whether mpirun alone, and no batch system, decides on the cores of a rank.
  private static var isBoundByMPIRun: Bool {
    let environment = ProcessInfo.processInfo.environment
    return environment["OMPI_COMM_WORLD_RANK"] != nil
      && environment["SLURM_JOB_ID"] == nil && environment["PBS_JOBID"] == nil
  }

  /// The numbers of the cores in this process's mask, as the kernel lists them: "0-3,8".
  private static var allowedCores: [Int] {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
    let cores = (line ?? "").dropFirst("Cpus_allowed_list:".count).split(separator: ",")
      .flatMap { part -> [Int] in
        let ends = part.split(separator: "-")
          .compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
        guard let first = ends.first, let last = ends.last, first <= last else { return [] }
        return Array(first...last)
      }
    return cores.isEmpty ? Array(0..<ProcessInfo.processInfo.activeProcessorCount) : cores
  }

  private static func gather(
    _ text: String, _ communicator: Communicator
  ) throws(MPIError) -> [String] {
    try communicator.allGather(Array(text.utf8))
      .map { String(decoding: $0, as: UTF8.self) }.filter { !$0.isEmpty }
  }
}
