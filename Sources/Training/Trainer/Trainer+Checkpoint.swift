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
    let whole = isFirst ? AlignedFloats(count: weights.count) : nil
    func gathered(_ owned: OwnedBuffer) throws -> [Float] {
      try exchange.gather(owned, into: whole)
      return whole?.values ?? []
    }
    let (ema, first, second) = (
      try gathered(adam.ema), try gathered(adam.first), try gathered(adam.second)
    )
    guard isFirst else { return nil }
    return Checkpoint(
      layout: objective.parameters.layout, model: weights.values, ema: ema,
      firstMoment: first, secondMoment: second,
      progress: Checkpoint.Progress(
        step: step, imagesSeen: step * plan.configuration.training.batch, epochs: epochs,
        seed: plan.seed, shards: plan.tree.shards, loss: loss),
      configuration: plan.configuration.yaml(roles: [.model, .training]),
      facts: objective.facts, state: objective.state, provenance: provenance)
  }

  /// Takes over the state of a checkpoint; collective.
  ///
  /// - Parameters:
  ///   - point: How far the run had come, the same on all ranks.
  ///   - checkpoint: The checkpoint on rank 0, nil elsewhere.
  package func restore(_ point: ResumePoint, _ checkpoint: Checkpoint?) throws {
    step = point.step
    loss = point.loss
    objective.state = point.state
    adam.resume(afterSteps: step)
    if let checkpoint { _ = weights.elements.update(from: checkpoint.model) }
    try exchange.communicator.broadcast(weights.elements, from: 0)
    for (values, owned) in [
      (checkpoint?.ema, adam.ema), (checkpoint?.firstMoment, adam.first),
      (checkpoint?.secondMoment, adam.second),
    ] {
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
