// What one rank knows of itself and its machine.

import Benchmark
import Foundation
import HDF5
import MPI
import Storage
import Tensors
import Training

/// What one rank knows of itself and its machine, before anything of a run is looked at.
package struct RankFacts: Codable, Equatable, Sendable {
  /// The rank.
  package var rank = 0
  /// The lowest rank on its machine.
  package var node = 0
  /// The name of its machine.
  package var host = ""
  /// The checksum of the program's file; nil where it cannot be read.
  package var program: String?
  /// The version and commit of the program.
  package var version = ""
  /// The versions of the libraries, by their names.
  package var libraries: [String: String] = [:]
  /// The name of the CPU, with the kernels that OpenBLAS has chosen for it.
  package var processor = ""
  /// One CPU of each core that it may use.
  package var cores: [Int] = []
  /// The CPUs' time that its control groups allow; nil: all.
  package var quota: Double?
  /// Its worker threads.
  package var workers = 0
  /// The words of its command line.
  package var words: [String] = []
  /// The checksum of the configuration file as it sees it; nil where there is none.
  package var configuration: String?
  /// The memory that its machine has left; nil where that is not known.
  package var memory: MachineMemory?
  /// The memory that it has itself, bytes.
  package var residentBytes = 0
  /// What the system allows it.
  package var limits = ResourceLimits()
  /// How its messages travel.
  package var transports = Transports(variables: [])
  /// What is set of the MPI library's transports, as `NAME=value`; nil where nothing is.
  package var variables: String?
  /// The adapters of fast networks in its machine.
  package var fabrics: [String] = []

  package init() {}

  /// Those of all ranks, in their order; collective.
  ///
  /// - Parameters:
  ///   - options: Names the configuration file.
  ///   - words: The words of the command line.
  /// - Throws: `MPIError`.
  package static func gathered(
    _ options: RunOptions, words: [String], _ communicator: Communicator
  ) throws(MPIError) -> [RankFacts] {
    let node = try communicator.splitByNode()
    var own = RankFacts()
    own.rank = communicator.rank
    own.node = try node.broadcast([communicator.rank], from: 0)[0]
    own.host = ProcessInfo.processInfo.hostName
    own.program = checksum(ofFile: "/proc/self/exe")
    own.version = ProgramBuild.versionText
    own.libraries = [
      "MPI": MPISession.shortLibraryVersion, "HDF5": (try? HDF5.libraryVersion()) ?? "unknown",
      "OpenBLAS": BLAS.version,
    ]
    own.processor = "\(Provenance.cpuName), kernels \(BLAS.kernels)"
    let topology = CoreTopology()
    (own.cores, own.quota) = (topology.cores, topology.quota)
    own.words = words
    own.configuration = options.configurationPath.flatMap(checksum(ofFile:))
    own.memory = MachineMemory()
    own.residentBytes = PeakMemory.currentBytes
    own.limits = .current
    own.transports = .current
    own.variables = Provenance.surroundings(ProcessInfo.processInfo.environment)["mpi_variables"]
    own.fabrics = fabrics()
    return try gather(own, communicator)
  }

  /// A value of each rank, in their order; collective.
  static func gather<Value: Codable>(
    _ value: Value, _ communicator: Communicator
  ) throws(MPIError) -> [Value] {
    guard let bytes = try? JSONEncoder().encode(value) else {
      preconditionFailure("What a rank tells can be written as JSON.")
    }
    return try communicator.allGather(Array(bytes)).map { bytes in
      guard let value = try? JSONDecoder().decode(Value.self, from: Data(bytes)) else {
        preconditionFailure("What a rank tells is read as it was written.")
      }
      return value
    }
  }

  /// The checksum of a file's content; nil where it cannot be read.
  private static func checksum(ofFile path: String) -> String? {
    guard let file = FileHandle(forReadingAtPath: path) else { return nil }
    var hash = ContentHash()
    while let part = try? file.read(upToCount: 1 << 22), !part.isEmpty {
      part.withUnsafeBytes { hash.update($0) }
    }
    return hash.hexadecimal()
  }

  /// The adapters that the kernel lists as able to move messages by themselves.
  ///
  /// - Parameter root: What stands before `/sys`, for tests.
  package static func fabrics(root: String = "") -> [String] {
    ["infiniband", "cxi", "hfi1"].flatMap { kind in
      let names = try? FileManager.default.contentsOfDirectory(
        atPath: "\(root)/sys/class/\(kind)")
      return (names ?? []).sorted()
    }
  }
}
