// What is kept of a run beside its log while it trains: status, tables, events, the report.

import Foundation
import Storage
import Synchronization
import Training

/// Writes status.json, metrics.csv, an event file and report.html into a run's folder.
///
/// All of it follows from metrics.jsonl and the other files of the folder, read and written on a thread of
/// its own: training does not wait, and no fault of it ends a run.
public final class RunRecords: RunObserver {
  /// How often the log is looked at, in seconds.
  private static let pause = 5.0
  /// The least time between two statuses of a run that goes on.
  private static let statusPause = Duration.seconds(10)
  /// The least time between two reports of a run that goes on, in seconds.
  private static let reportPause = 20.0

  private let queue = DispatchQueue(label: "records of the run", qos: .utility)
  /// Only touched on the queue.
  nonisolated(unsafe) private var work: Work?
  private let hasEnded = Atomic(false)

  /// Nothing to record yet.
  public init() {}

  /// Begins to read the log.
  public func runBegins(_ facts: RunFacts, warn: @escaping @Sendable (String) -> Void) {
    queue.async { [self] in
      work = Work(facts, warn)
      work?.update()
      schedule()
    }
  }

  /// Writes status and report anew, if it is time for them.
  public func runHasNewFiles() {
    queue.async { [self] in
      work?.hasNewFiles = true
      work?.update()
    }
  }

  /// Takes in the rest of the log, and writes everything for the last time.
  public func runEnds(_ end: RunEnd) {
    hasEnded.store(true, ordering: .relaxed)
    queue.sync { work?.end(end) }
  }

  /// Says that the run is finished, where a process that was killed has not come to it.
  public func runIsDone(_ facts: RunFacts) {
    guard let status = RunStatus(path: facts.folder.status), status.state == .running else {
      return
    }
    queue.sync {
      work = Work(facts) { _ in }
      work?.end(.finished)
    }
  }

  private func schedule() {
    queue.asyncAfter(deadline: .now() + Self.pause) { [weak self] in
      guard let self, !hasEnded.load(ordering: .relaxed) else { return }
      work?.update()
      schedule()
    }
  }

  /// The state of the queue.
  private struct Work {
    let folder: RunFolder
    let warn: @Sendable (String) -> Void
    var hasNewFiles = true
    private let clipNorm: Double
    private var reader: MetricsReader
    private var series = RunSeries()
    private var status: RunStatus
    private var table: MetricsTable
    private var events: EventLog
    private var faults = Set<String>()
    /// Files of these names that are not ours: they stay as they are.
    private var foreign = Set<String>()
    private var lastReport = ContinuousClock.now - .seconds(1000)
    private var lastStatus = ContinuousClock.now - .seconds(1000)

    init(_ facts: RunFacts, _ warn: @escaping @Sendable (String) -> Void) {
      (folder, self.warn, clipNorm) = (facts.folder, warn, facts.clipNorm)
      reader = MetricsReader(path: folder.metrics)
      status = RunStatus(facts)
      table = MetricsTable(path: folder.table, log: folder.metrics)
      events = EventLog(folder: folder.path, log: folder.metrics, host: status.host)
      for (kind, path) in [
        (OutputKind.page, folder.report), (.status, folder.status), (.metrics, folder.table),
      ] {
        attempt(path) { _ in
          try kind.check(target: path, inputs: [], isForced: false)
        }
        if faults.contains(path) { foreign.insert(path) }
      }
    }

    /// Takes in what is new in the folder.
    mutating func update() {
      let wasEmpty = series.step == 0
      readLog()
      // A page without numbers helps nobody: it is made anew as soon as there are some.
      if wasEmpty, series.step > 0 { (hasNewFiles, lastReport) = (true, .now - .seconds(1000)) }
      if hasNewFiles || ContinuousClock.now - lastStatus > RunRecords.statusPause { writeStatus() }
      if hasNewFiles, ContinuousClock.now - lastReport > .seconds(RunRecords.reportPause) {
        report()
      }
    }

    /// Takes in all that is there, and how the run has ended.
    mutating func end(_ end: RunEnd) {
      readLog()
      switch end {
      case .finished: status.state = .finished
      case .stopped(let reason): (status.state, status.reason) = (.stopped, reason)
      case .failed(let reason): (status.state, status.reason) = (.failed, reason)
      }
      status.secondsLeft = nil
      writeStatus()
      report(end)
    }

    /// Reads the log on, some lines at a time: all of a long one would take much memory.
    private mutating func readLog() {
      var reader = reader
      attempt(folder.metrics) { work in
        try reader.read { lines, _ in work.take(lines) }
      }
      self.reader = reader
      take([])
    }

    /// Takes in lines of the log, and what else is new.
    private mutating func take(_ lines: [MetricsLine]) {
      for line in lines { series.add(line, clipNorm: clipNorm) }
      attempt(folder.table) { try $0.table.append(lines) }
      let samples = folder.sampleGrids()
      attempt("the event file") {
        try $0.events.append(lines, seconds: $0.series.last["seconds"] ?? 0, samples: samples)
      }
    }

    private mutating func writeStatus() {
      lastStatus = ContinuousClock.now
      status.update(series)
      status.updated = Date.now.formatted(.iso8601)
      status.checkpoint = (try? folder.checkpoints.steps())?.last.map(
        folder.checkpoints.path(step:))
      attempt(folder.status) { try $0.status.write(to: $0.folder.status) }
    }

    private mutating func report(_ end: RunEnd? = nil) {
      (lastReport, hasNewFiles) = (ContinuousClock.now, false)
      attempt(folder.report) { work in
        let summary = RunSummary(work.folder, series: work.series, status: work.status)
        try AtomicFile.write(
          ReportPage([summary], refreshes: end == nil).html(), to: work.folder.report)
      }
    }

    /// Does something that may fail, of which a failure is told once.
    private mutating func attempt(_ name: String, _ body: (inout Work) throws -> Void) {
      guard !foreign.contains(name) else { return }
      do {
        try body(&self)
        faults.remove(name)
      } catch {
        guard faults.insert(name).inserted else { return }
        let line = ExitCode.failure(for: error).message
        warn("\(line): \(name) is not up to date; training goes on")
      }
    }
  }
}
