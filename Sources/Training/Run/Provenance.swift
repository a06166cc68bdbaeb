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

  /// Everything that is known before training begins.
  ///
  /// - Parameters:
  ///   - images: The checksum of the images.
  ///   - begun: Where the weights come from that the run began with; nil: they were drawn.
  package static func attributes(
    plan: TrainingPlan, images: String, ranks: Int, workers: Int, runPath: String,
    begun: String? = nil
  ) -> [String: String] {
    var attributes = [
      "program": "ddpm-dist \(programVersion)",
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
    ]
    attributes[initialWeights] = begun
    return attributes
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
