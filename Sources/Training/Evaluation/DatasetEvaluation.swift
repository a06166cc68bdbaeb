// Evaluating a model on a dataset, by all workers of all ranks.

import MPI
import Models
import Parallel
import Sampling
import Storage
import Synchronization
import Tensors

/// Evaluates what a dataset's images cost by a model.
///
/// The numbers of image i are a function of (weights, options, seed, i), wherever they are computed.
public struct DatasetEvaluation: Sendable {
  private let trained: TrainedModel
  private let evaluation: any Evaluation
  private let conditions: ImageConditions
  private let seed: UInt64

  /// The evaluation of a model; the same on all ranks.
  ///
  /// - Parameter conditions: What the model is told of the dataset's images.
  public init(
    _ trained: TrainedModel, _ evaluation: any Evaluation, _ conditions: ImageConditions = .none,
    seed: UInt64
  ) {
    (self.trained, self.evaluation, self.seed) = (trained, evaluation, seed)
    self.conditions = conditions
  }

  /// Evaluates some images of a dataset; collective.
  ///
  /// - Parameters:
  ///   - part: Which of its images.
  ///   - progress: Called with each evaluation of a group by a network, from any worker.
  /// - Returns: On rank 0 the numbers of each image, (count, width); empty elsewhere.
  /// - Throws: `AgreedFailure` where images cannot be read or evaluated, `MPIError`.
  public func measure(
    _ dataset: ImageDataset, _ part: Range<Int>, _ groups: ImageGroups,
    progress: @Sendable () -> Void
  ) throws -> [Double] {
    precondition(part.upperBound <= dataset.count, "Only images of the dataset can be evaluated.")
    let reader = Mutex<ImageReader?>(nil)
    let size = ImageGroups.size
    let mine = groups.share(of: 0..<ImageGroups.count(of: part.count))
    let range =
      min(
        part.lowerBound + mine.lowerBound * size, part.upperBound)..<min(
        part.lowerBound + mine.upperBound * size, part.upperBound)
    let (trained, evaluation, conditions, seed) = (trained, evaluation, conditions, seed)
    return try groups.map(part.count, width: evaluation.width) {
      (images, pool) throws(Failure) in
      do {
        let reader = try reader.withLock { reader in
          if let reader { return reader }
          let opened = try ImageReader(dataset, range: range)
          reader = opened
          return opened
        }
        // A group that is not full is filled up with its last image.
        let indices = images.map { min(part.lowerBound + $0, part.upperBound - 1) }
        let shape = dataset.shape
        let x0 = Tensor(Shape(size, shape.height, shape.width, shape.channels), in: pool)
        try reader.read(indices, into: x0.pointer)
        let draws = Draws(seed: seed, firstImage: part.lowerBound + images.lowerBound)
        let batch = Batch(
          images: x0, conditions: conditions.conditions(of: indices, draws), numbers: indices)
        let numbers = try evaluation.measure(
          batch, draws, { trained.makePass(pool) }, progress: progress)
        precondition(
          numbers.count == size && numbers.allSatisfy { $0.count == evaluation.width },
          "An evaluation has all numbers of all images.")
        guard numbers.allSatisfy({ $0.allSatisfy(\.isFinite) }) else {
          throw Failure(
            "the network's output is not finite: this checkpoint's run has diverged; evaluate an "
              + "earlier one.", exitCode: ExitCode.badData)
        }
        return Array(numbers.joined())
      } catch let error as IntegrationError {
        let first = part.lowerBound + images.lowerBound
        throw ExitCode.failure(
          for: IntegrationError(image: first + error.image, reason: error.reason))
      } catch {
        throw ExitCode.failure(for: error)
      }
    }
  }
}
