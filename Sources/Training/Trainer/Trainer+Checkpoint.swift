// The trainer's state as a checkpoint, and back, for any number of ranks.

import MPI
import Parallel
import Storage
import Tensors

extension Trainer {
  /// The whole state, gathered on rank 0; collective.
  ///
  /// - Returns: The checkpoint on rank 0, nil elsewhere.
  package func checkpoint(provenance: [String: String]) throws -> Checkpoint? {
    let isFirst = exchange.communicator.rank == 0
    let (ema, first, second) = (
      try gathered(adam.ema), try gathered(adam.first), try gathered(adam.second)
    )
    let averages = try gatheredAverages()
    guard isFirst else { return nil }
    return Checkpoint(
      layout: objective.parameters.layout, model: weights.values, ema: ema,
      firstMoment: first, secondMoment: second, averages: averages,
      progress: Checkpoint.Progress(
        step: step, imagesSeen: step * plan.configuration.training.batch, epochs: epochs,
        seed: plan.seed, shards: plan.tree.shards, loss: loss),
      configuration: plan.configuration.yaml(roles: [.model, .training]),
      facts: objective.facts, state: objective.state, trainer: numbers, provenance: provenance)
  }

  /// The power averages, gathered on rank 0; collective.
  ///
  /// - Returns: The averages of this step on rank 0, nil elsewhere.
  package func averages() throws -> AverageSnapshot? {
    let isFirst = exchange.communicator.rank == 0
    let averages = try gatheredAverages()
    guard isFirst else { return nil }
    return AverageSnapshot(
      step: step, seed: plan.seed, layout: objective.parameters.layout, averages: averages)
  }

  /// The power averages by their lengths, on rank 0; collective.
  private func gatheredAverages() throws -> [Double: [Float]] {
    var averages: [Double: [Float]] = [:]
    for (average, owned) in zip(adam.settings.averages, adam.averages) {
      averages[average.length] = try gathered(owned)
    }
    return averages
  }

  /// A whole buffer on rank 0, nothing elsewhere; collective.
  private func gathered(_ owned: OwnedBuffer) throws -> [Float] {
    guard exchange.communicator.rank == 0 else {
      try exchange.gather(owned, into: nil)
      return []
    }
    return try [Float](unsafeUninitializedCapacity: weights.count) { buffer, count in
      let whole = UnsafeMutableBufferPointer(rebasing: buffer[..<weights.count])
      try exchange.gather(owned, into: whole)
      count = weights.count
    }
  }

  /// Takes over the state of a checkpoint; collective.
  ///
  /// - Parameters:
  ///   - point: How far the run had come, the same on all ranks.
  ///   - checkpoint: The checkpoint on rank 0, nil elsewhere. It must have the power averages of the
  ///     settings; others are left alone.
  package func restore(_ point: ResumePoint, _ checkpoint: Checkpoint?) throws {
    step = point.step
    loss = point.loss
    objective.state = point.state
    (watch, rollbacks) = (point.trainer.watch, point.trainer.rollbacks)
    adam.resume(afterSteps: step, updates: point.trainer.updates)
    if let checkpoint { _ = weights.elements.update(from: checkpoint.model) }
    try exchange.communicator.broadcast(weights.elements, from: 0)
    let averages = zip(adam.settings.averages, adam.averages).map { average, owned in
      (checkpoint.map { $0.averages[average.length]! }, owned)
    }
    for (values, owned) in [
      (checkpoint?.ema, adam.ema), (checkpoint?.firstMoment, adam.first),
      (checkpoint?.secondMoment, adam.second),
    ] + averages {
      try exchange.scatter(values.map { AlignedFloats($0) }, into: owned)
    }
  }

  /// The model with the moving average of the weights; collective.
  package func emaModel() throws -> TrainedModel {
    let whole = AlignedFloats(count: weights.count)
    try exchange.gatherEverywhere(adam.ema, into: whole)
    return TrainedModel(objective, adopting: whole, plan.configuration.data)
  }
}
