// When a job has to be over: as the user says, or as the scheduler does.

import Foundation

/// A moment at which a job has to be over, and who says so.
public struct TimeLimit: Equatable, Sendable {
  /// Seconds since 1970.
  let end: Double
  /// As `--time-limit 11:50:00`.
  let source: String
  /// Seconds that are kept free before the end, beside a step and a save.
  let margin: Double

  package init(end: Double, source: String, margin: Double) {
    (self.end, self.source, self.margin) = (end, source, margin)
  }

  /// The seconds of a time such as `90` (minutes), `11:50:00`, `1:30` (minutes and seconds) or
  /// `2-12:00:00` (days), as Slurm reads them; nil for another text, and for none at all.
  public static func seconds(_ text: String) -> Double? {
    var rest = text[...]
    var days: Double?
    if let dash = rest.firstIndex(of: "-") {
      guard let number = count(rest[..<dash]) else { return nil }
      days = number
      rest = rest[rest.index(after: dash)...]
    }
    let parts = rest.split(separator: ":", omittingEmptySubsequences: false).map(count)
    guard (1...3).contains(parts.count), parts.allSatisfy({ $0 != nil }) else { return nil }
    let numbers = parts.map { $0! }
    let seconds: Double
    if let days {
      // Hours come first after days.
      let units = [3600.0, 60, 1]
      seconds = 86_400 * days + zip(numbers, units).reduce(0) { $0 + $1.0 * $1.1 }
    } else {
      switch numbers.count {
      case 1: seconds = 60 * numbers[0]
      case 2: seconds = 60 * numbers[0] + numbers[1]
      default: seconds = 3600 * numbers[0] + 60 * numbers[1] + numbers[2]
      }
    }
    return seconds > 0 && seconds < 1e9 ? seconds : nil
  }

  /// The sentence on a text that is no time; nil for one that is, and for none at all.
  public static func fault(in text: String?) -> String? {
    guard let text, seconds(text) == nil else { return nil }
    return "--time-limit \(text): give minutes, minutes:seconds, hours:minutes:seconds or "
      + "days-hours:minutes:seconds."
  }

  private static func count(_ text: Substring) -> Double? {
    guard !text.isEmpty, text.allSatisfy({ $0.isASCII && $0.isNumber }), text.count < 10 else {
      return nil
    }
    return Double(text)
  }

  /// The limits of this process: what the user has said, counted from the start of the process, and when
  /// Slurm ends the job.
  ///
  /// - Parameters:
  ///   - text: `--time-limit`; nil: nothing is said.
  ///   - start: When the process began, seconds since 1970.
  static func all(
    _ text: String?, since start: Double,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> [TimeLimit] {
    var limits: [TimeLimit] = []
    if let text, let seconds = seconds(text) {
      limits.append(TimeLimit(end: start + seconds, source: "--time-limit \(text)", margin: 2))
    }
    // Slurm sends its signals up to a minute early or late, and counts what comes after the job.
    if let text = environment["SLURM_JOB_END_TIME"], let end = Double(text), end > start {
      limits.append(TimeLimit(end: end, source: "Slurm's end of the job", margin: 60))
    }
    return limits
  }
}
