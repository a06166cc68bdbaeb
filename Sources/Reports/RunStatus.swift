// status.json: how a run goes, for scripts.

import Foundation
import Storage
import Training

/// What is known of a run at a moment, as one JSON object that is there whole at any time.
public struct RunStatus: Codable, Equatable, Sendable {
  /// What a run does.
  public enum State: String, Codable, Sendable {
    /// It trains, unless its process is gone.
    case running
    /// It has done all its steps, or validation brought nothing better any more.
    case finished
    /// It was asked to stop, and goes on with --resume.
    case stopped
    /// It has ended by a fault.
    case failed
  }

  /// What the run does.
  public var state: State
  /// Why it has stopped or failed.
  public var reason: String?
  /// The name of the run.
  public var name: String
  /// The steps done.
  public var step: Int
  /// Those of the whole run.
  public var steps: Int
  /// The images a step.
  public var batch: Int
  /// The last loss.
  public var loss: Double?
  /// Its unit.
  public var unit: String?
  /// The last loss of validation.
  public var validation: Double?
  /// The least loss of validation.
  public var bestValidation: Double?
  /// The step that had it.
  public var bestStep: Int?
  /// The speed of the last steps.
  public var imagesPerSecond: Double?
  /// How long the run has trained.
  public var seconds: Double?
  /// How long it will go on.
  public var secondsLeft: Double?
  /// The newest checkpoint.
  public var checkpoint: String?
  /// When this start was, and when this was written, ISO 8601.
  public var started: String
  /// When this was written.
  public var updated: String
  /// The machine of the first rank, and its process.
  public var host: String
  /// Its number there.
  public var process: Int32
  /// The job of the batch system.
  public var job: String?
  /// The number of ranks.
  public var ranks: Int
  /// The threads of the first rank.
  public var workers: Int
  /// The machines.
  public var hosts: [String]
  /// What the job has of each machine; nil where an earlier program has not told it.
  public var nodes: [NodeReport.Node]?
  /// The scalars that are learned.
  public var parameters: Int
  /// The dataset, and how many of its images are trained on.
  public var data: String
  /// How many images are trained on.
  public var images: Int
  /// Where, when and with what this start was made.
  public var provenance: [String: String]

  /// The status of a run at the beginning of a start.
  init(_ facts: RunFacts) {
    let holder = LockHolder.current(
      host: ProcessInfo.processInfo.hostName, start: Date.now.formatted(.iso8601),
      environment: ProcessInfo.processInfo.environment)
    (state, name, step, steps) = (.running, facts.name, facts.step, facts.steps)
    (batch, unit, job) = (facts.batch, facts.unit, holder.job)
    (started, updated, host, process) = (holder.start, holder.start, holder.host, holder.process)
    (ranks, workers, nodes) = (facts.ranks, facts.workers, facts.nodes)
    hosts = facts.nodes.map(\.host)
    (parameters, data, images) = (facts.parameters, facts.dataset, facts.images)
    provenance = facts.provenance
  }

  /// Takes over what the log tells.
  mutating func update(_ series: RunSeries) {
    guard series.step > 0 else { return }
    step = series.step
    (loss, validation) = (series.last["loss"], series.last["validation"])
    (bestStep, bestValidation) = (series.bestStep, series.bestValidation)
    seconds = series.last["seconds"]
    guard let mean = series.meanSeconds else { return }
    imagesPerSecond = Double(batch) / mean
    secondsLeft = max(0, Double(steps) - Double(step)) * mean
  }

  /// The status that a run's folder holds; nil where there is none that can be read.
  public init?(path: String) {
    guard let bytes = (try? AtomicFile.contents(of: path)) ?? nil else { return nil }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let status = try? decoder.decode(Self.self, from: Data(bytes)) else { return nil }
    self = status
  }

  /// Writes it.
  ///
  /// - Throws: `StorageError`.
  func write(to path: String) throws(StorageError) {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    guard let bytes = try? encoder.encode(self) else {
      preconditionFailure("A status has finite numbers only.")
    }
    try AtomicFile.write(Array(bytes) + Array("\n".utf8), to: path)
  }
}
