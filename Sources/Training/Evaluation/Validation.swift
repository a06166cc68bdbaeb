// The loss of fixed images: what training looks like without the noise of its draws.

import Layers
import MPI
import Models
import Parallel
import Storage
import Tensors

/// Computes the loss of the same images with the same random numbers at any step of a run.
///
/// The images are dealt in groups of eight; the last may hold fewer, always the same. The sums of
/// the groups are added in their order, so that the loss is a function of weights and images, and
/// all ranks learn its bits.
package struct Validation {
  /// Which loss of which images, in words: losses of one subject can be compared.
  package let subject: String
  private let images: ValidationImages
  private let reader: ImageReader?
  private let conditions: ImageConditions
  private let seed: UInt64
  private let groups: ImageGroups

  /// The validation of a run; nil where its plan has none.
  ///
  /// Reads this rank's part of the images, into memory where it fits.
  ///
  /// - Throws: `StorageError`.
  package init?(_ plan: TrainingPlan, _ groups: ImageGroups) throws(StorageError) {
    guard let images = plan.validation else { return nil }
    (self.images, self.groups, seed) = (images, groups, plan.seed)
    let (range, count) = (images.range, images.range.count)
    let mine = groups.share(of: 0..<ImageGroups.count(of: count))
    let owned =
      min(
        mine.lowerBound * ImageGroups.size, count)..<min(
        mine.upperBound * ImageGroups.size, count)
    reader =
      owned.isEmpty
      ? nil
      : try ImageReader(
        images.dataset,
        range: range.lowerBound + owned.lowerBound..<range.lowerBound + owned.upperBound)
    conditions = images.conditions
    // What may change in a run and makes another loss of the same terms.
    let settings = DiffusionSettings.settings.filter { $0.role == .training }
      .map { "\($0.key)=\($0.value(in: plan.configuration.diffusion))" }
    subject =
      "\(plan.objective.terms.joined(separator: " + ")) (\(settings.joined(separator: ", "))) of the "
      + "images \(range.lowerBound) to \(range.upperBound - 1) of "
      + Provenance.checksum(of: images.dataset)
  }

  /// The mean loss of the images; collective.
  ///
  /// - Parameter trained: The weights to validate, the same on all ranks.
  /// - Returns: The same bits on all ranks.
  /// - Throws: `AgreedFailure` where images cannot be read, `MPIError`.
  package func loss(of trained: TrainedModel) throws -> LossReport {
    let (model, range, reader, seed) = (trained.model, images.range, reader, seed)
    let (shape, conditions) = (trained.shape, conditions)
    let width = model.terms.count + model.sums.reduce(0) { $0 + $1.count }
    let sums: [Double] = try groups.mapGroups(of: range.count, width: width) {
      (group, pool) throws(Failure) in
      let indices = group.map { range.lowerBound + $0 }
      let x0 = Tensor(Shape(group.count, shape.height, shape.width, shape.channels), in: pool)
      do {
        try reader!.read(indices, into: x0.pointer)
      } catch {
        throw ExitCode.failure(for: error)
      }
      let draws = Draws(seed: seed, firstImage: group.lowerBound)
      let batch = Batch(
        images: x0, conditions: conditions.conditions(of: indices, draws), numbers: Array(indices))
      let losses = model.loss(batch, draws, trained.makePass(pool))
      // A term is a mean over its group's images, and groups need not be equally large.
      return losses.terms.map { $0 * Double(group.count) } + losses.sums.joined()
    }
    var total = [Double](repeating: 0, count: width)
    for start in stride(from: 0, to: sums.count, by: width) {
      for i in 0..<width { total[i] += sums[start + i] }
    }
    return LossReport(
      try groups.communicator.broadcast(total, from: 0), mean: 1 / Double(range.count), of: model)
  }
}
