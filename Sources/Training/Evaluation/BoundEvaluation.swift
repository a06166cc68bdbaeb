// The bound of images, by all workers of all ranks.

import MPI
import Models
import Parallel
import Storage
import Synchronization
import Tensors

/// Evaluates a model's bound on the likelihood of a dataset's images.
///
/// The terms of image i are a function of (weights, seed, i), wherever they are computed.
public struct BoundEvaluation {
  /// The names of the terms.
  public let terms: [String]
  private let trained: TrainedModel
  private let likelihood: any Likelihood
  private let seed: UInt64
  private let groups: ImageGroups

  /// The evaluation of a model; the same on all ranks.
  ///
  /// - Throws: `Failure` for a model without a bound.
  public init(_ trained: TrainedModel, seed: UInt64, _ groups: ImageGroups) throws(Failure) {
    self.trained = trained
    self.seed = seed
    self.groups = groups
    likelihood = try trained.require((any Likelihood).self, to: "tell what an image costs")
    terms = likelihood.boundTerms
  }

  /// Evaluates the first images of a dataset; collective.
  ///
  /// - Returns: On rank 0 nats, summed over the scalars, (count, terms); empty elsewhere.
  /// - Throws: `AgreedFailure` where images cannot be read or a term is not a number, `MPIError`.
  public func bound(of dataset: ImageDataset, count: Int) throws -> [Double] {
    precondition(count <= dataset.count, "Only images of the dataset can be evaluated.")
    let reader = Mutex<ImageReader?>(nil)
    let size = ImageGroups.size
    let mine = groups.share(of: 0..<ImageGroups.count(of: count))
    let range = min(mine.lowerBound * size, count)..<min(mine.upperBound * size, count)
    let (trained, likelihood, seed, width) = (trained, likelihood, seed, terms.count)
    return try groups.map(count, width: width) { (images, pool) throws(Failure) in
      do {
        let reader = try reader.withLock { reader in
          if let reader { return reader }
          let opened = try ImageReader(dataset, range: range)
          reader = opened
          return opened
        }
        // A group that is not full is filled up with its last image.
        let indices = images.map { min($0, count - 1) }
        let shape = dataset.shape
        let x0 = Tensor(Shape(size, shape.height, shape.width, shape.channels), in: pool)
        try reader.read(indices, into: x0.pointer)
        let batch = Batch(
          images: x0, labels: dataset.labels.map { labels in indices.map { labels[$0] } })
        let nats = likelihood.bound(
          batch, Draws(seed: seed, firstImage: images.lowerBound)
        ) { trained.makePass(pool) }
        precondition(
          nats.count == size && nats.allSatisfy { $0.count == width },
          "A bound has all terms of all images.")
        return Array(nats.joined())
      } catch {
        throw ExitCode.failure(for: error)
      }
    }
  }
}
