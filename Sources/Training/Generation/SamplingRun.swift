// A job of drawing images, from the first to the last, which can be ended and go on.

import Logging
import MPI
import Parallel
import Storage
import Tensors

/// Draws images group after group, and keeps what is done: no rank ever holds all of them.
public struct SamplingRun {
  private let sampler: ImageSampler
  private let request: SamplingRequest
  private let groups: ImageGroups
  private let logger: Logger
  private let stop: StopRequest?

  /// Prepares a job; the same on all ranks.
  ///
  /// - Parameter stop: What the job may be asked to stop by; nil: nothing.
  public init(
    _ sampler: ImageSampler, _ request: SamplingRequest, _ groups: ImageGroups, logger: Logger,
    stop: StopRequest? = nil
  ) {
    (self.sampler, self.request, self.groups, self.logger) = (sampler, request, groups, logger)
    self.stop = stop
  }

  /// Draws what is not there, and writes the outputs; collective.
  ///
  /// - Returns: On rank 0, what a user should know of the images as a whole, in sentences.
  /// - Throws: `AgreedFailure`, `MPIError`.
  public func run() throws -> [String] {
    let communicator = groups.communicator
    let isFirst = communicator.rank == 0
    let sink = try communicator.together {
      isFirst ? try SampleSink(sampler, request) : nil
    }
    let missing = try communicator.broadcast(sink?.missingGroups ?? [], from: 0)
    let total = request.images.count
    let left = missing.reduce(0) {
      $0 + ImageGroups.images(of: $1).clamped(to: request.images).count
    }
    if left < total {
      logger.notice("Going on: \(total - left) of \(total) images are there.")
    }
    if left > 0, let evaluations = sampler.generation.evaluations {
      logger.info(
        "\(evaluations) \(evaluations == 1 ? "evaluation" : "evaluations") of the network for each image"
      )
    }
    let progress = Progress(isSilent: !isFirst)
    var drawn = 0
    var reason: StopReason?
    let began = ContinuousClock.now
    try sampler.draw(
      groups: missing,
      together: request.together
        ?? ImageGroups.size * groups.workers.count * communicator.size
    ) { share in
      progress.show {
        let elapsed = (ContinuousClock.now - began) / .seconds(1)
        let drawn = total - left + Int(share * Double(left))
        // The first moments say little of the rest.
        let rest = elapsed < 3 ? "" : ", ETA \(Progress.duration(elapsed / share * (1 - share)))"
        return "sampling \(Progress.bar(Double(drawn) / Double(total))) \(drawn) of \(total)\(rest)"
      }
    } receive: { group in
      try sink?.receive(group)
      drawn += group.images.clamped(to: request.images).count
    } isLast: {
      reason = try stop?.reason()
      return reason != nil
    }
    drawn = try communicator.broadcast([drawn], from: 0)[0]
    if let reason, drawn < left {
      progress.interrupt()
      logger.notice("Stopping, since \(reason.text).")
      try communicator.together { try sink?.keep() }
      throw Interruption(
        "kept \(total - left + drawn) of \(total) images; go on with --resume")
    }
    let seconds = (ContinuousClock.now - began) / .seconds(1)
    progress.show(isLast: true) {
      "sampled \(left) \(left == 1 ? "image" : "images") in \(Progress.duration(seconds))"
    }
    return try communicator.together { try sink?.finish() ?? [] }
  }
}
