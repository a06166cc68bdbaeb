// What a job costs, and by a benchmark how long its training takes.

import Benchmark
import Foundation
import Storage
import Training

/// How long a training takes, by a benchmark.
public struct JobEstimate: Equatable, Sendable {
  /// The seconds of all steps that are left, without validation and samples.
  public let seconds: Double
  /// The jobs that it takes one after the other; nil where their time has no limit.
  public let links: Int?

  /// Computes how long a training takes.
  ///
  /// The time of a step is the benchmark's, times its workers over those of the job, times the batch of
  /// the job over the benchmark's.
  ///
  /// - Parameters:
  ///   - report: What `ddpm-dist benchmark --json` has measured.
  ///   - steps: The steps that are left.
  ///   - batch: The images of a step.
  ///   - workers: The workers of all ranks.
  ///   - time: The seconds that a job trains; nil: as long as it takes.
  /// - Returns: nil where no steps were measured, or times that are none.
  public init?(_ report: BenchmarkReport, steps: Int, batch: Int, workers: Int, time: Int?) {
    guard let step = report.parts.step, step.images > 0, report.workers > 0,
      step.seconds.median > 0
    else { return nil }
    let share = Double(report.workers) / Double(workers) * Double(batch) / Double(step.images)
    let seconds = step.seconds.median * share * Double(steps)
    // Some thousand years.
    guard seconds < 1e11 else { return nil }
    self.seconds = seconds
    links = time.map { max(1, Int((seconds / Double($0)).rounded(.up))) }
  }

  /// Reads a report of `ddpm-dist benchmark --json`.
  ///
  /// - Throws: `StorageError`.
  public static func report(ofFile path: String) throws(StorageError) -> BenchmarkReport {
    let bytes = try readSmallFile(path, role: "a report of a benchmark", limit: 16 << 20)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do {
      return try decoder.decode(BenchmarkReport.self, from: Data(bytes))
    } catch {
      throw .badData(path: path, reason: "is no report of ddpm-dist benchmark --json")
    }
  }

  /// Seconds for people: `2-03:00:00`.
  public static func text(_ seconds: Double) -> String {
    let whole = Int(min(seconds, 1e12).rounded(.up))
    let days = whole / 86_400
    return (days > 0 ? "\(days)-" : "") + ScriptedJob.clock(whole % 86_400)
  }

  /// The hours of nodes that a request asks for, at most; nil where it has no limit.
  public static func nodeHours(_ job: ScriptedJob, for scheduler: any Scheduler) -> Double? {
    job.time(on: scheduler).map { time in
      let jobs = Double(job.request.seeds?.range.count ?? 1) * Double(job.request.links)
      return Double(job.layout.nodes) * Double(time) * jobs / 3600
    }
  }
}
