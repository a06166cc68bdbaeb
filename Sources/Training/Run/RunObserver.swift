// Who is told how a run goes, beside its log.

import Models
import Storage

/// What keeps records of a run, a report for example: told on the first rank, on the thread that trains.
///
/// An observer returns at once and does its work elsewhere; nothing that happens to it ends a run.
public protocol RunObserver: Sendable {
  /// The folder is ready, and training begins or goes on.
  ///
  /// - Parameter warn: Says what ends nothing; from any thread.
  func runBegins(_ facts: RunFacts, warn: @escaping @Sendable (String) -> Void)
  /// A checkpoint or a grid of samples is new in the folder.
  func runHasNewFiles()
  /// All steps were done before this start: what a process that was killed has not come to is made up for.
  func runIsDone(_ facts: RunFacts)
  /// Training has ended, and all files are there; the process goes on only after this returns.
  func runEnds(_ end: RunEnd)
}

/// How a run has ended.
public enum RunEnd: Equatable, Sendable {
  /// All steps are done, or validation brings nothing better any more.
  case finished
  /// It was asked to stop; why and what was kept.
  case stopped(String)
  /// By a fault, in one line.
  case failed(String)

  /// The end that an error stands for.
  init(_ error: any Error) {
    switch error {
    case let interruption as Interruption: self = .stopped(interruption.description)
    default: self = .failed(ExitCode.failure(for: error).message)
    }
  }
}

/// What is known of a run when it begins.
public struct RunFacts: Sendable {
  /// The run's folder.
  public let folder: RunFolder
  /// The run's name.
  public let name: String
  /// The steps done before.
  public let step: Int
  /// The steps of the whole run.
  public let steps: Int
  /// The images a step.
  public let batch: Int
  /// The unit of the loss; nil where it has none.
  public let unit: String?
  /// The norm from which on gradients are shortened.
  public let clipNorm: Double
  /// The scalars that are learned.
  public let parameters: Int
  /// The path of the dataset.
  public let dataset: String
  /// How many of its images are trained on.
  public let images: Int
  /// The number of ranks.
  public let ranks: Int
  /// The threads of the first rank.
  public let workers: Int
  /// The machines.
  public let nodes: [NodeReport.Node]
  /// Where, when and with what the run was started.
  public let provenance: [String: String]

  /// The facts of what is to be run.
  init(
    _ request: RunRequest, _ objective: any Objective, nodes: [NodeReport.Node], workers: Int,
    ranks: Int,
    provenance: [String: String]
  ) {
    let (plan, configuration) = (request.plan, request.plan.configuration)
    (folder, name, step) = (request.folder, configuration.run.name, request.point?.step ?? 0)
    (steps, batch) = (configuration.training.steps, configuration.training.batch)
    (unit, clipNorm) = (objective.unit, configuration.optimizer.clipNorm)
    parameters = objective.parameters.layout.count
    (dataset, images) = (plan.dataset.path, plan.imageCount)
    (self.ranks, self.workers, self.nodes, self.provenance) = (ranks, workers, nodes, provenance)
  }
}
