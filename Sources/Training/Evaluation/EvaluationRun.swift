// An evaluation from its first image to its last, which can be ended and go on.

import Foundation
import Logging
import MPI
import Models
import Parallel
import Storage
import Synchronization

/// What is to be evaluated, beside the model.
public struct EvaluationRequest: Sendable {
  /// The images.
  public var dataset: ImageDataset
  /// Which of them.
  public var part: Range<Int>
  /// The seed of all random numbers.
  public var seed: UInt64
  /// What the model is told of them.
  public var conditions: ImageConditions
  /// Where the numbers of the images that are done are kept; nil: nowhere.
  public var workFile: String?

  /// Some images of a dataset.
  public init(
    _ dataset: ImageDataset, _ part: Range<Int>, _ conditions: ImageConditions = .none,
    seed: UInt64, workFile: String? = nil
  ) {
    (self.dataset, self.part, self.seed, self.workFile) = (dataset, part, seed, workFile)
    self.conditions = conditions
  }

  /// What the images cost in truth, nats of an image, where the dataset knows its distribution: the
  /// mean of all of them, or what the distribution's images cost on average.
  public var truth: Double? {
    let truth = dataset.truth
    return part.count == dataset.count
      ? truth?.negativeLogLikelihood : truth?.entropy ?? truth?.negativeLogLikelihood
  }
}

/// Evaluates images round after round, and keeps what is done.
public struct EvaluationRun {
  /// The time between two writings of the work file.
  private static let pause = Duration.seconds(30)

  private let groups: ImageGroups
  private let trained: TrainedModel
  private let evaluation: any Evaluation
  private let request: EvaluationRequest
  private let logger: Logger
  private let stop: StopRequest?

  /// Prepares an evaluation; the same on all ranks.
  ///
  /// - Parameter stop: What the evaluation may be asked to stop by; nil: nothing.
  public init(
    _ trained: TrainedModel, _ evaluation: any Evaluation, _ request: EvaluationRequest,
    _ groups: ImageGroups, logger: Logger, stop: StopRequest? = nil
  ) {
    (self.trained, self.evaluation, self.request) = (trained, evaluation, request)
    (self.groups, self.logger, self.stop) = (groups, logger, stop)
  }

  /// Evaluates all images that are not done; collective.
  ///
  /// - Returns: On rank 0 the numbers of all images; those of none elsewhere.
  /// - Throws: `AgreedFailure`, `MPIError`.
  public func measure() throws -> Measurements {
    let (total, width) = (request.part.count, evaluation.width)
    let isFirst = groups.communicator.rank == 0
    var numbers = try earlierNumbers()
    var done = try groups.communicator.broadcast([numbers.count / width], from: 0)[0]
    if done > 0 { logger.notice("Going on after \(done) of \(total) images.") }
    let images = DatasetEvaluation(
      trained, evaluation, request.conditions, seed: request.seed)
    let progress = EvaluationProgress(
      evaluation.evaluations, images: total - done, groups, isSilent: !isFirst)
    // Rounds end together: several groups for each worker make the wait short.
    let round = 4 * ImageGroups.size * groups.workers.count * groups.communicator.size
    var lastWritten = ContinuousClock.now
    while done < total {
      let end = min(done + round, total)
      let first = request.part.lowerBound
      numbers += try images.measure(
        request.dataset, first + done..<first + end, groups, progress: progress.advance)
      done = end
      progress.finish(images: done == total ? nil : end)
      let reason = done < total ? try stop?.reason() : nil
      try groups.communicator.together {
        guard isFirst, done < total, let path = request.workFile,
          reason != nil || ContinuousClock.now - lastWritten > Self.pause
        else { return }
        try UnfinishedEvaluation(identity: identity, width: width, numbers: numbers)
          .write(to: path)
        lastWritten = ContinuousClock.now
      }
      if let reason {
        logger.notice("Stopping, since \(reason.text).")
        throw Interruption(
          request.workFile == nil
            ? "stopped after \(done) of \(total) images; with --output they would have been kept"
            : "kept \(done) of \(total) images; go on with the same command")
      }
    }
    return Measurements(numbers, width: width)
  }

  /// Removes the work file, once the results are safe.
  public func finish() {
    if let path = request.workFile { try? UnfinishedEvaluation.remove(path: path) }
  }

  /// What an earlier process has done, on rank 0; empty elsewhere.
  private func earlierNumbers() throws -> [Double] {
    try groups.communicator.together {
      guard groups.communicator.rank == 0, let path = request.workFile,
        FileManager.default.fileExists(atPath: path)
      else { return [] }
      let work = try UnfinishedEvaluation.read(
        path: path, identity: identity, width: evaluation.width)
      let images = work.numbers.count / work.width
      guard images < request.part.count, images % ImageGroups.size == 0 else {
        throw StorageError.badData(
          path: path, reason: "has \(images) images done, which cannot be; remove it")
      }
      return work.numbers
    }
  }

  /// Everything that decides on the numbers.
  package var identity: String {
    let facts = evaluation.facts.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    return
      ([
        "weights=\(trained.checksum)",
        "images=\(Provenance.checksum(of: request.dataset))\(request.conditions.checksum)",
        "part=\(request.part)", "seed=\(request.seed)",
      ] + (trained.precision == .float32 ? [] : ["precision=\(trained.precision)"]) + facts).joined(
        separator: " ")
  }
}

/// The line that says how far an evaluation is.
private final class EvaluationProgress: Sendable {
  private let progress: Progress
  private let counter = Atomic(0)
  private let total: Int
  private let images: Int
  private let began = ContinuousClock.now
  private let counts: Bool

  /// - Parameter evaluations: Those of an image; nil: images count when they are done.
  init(_ evaluations: Int?, images: Int, _ groups: ImageGroups, isSilent: Bool) {
    progress = Progress(isSilent: isSilent)
    self.images = images
    counts = evaluations != nil
    // This rank's share, about: all ranks have as much to do.
    let mine = Double(ImageGroups.count(of: images)) / Double(groups.communicator.size)
    total = max(1, Int((mine * Double(evaluations ?? 1)).rounded(.up)))
  }

  @Sendable func advance() {
    let done = counter.add(1, ordering: .relaxed).newValue
    guard counts else { return }
    show(min(1, Double(done) / Double(total)))
  }

  /// - Parameter images: The images that are done; nil: all.
  func finish(images done: Int?) {
    guard let done else {
      let seconds = (ContinuousClock.now - began) / .seconds(1)
      progress.show(isLast: true) {
        "evaluated \(images) \(images == 1 ? "image" : "images") in \(Progress.duration(seconds))"
      }
      return
    }
    if !counts { show(Double(done) / Double(max(1, images))) }
  }

  private func show(_ share: Double) {
    progress.show {
      let elapsed = (ContinuousClock.now - began) / .seconds(1)
      return "evaluating \(Progress.bar(share)) "
        + "ETA \(Progress.duration(elapsed / share * (1 - share)))"
    }
  }
}
