// Where the time of a step goes, on the rank that holds up the others.

/// What one rank does in a step, in seconds of its clock.
package struct StepTimes: Equatable, Sendable {
  /// Forward and backward, on all of its workers together.
  package var compute = 0.0
  /// Reading images, as much of the workers' time as all of them spend on it together, divided by their
  /// number.
  package var read = 0.0
  /// From its own last shard until the gradients of all ranks are added, at the step before.
  package var wait = 0.0
  /// The optimizer, and the spreading of the weights, at the step before.
  package var update = 0.0

  /// The numbers as they travel with the losses.
  var vector: [Double] { [compute, read, wait, update] }

  init() {}

  init(_ vector: [Double]) {
    (compute, read, wait, update) = (vector[0], vector[1], vector[2], vector[3])
  }

  /// The rank that computes and reads longest, and what it does; the first of several.
  package static func slowest(_ ranks: [StepTimes]) -> (rank: Int, times: StepTimes) {
    let rank = ranks.indices.max { (ranks[$0].work, $1) < (ranks[$1].work, $0) } ?? 0
    return (rank, ranks[rank])
  }

  /// Everything but waiting and updating: what differs between ranks that do the same.
  package var work: Double { compute + read }
}
