// Where, when and with what a checkpoint was made.

import Foundation
import HDF5
import MPI
import Storage
import Tensors

/// Where, when and with what a checkpoint was made: the only part of it that may differ between
/// equal runs.
package enum Provenance {
  /// The attribute that tells the checksum of the images.
  package static let datasetHash = "dataset_hash"

  /// The attribute that tells where the weights come from that a run began with.
  static let initialWeights = "initial_weights"

  /// The attribute that tells the path of the images.
  static let dataset = "dataset"

  /// The characters of a text at most: an attribute of HDF5 holds 64 KiB.
  private static let longest = 8000

  /// Everything that is known before training begins.
  ///
  /// - Parameters:
  ///   - images: The checksum of the images.
  ///   - hosts: The machines, from that of the first rank.
  ///   - begun: Where the weights come from that the run began with; nil: they were drawn.
  package static func attributes(
    plan: TrainingPlan, images: String, ranks: Int, workers: Int, hosts: [String], runPath: String,
    begun: String? = nil
  ) -> [String: String] {
    var attributes = surroundings(ProcessInfo.processInfo.environment)
    attributes[initialWeights] = begun
    return attributes.merging([
      "program": "ddpm-dist \(programVersion)",
      "commit": ProgramBuild.commit,
      "target": ProgramBuild.target,
      "swift": swiftVersion,
      "mpi": MPISession.libraryVersion,
      "hdf5": (try? HDF5.libraryVersion()) ?? "unknown",
      "openblas": BLAS.description,
      "host": ProcessInfo.processInfo.hostName,
      "cpu": cpuName,
      "instructions": CPUFeatures.compiled.joined(separator: " "),
      "ranks": "\(ranks)",
      "workers": "\(workers)",
      "command": CommandLine.arguments.joined(separator: " "),
      "run": runPath,
      dataset: plan.dataset.path,
      datasetHash: images,
      "date": Date.now.formatted(.iso8601),
      "hosts": hosts.joined(separator: " "),
    ]) { $1 }.mapValues { $0.count > longest ? $0.prefix(longest) + "…" : $0 }
  }

  /// What a batch system, a module system and a user have set that can change how a run goes: its job, the
  /// loaded modules, and how MPI sends. What is not set is not there.
  package static func surroundings(_ environment: [String: String]) -> [String: String] {
    var facts: [String: String] = [:]
    facts["job"] = LockHolder.current(host: "", start: "", environment: environment).job
    if let modules = environment["LOADEDMODULES"], !modules.isEmpty {
      facts["modules"] = modules.replacing(":", with: " ")
    }
    // Of Open MPI's variables those that choose transports and algorithms: mpirun sets many others, which
    // name processes.
    let chosen = ["pml", "btl", "mtl", "coll", "osc", "opal", "rmaps", "hwloc"]
      .map { "OMPI_MCA_\($0)" }
    let variables = environment.filter { name, _ in
      name.hasPrefix("UCX_") || name.hasPrefix("FI_") || name.hasPrefix("PSM2_")
        || chosen.contains { name == $0 || name.hasPrefix($0 + "_") }
    }
    if !variables.isEmpty {
      facts["mpi_variables"] = variables.sorted { $0.key < $1.key }
        .map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    }
    return facts
  }

  /// The images' checksum; their number where the file declares none.
  package static func checksum(of dataset: ImageDataset) -> String {
    dataset.contentHash ?? "no checksum (\(dataset.count) images)"
  }

  private static var swiftVersion: String {
    #if swift(>=6.3)
      "6.3 or later"
    #else
      "6.2"
    #endif
  }

  /// The name of the CPU, as the kernel gives it.
  package static var cpuName: String {
    let info = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = info.split(separator: "\n").first { $0.hasPrefix("model name") }
    return line.flatMap { $0.split(separator: ":").last }
      .map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
  }
}
