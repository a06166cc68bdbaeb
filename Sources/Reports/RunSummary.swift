// What is known of a run, from its folder alone.

import Foundation
import Storage
import Training

/// A run as reports, lists and comparisons see it; reading it changes nothing.
public struct RunSummary {
  /// A checkpoint that is there.
  public struct Checkpoint: Equatable {
    /// Its step.
    public let step: Int
    /// Its path.
    public let path: String
    /// Its size.
    public let bytes: Int
    /// Its checksum, as its last bytes have it; nil where they are none of a checkpoint.
    public let checksum: String?
    /// Whether the link to the best leads to it.
    public let isBest: Bool
  }

  /// A setting.
  public struct Setting: Equatable {
    /// Its key.
    public let key: String
    /// Its value as it stands in a file.
    public let value: String
    /// What it would be if nobody had said anything; nil where this program does not know it.
    public let usual: String?
  }

  /// What a run does at the moment.
  public enum State: Equatable {
    /// It trains.
    case running
    /// Its process is gone, or has been silent for much longer than its steps take.
    case dead(silentFor: Double)
    /// All steps are done.
    case finished
    /// It was asked to stop.
    case stopped
    /// It has ended by a fault.
    case failed
    /// It keeps no status.
    case unknown
  }

  /// The folder.
  public let folder: RunFolder
  /// Its name, or its path where others beside it have the same name.
  public private(set) var name: String
  /// How it goes, as its first rank has written it last; nil where it keeps no status.
  public let status: RunStatus?
  /// What it does.
  public let state: State
  /// Its curves.
  public let series: RunSeries
  /// Its settings, in the order of the documentation.
  public let settings: [Setting]
  /// Its starts, from the first.
  package let starts: [RunHistory.Start]
  /// Its checkpoints, from the oldest.
  public let checkpoints: [Checkpoint]

  /// A run whose curves and status are known.
  public init(_ folder: RunFolder, series: RunSeries, status: RunStatus?) {
    (self.folder, self.series, self.status) = (folder, series, status)
    settings = Self.settings(of: folder)
    name =
      status?.name ?? settings.first { $0.key == "name" }.map { Self.plain($0.value) }
      ?? folder.path
    starts = (try? RunHistory.starts(path: folder.history)) ?? []
    let best = try? folder.checkpoints.bestStep
    checkpoints = ((try? folder.checkpoints.steps()) ?? []).map { step in
      let path = folder.checkpoints.path(step: step)
      let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int
      return Checkpoint(
        step: step, path: path, bytes: size ?? 0, checksum: folder.checkpoints.checksum(step: step),
        isBest: step == best)
    }
    state = Self.state(folder, status, series)
  }

  /// The run in a folder.
  ///
  /// - Parameter keeps: Whether the curves of a long log may be kept in the folder for the next time.
  /// - Throws: `StorageError.missingInput` where there is none, `.inputOutput`.
  public init(path: String, keeps: Bool = false) throws {
    var follower = try RunFollower(path: path)
    self = try follower.summary(keeps: keeps)
  }

  /// Runs whose names tell them apart.
  public static func named(_ runs: [RunSummary]) -> [RunSummary] {
    var runs = runs
    if Set(runs.map(\.name)).count < runs.count {
      for i in runs.indices { runs[i].name = runs[i].folder.path }
    }
    return runs
  }

  /// The value of a setting.
  public func setting(_ key: String) -> String? { settings.first { $0.key == key }?.value }

  /// The steps of the whole run; nil where that is not known.
  public var steps: Int? { status?.steps ?? setting("steps").flatMap { Int($0) } }

  // MARK: Reading

  fileprivate static func settings(of folder: RunFolder) -> [Setting] {
    let usual = Configuration().texts
    if let text = try? folder.configurationText() {
      var configuration = Configuration()
      if (try? configuration.apply(yaml: text, source: folder.configuration)) != nil {
        let texts = configuration.texts
        return Configuration.settings.map {
          Setting(key: $0.key, value: texts[$0.key] ?? "", usual: usual[$0.key])
        }
      }
    }
    // Settings of another version.
    let last = (try? RunHistory(path: folder.history))?.last?.settings ?? [:]
    return last.sorted { $0.key < $1.key }
      .map { Setting(key: $0.key, value: $0.value, usual: usual[$0.key]) }
  }

  /// A text without the quotes that YAML needs.
  private static func plain(_ value: String) -> String {
    guard value.count > 1, let quote = value.first, quote == value.last, "'\"".contains(quote)
    else {
      return value
    }
    return String(value.dropFirst().dropLast())
      .replacing(quote == "'" ? "''" : "\\\"", with: String(quote))
  }

  private static func state(_ folder: RunFolder, _ status: RunStatus?, _ series: RunSeries) -> State
  {
    guard let status else { return .unknown }
    switch status.state {
    case .finished: return .finished
    case .stopped: return .stopped
    case .failed: return .failed
    case .running: break
    }
    let now = Date()
    let attributes = try? FileManager.default.attributesOfItem(atPath: folder.metrics)
    let written = [
      attributes?[.modificationDate] as? Date, try? Date(status.updated, strategy: .iso8601),
    ].compactMap(\.self).max()
    let silence = written.map { now.timeIntervalSince($0) } ?? .infinity
    // A process that ends gives its lock back.
    let observer = LockHolder.current(
      host: ProcessInfo.processInfo.hostName, start: "", environment: [:])
    guard let holder = RunLock.holder(folder: folder.path),
      !holder.isGone(seenBy: observer, isUnlocked: false)
    else { return .dead(silentFor: silence) }
    // Its status is written about every ten seconds, whatever a step takes.
    let patience = max(120, 10 * (series.medianSeconds ?? 0))
    return silence > patience ? .dead(silentFor: silence) : .running
  }
}

/// A run that is looked at again and again: its log is read on, not anew.
public struct RunFollower {
  private let folder: RunFolder
  private var series: SeriesFollower

  /// The run in a folder.
  ///
  /// - Throws: `StorageError.missingInput` where there is none.
  public init(path: String) throws {
    folder = RunFolder(path)
    guard folder.exists else {
      throw StorageError.missingInput(path: path, reason: "is no folder of a run")
    }
    let clipNorm = RunSummary.settings(of: folder).first { $0.key == "clip_norm" }
    series = SeriesFollower(
      log: folder.metrics, keptAt: folder.curves, clipNorm: clipNorm.flatMap { Double($0.value) })
  }

  /// The run as it is now.
  ///
  /// - Parameter keeps: Whether the curves of a long log may be kept in the folder for the next time.
  /// - Throws: `StorageError.inputOutput`.
  public mutating func summary(keeps: Bool = false) throws -> RunSummary {
    let series = try series.read(keeps: keeps)
    var status = RunStatus(path: folder.status)
    status?.update(series)
    return RunSummary(folder, series: series, status: status)
  }
}
