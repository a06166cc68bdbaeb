// All curves of a run, and its last and best numbers.

import Foundation
import Storage

/// What the lines of metrics.jsonl have told so far.
public struct RunSeries: Codable, Equatable, Sendable {
  /// Each number by its path in the lines.
  public private(set) var series: [String: ThinnedSeries] = [:]
  /// The last value of each number.
  public private(set) var last: [String: Double] = [:]
  /// The last step; 0 before the first.
  public private(set) var step = 0
  /// The number of lines.
  public private(set) var count = 0
  /// The step whose validation was best, and its value; nil where there was none.
  public private(set) var bestStep: Int?
  /// The least validation.
  public private(set) var bestValidation: Double?
  /// The steps that were left out.
  public private(set) var skipped = 0
  /// The steps whose gradient was shortened.
  public private(set) var clipped = 0
  /// The seconds of each step, of the last ones.
  public private(set) var recentSeconds: [Double] = []

  /// How often each rank was the slowest: `rank 3 on n1`.
  public private(set) var slowest: [String: Int] = [:]
  /// How long each rank worked, at the last steps that tell it.
  private var rankSeconds: [[Double]] = []

  private static let recentCount = 65

  /// Nothing yet.
  public init() {}

  /// Takes in a line.
  ///
  /// - Parameter clipNorm: The norm from which on a gradient is shortened; nil where none is.
  public mutating func add(_ line: MetricsLine, clipNorm: Double? = nil) {
    let before = last["seconds"]
    // Of a thousand ranks a thousand curves: their medians are enough.
    for number in line.numbers where !number.path.hasPrefix("rank_seconds/") {
      series[number.path, default: ThinnedSeries()].add(step: line.step, number.value)
      last[number.path] = number.value
    }
    step = line.step
    count += 1
    if line["skipped"] == 1 { skipped += 1 }
    if let name = line.slowest { slowest[name, default: 0] += 1 }
    if let clipNorm, let norm = line["gradient_norm"], norm > clipNorm { clipped += 1 }
    if let seconds = line["seconds"] {
      recentSeconds.append(seconds - (before ?? 0))
      if recentSeconds.count > Self.recentCount { recentSeconds.removeFirst() }
    }
    if !line.rankSeconds.isEmpty {
      // On other ranks than before: their times say nothing of these.
      if rankSeconds.last?.count != line.rankSeconds.count { rankSeconds = [] }
      rankSeconds.append(line.rankSeconds)
      if rankSeconds.count > Self.recentCount { rankSeconds.removeFirst() }
    }
    if let validation = line["validation"], validation < bestValidation ?? .infinity {
      (bestStep, bestValidation) = (line.step, validation)
    }
  }

  /// The mean of the seconds that a step took lately, with all that comes between steps; nil before the first.
  public var meanSeconds: Double? {
    let sum = recentSeconds.reduce(0, +)
    return recentSeconds.isEmpty || !(1e-9...1e9 ~= sum) ? nil : sum / Double(recentSeconds.count)
  }

  /// The median of the seconds that a step took lately; nil before the first.
  public var medianSeconds: Double? {
    recentSeconds.isEmpty ? nil : recentSeconds.sorted()[recentSeconds.count / 2]
  }

  /// The median of the seconds that each rank worked in a step lately; empty where that is not known.
  public var medianRankSeconds: [Double] {
    // What is kept beside a log is a file, which may hold rows of any length.
    (rankSeconds.last ?? []).indices.map { rank in
      let seconds = rankSeconds.filter { $0.indices.contains(rank) }.map { $0[rank] }.sorted()
      return seconds[seconds.count / 2]
    }
  }

  /// The paths that begin with a name, in their order: `terms/kl`, `terms/reconstruction` of `terms`.
  public func paths(in group: String) -> [String] {
    series.keys.filter { $0.hasPrefix(group + "/") }.sorted {
      $0.compare($1, options: .numeric) == .orderedAscending
    }
  }
}

/// The curves of a run as they are kept beside its log, so that a long log is read only once.
private struct KeptSeries: Codable {
  private static let version = 2

  private var version = Self.version
  /// How many bytes of the log they are of.
  fileprivate var offset: UInt64 = 0
  /// The checksum of the last of these bytes.
  fileprivate var mark = ""
  /// The curves.
  fileprivate(set) var series = RunSeries()

  /// Nothing yet.
  fileprivate init() {}

  /// Those that were kept of a log; nil where there are none, or they are of another log.
  fileprivate static func load(_ path: String, _ log: String) -> KeptSeries? {
    guard let bytes = (try? AtomicFile.contents(of: path)) ?? nil, bytes.count < 64 << 20,
      let kept = try? JSONDecoder().decode(Self.self, from: Data(bytes)), kept.version == version,
      kept.offset < 1 << 53, mark(of: log, at: kept.offset) == kept.mark
    else { return nil }
    return kept
  }

  /// The last bytes before a place of a log, which name steps and losses: another run's are others.
  fileprivate static func mark(of log: String, at offset: UInt64) -> String? {
    guard let handle = FileHandle(forReadingAtPath: log) else { return nil }
    defer { try? handle.close() }
    let start = offset - min(offset, 4096)
    guard (try? handle.seek(toOffset: start)) != nil,
      let bytes = try? handle.read(upToCount: Int(offset - start)), bytes.count == offset - start
    else { return nil }
    var hash = ContentHash()
    bytes.withUnsafeBytes { hash.update($0) }
    return hash.digest().map { String(format: "%02x", $0) }.joined()
  }
}

/// The curves of a run whose log is read on again and again.
package struct SeriesFollower {
  private let log: String
  private let path: String
  private let clipNorm: Double?
  private var kept: KeptSeries
  private var reader: MetricsReader

  /// The curves of a log; those that were kept of it are taken over.
  package init(log: String, keptAt path: String, clipNorm: Double?) {
    (self.log, self.path, self.clipNorm) = (log, path, clipNorm)
    kept = KeptSeries.load(path, log) ?? KeptSeries()
    reader = MetricsReader(path: log, offset: kept.offset)
  }

  /// The curves up to the end of the log.
  ///
  /// - Parameter keeps: Whether they are kept for the next time, where much is new and nothing else has that
  ///   name.
  package mutating func read(keeps: Bool = false) throws -> RunSeries {
    let known = kept.offset
    try reader.read { lines, beginsAnew in
      if beginsAnew { kept.series = RunSeries() }
      for line in lines { kept.series.add(line, clipNorm: clipNorm) }
    }
    kept.offset = reader.offset
    if keeps, kept.offset > known, kept.offset - known > 1 << 20,
      let mark = KeptSeries.mark(of: log, at: kept.offset)
    {
      kept.mark = mark
      let old = (try? AtomicFile.contents(of: path)) ?? nil
      let isOurs = old.map { (try? JSONDecoder().decode(KeptSeries.self, from: Data($0))) != nil }
      if isOurs ?? true, let bytes = try? JSONEncoder().encode(kept) {
        try? AtomicFile.write(Array(bytes), to: path)
      }
    }
    return kept.series
  }
}
