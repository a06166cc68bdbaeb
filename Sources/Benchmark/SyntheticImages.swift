// Images for those who have none.

import Foundation
import MPI
import Storage
import Tensors
import Training

/// A dataset of random images for measurements, in a temporary file that the ranks of a node share.
///
/// The file goes when it is removed or its owner releases it, after an error too. Readers that have
/// opened it go on reading.
final class SyntheticImages {
  /// The file.
  let path: String
  private let isOwner: Bool

  /// Writes the images on the first rank of each node; collective.
  ///
  /// - Parameters:
  ///   - shape: The extents of an image.
  ///   - batch: The images of a step; the dataset has at least two of them.
  ///   - classes: The number of classes that they are of; nil: they have no labels.
  ///   - job: The ranks.
  /// - Throws: `AgreedFailure` on all ranks where one cannot write the file, `MPIError`.
  init(_ shape: ImageShape, batch: Int, classes: Int? = nil, job: Job) throws {
    let node = try job.communicator().splitByNode()
    let name = "ddpm-dist-benchmark-\(UUID().uuidString).h5"
    let own = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
    path = try node.broadcast(own, from: 0)
    isOwner = node.rank == 0
    try job.together {
      if isOwner { try Self.write(shape, batch: batch, classes: classes, to: own) }
    }
  }

  /// Removes the file.
  func remove() { if isOwner { try? FileManager.default.removeItem(atPath: path) } }

  deinit { remove() }

  private static func write(
    _ shape: ImageShape, batch: Int, classes: Int?, to path: String
  ) throws {
    let count = max(2 * batch, min(4096, (16 << 20) / shape.count))
    guard count <= (4 << 30) / shape.count else {
      throw ConfigurationError(
        source: "--images",
        reason: "\(count) images of \(shape) need more than 4 GiB; choose fewer pixels or a "
          + "smaller batch.")
    }
    let writer = try ImageDatasetWriter(output: path, shape: shape, name: "random images")
    for image in 0..<count {
      let stream = RandomStream(seed: 0, purpose: .start, shard: image)
      let words = (0..<(shape.count + 15) / 16).map { stream.words($0) }
      try writer.append(
        images: words.withUnsafeBytes { Array($0.prefix(shape.count)) },
        labels: classes.map { [image % $0] })
    }
    _ = try writer.finish()
  }
}
