// Drawing images with all workers of all ranks.

import MPI
import Models
import Parallel
import Storage
import Synchronization
import Tensors

/// Draws images from a trained model with all workers of all ranks.
///
/// Image i is a function of (weights, options, i): the number of workers, ranks and images drawn
/// together never shows in it.
public struct ImageSampler {
  /// The trained model.
  public let trained: TrainedModel
  /// How images are drawn.
  public let generation: any Generation
  private let groups: ImageGroups

  /// A sampler; the same on all ranks.
  ///
  /// - Throws: An error of one line for options that the model cannot follow, or a model of which
  ///   no images can be drawn.
  public init(_ trained: TrainedModel, _ options: GenerationOptions, _ groups: ImageGroups) throws {
    self.trained = trained
    self.groups = groups
    generation = try trained.require((any Generator).self, to: "draw images").generation(options)
  }

  /// Draws images; collective.
  ///
  /// - Parameters:
  ///   - count: The number of images.
  ///   - together: The images that are drawn together on all ranks, rounded up to whole groups.
  ///   - progress: Called with the share of this rank's work that is done, from any worker.
  /// - Returns: The images on rank 0, (count, h, w, c), as bytes of `trained.format`; empty
  ///   elsewhere.
  /// - Throws: `MPIError`, or `AgreedFailure` where the model's output is not finite.
  public func images(
    count: Int, together: Int, progress: @Sendable (Double) -> Void
  ) throws -> [UInt8] {
    let (trained, generation) = (trained, generation)
    let counter = Atomic(0)
    // Where each image decides for itself, a group counts when it is done.
    let evaluations = generation.evaluations
    let total = groups.ownedCount(of: count, together: together) * (evaluations ?? 1)
    @Sendable func advance() {
      let done = counter.add(1, ordering: .relaxed).newValue
      progress(Double(done) / Double(total))
    }
    return try groups.map(
      count, together: together, width: trained.shape.count * trained.format.bytes
    ) { (images, pool) throws(Failure) in
      let x = generation.draw(images) {
        trained.makePass(pool)
      } progress: {
        if evaluations != nil { advance() }
      }
      if evaluations == nil { advance() }
      guard x.scalars.allSatisfy(\.isFinite) else {
        throw Failure(
          "the network's output is not finite: this checkpoint's run has diverged; "
            + "sample from an earlier one.", exitCode: ExitCode.badData)
      }
      return trained.format.encode(UnsafeBufferPointer(x.scalars))
    }
  }
}
