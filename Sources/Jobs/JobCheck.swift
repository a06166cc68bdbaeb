// What is refused before the queue, and what is only warned of.

import Foundation
import Storage
import Training

/// What was found of a job that could be started.
public struct JobCheck: Sendable {
  /// The run as its ranks would find it; of an array, that of the first seed.
  public let run: PlannedRun
  /// Sentences on what may go wrong.
  public let warnings: [String]

  /// Looks at a job, and refuses one that could not work.
  ///
  /// - Parameters:
  ///   - job: The job.
  ///   - scheduler: Who starts it.
  ///   - options: What its training is told, of an array without seed.
  ///   - place: What the file system of a folder is, for tests.
  /// - Throws: `JobError`, `StorageError`, `ConfigurationError`, and what the model refuses.
  public init(
    _ job: ScriptedJob, for scheduler: any Scheduler, _ options: RunOptions,
    place: (String) -> RunPlace = { RunPlace(of: $0) }
  ) throws {
    let (request, layout) = (job.request, job.layout)
    var warnings: [String] = []
    var planned: PlannedRun?
    for seed in request.seeds.map({ $0.range.map(Optional.some) }) ?? [nil] {
      var own = options
      own.runPath =
        seed.map { TrainingWords.folder(job.training.run, seed: $0) } ?? job.training.run
      if let seed { own.overrides.append(("seed", "\(seed)")) }
      if planned == nil {
        planned = try PlannedRun(own, ranks: layout.ranks)
      } else if !own.resumes, RunFolder(own.runPath!).exists {
        throw StorageError.cannotCreate(
          path: own.runPath!,
          reason: "holds a run already; go on with --resume, or choose another folder with --run")
      }
    }
    run = planned!
    let tree = run.plan.tree
    if layout.ranks & (layout.ranks - 1) != 0 {
      let counts = tree.validRankCounts.map(String.init).joined(separator: ", ")
      warnings.append(
        "\(layout.ranks) ranks are no power of two: this run can be moved to \(counts) ranks only.")
    }
    if let workers = run.plan.configuration.training.workers, job.training.saysWorkers,
      workers > layout.coresPerRank
    {
      throw JobError.unsuitable(
        source: "--workers \(workers)",
        reason:
          "a rank has \(layout.coresPerRank) cores; leave --workers out, or start fewer ranks "
          + "on a node")
    }
    if layout.idleCores(of: request) > 0 {
      warnings.append(
        "\(layout.idleCores(of: request)) cores of each node stay idle: "
          + "\(layout.ranksPerNode) ranks share its cores evenly.")
    }
    let cores = layout.ranks * layout.coresPerRank
    let batch = run.plan.configuration.training.batch
    if cores > batch {
      warnings.append(
        "\(cores) cores share batches of \(batch) images; with fewer cores each would have more "
          + "to do.")
    }
    try Self.require(
      place(job.training.run), of: job, scheduler, bytes: Self.bytes(run, request), &warnings)
    self.warnings = warnings
  }

  private static func bytes(_ run: PlannedRun, _ request: JobRequest) -> Int {
    let (bytes, overflows) = run.checkpointsBytes
      .multipliedReportingOverflow(by: request.seeds?.range.count ?? 1)
    return overflows ? .max : bytes
  }

  /// Refuses a folder that the nodes do not see, or that is too small.
  private static func require(
    _ place: RunPlace, of job: ScriptedJob, _ scheduler: any Scheduler, bytes: Int,
    _ warnings: inout [String]
  ) throws {
    let isHere = scheduler.submission == nil && job.layout.nodes == 1
    switch place.kind {
    case .memory where !isHere:
      throw JobError.unsuitable(
        source: job.training.run,
        reason:
          "is in the memory of this machine (\(place.name)), which no node of the job sees; choose "
          + "a folder with --run that all nodes share")
    case .memory:
      warnings.append(
        "\(job.training.run) is in memory (\(place.name)): it is lost with the machine.")
    case .local where job.layout.nodes > 1 || !isHere:
      warnings.append(
        "\(job.training.run) is on a disk of this machine (\(place.name)): do the nodes see it?")
    case .local, .shared: break
    }
    if let free = place.free, free < bytes {
      throw StorageError.cannotCreate(
        path: job.training.run,
        reason: "has room for \(text(free)), and the checkpoints need \(text(bytes)) "
          + "(keep_checkpoints and one more\(job.request.seeds == nil ? "" : ", of each seed")); make "
          + "room, or choose another --run")
    }
  }

  /// A number of bytes for people.
  static func text(_ bytes: Int) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"]
    var (value, unit) = (Double(bytes), 0)
    while value >= 1000, unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
    return String(format: unit == 0 ? "%.0f \(units[unit])" : "%.1f \(units[unit])", value)
  }
}
