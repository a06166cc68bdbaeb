// What a check has found, for people and scripts.

import Benchmark
import Foundation
import MPI

/// What `ddpm-dist check` has found: the JSON of its `--json`.
public struct CheckReport: Codable, Sendable {
  /// A check, and what it has found.
  public struct Row: Codable, Sendable {
    /// Its name.
    public let check: String
    /// What it has found.
    public let finding: Finding
  }

  /// `ddpm-dist`, and its version.
  public let program, version: String
  /// The ranks of the job.
  public let ranks: Int
  /// The machines that they are on.
  public let hosts: [String]
  /// The checks that were made, in their order.
  public let rows: [Row]
  /// What a message costs, where it was measured.
  public let exchange: LinkCost?
  /// The memory of a rank, as it is predicted.
  package let memory: MemoryEstimate?
  /// The most memory of the first rank and of another, as it is predicted, bytes.
  public let peakBytes, otherPeakBytes: Int?
  /// The most memory that the first rank has had in the steps that were made, bytes.
  public let measuredBytes: Int?
  /// The files of the run.
  package let disk: DiskEstimate?
  /// Seconds of the steps that were made.
  public let stepSeconds: Statistics?
  /// The whole run.
  public let forecast: RunForecast?
  /// Other numbers of machines.
  public let nodes: [NodeForecast]
  /// How much the numbers of other machines rest on, in words; empty where there are none.
  public let basis: String

  /// Why the run cannot work, in one line; nil where it can.
  public var failure: Failure? {
    guard let row = rows.first(where: { $0.finding.verdict == .impossible }) else { return nil }
    // Of a run that is refused, what is measured is a sentence that says what to do.
    let advice = row.check == Check.run.name ? nil : row.finding.advice
    return Failure(
      "this run cannot work: \(row.check): \(row.finding.measured)"
        + (advice.map { ". \($0)" } ?? ""), exitCode: row.finding.exitCode)
  }

  /// The report as JSON with sorted keys in snake case, and a line break at its end.
  public func json() throws -> String { try reportJSON(self) }
}
