// The trainer's state as a checkpoint, and back, for any number of ranks.

import MPI
import Parallel
import Storage
import Tensors

extension Trainer {
  /// The state without its tensors, which `writeTensors` gives.
  package func checkpoint(provenance: [String: String]) -> Checkpoint {
    Checkpoint(
      layout: objective.parameters.layout, model: [], ema: [], firstMoment: [], secondMoment: [],
      progress: Checkpoint.Progress(
        step: step, imagesSeen: step * plan.configuration.training.batch, epochs: epochs,
        seed: plan.seed, shards: plan.tree.shards, loss: loss),
      configuration: plan.configuration.yaml(roles: [.model, .training]),
      facts: objective.facts, state: objective.state, trainer: numbers, provenance: provenance)
  }

  /// The step's snapshot of the power averages without them, which `writeAverages` gives.
  package var averageSnapshot: AverageSnapshot {
    AverageSnapshot(
      step: step, seed: plan.seed, layout: objective.parameters.layout, averages: [:])
  }

  /// The lengths of the power averages.
  package var averageLengths: [Double] { adam.settings.averages.map(\.length) }

  /// Gives all tensors of the state to a file, as they are gathered; collective.
  ///
  /// - Parameter file: On rank 0, the file of `checkpoint`; nil elsewhere, and where there is none.
  package func writeTensors(to file: TensorFile?) throws {
    file?.append(UnsafeBufferPointer(weights.elements))
    for owned in [adam.ema, adam.first, adam.second] {
      try exchange.gather(owned) { file?.append($0) }
    }
    try writeAverages(to: file)
  }

  /// Gives the power averages to a file, as they are gathered; collective.
  ///
  /// - Parameter file: On rank 0, the file of `averageSnapshot`; nil elsewhere, and where there is none.
  package func writeAverages(to file: TensorFile?) throws {
    let byLength = zip(averageLengths, adam.averages).sorted { $0.0 < $1.0 }
    for (_, owned) in byLength { try exchange.gather(owned) { file?.append($0) } }
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
