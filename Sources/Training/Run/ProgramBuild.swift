// What the programs are: version, commit, CPU, libraries.

import CCommit
import Foundation
import HDF5
import MPI
import Tensors

/// The version of both commands.
public let programVersion = "0.1.0"

/// What a program was built from, and what it runs on.
public enum ProgramBuild {
  /// The commit of the source, with `+changes` where files differ from it, or `unknown`.
  public static var commit: String { String(cString: CCommit_name()) }

  /// The kind of CPU that it was built for, as compilers call it: `native`, `x86-64-v3`.
  public static var target: String { String(cString: CCommit_march()) }

  /// The text of `--version`: version, commit, CPU, and the libraries with their own versions.
  public static var versionText: String {
    let hdf5 = (try? HDF5.libraryVersion()) ?? "unknown"
    return
      "\(programVersion) (\(commit), \(target), \(MPISession.shortLibraryVersion), HDF5 \(hdf5), "
      + "OpenBLAS \(BLAS.version) \(BLAS.kernels))"
  }

  /// Everything that helps to understand a fault: what the program is, where it runs, and what is set around it.
  public static var facts: [(name: String, value: String)] {
    let environment = ProcessInfo.processInfo.environment
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    func line(_ text: String, _ name: String) -> String? {
      text.split(separator: "\n").first { $0.hasPrefix(name) }
        .map { $0.dropFirst(name.count).trimmingCharacters(in: .whitespaces) }
    }
    let memory = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
    let system = (try? String(contentsOfFile: "/etc/os-release", encoding: .utf8)) ?? ""
    let kernel = (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)) ?? ""
    var facts: [(name: String, value: String)] = [
      ("version", programVersion), ("commit", commit), ("built for", target),
      ("instructions", CPUFeatures.compiled.joined(separator: " ")),
      ("MPI", MPISession.libraryVersion), ("HDF5", (try? HDF5.libraryVersion()) ?? "unknown"),
      ("OpenBLAS", BLAS.description), ("CPU", Provenance.cpuName),
      ("CPUs", line(status, "Cpus_allowed_list:") ?? "unknown"),
      ("memory", line(memory, "MemTotal:") ?? "unknown"),
      ("free memory", line(memory, "MemAvailable:") ?? "unknown"),
      ("system", line(system, "PRETTY_NAME=")?.trimmingCharacters(in: ["\""]) ?? "unknown"),
      ("kernel", kernel.trimmingCharacters(in: .whitespacesAndNewlines)),
      ("host", ProcessInfo.processInfo.hostName),
      ("folder", FileManager.default.currentDirectoryPath),
    ]
    for (name, value) in Provenance.surroundings(environment).sorted(by: { $0.key < $1.key }) {
      facts.append((name.replacing("_", with: " "), value))
    }
    for name in [
      "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "HDF5_USE_FILE_LOCKING",
    ] {
      if let value = environment[name] { facts.append((name, value)) }
    }
    return facts
  }
}
