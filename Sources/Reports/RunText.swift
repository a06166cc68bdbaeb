// What lists, screens and pages say of a run.

import Foundation
import Storage
import Training

/// The words for a run.
public enum RunText {
  /// What it does: `running`, `finished`, `silent for 5 min 00 s: its process is gone`.
  public static func state(_ run: RunSummary) -> String {
    switch run.state {
    case .running: "running"
    case .dead(let silence) where silence.isFinite:
      "dead, silent for \(Progress.duration(silence))"
    case .dead: "dead"
    case .finished: "finished"
    case .stopped: "stopped, goes on with --resume"
    case .failed: "failed"
    case .unknown: "keeps no status"
    }
  }

  /// What it does, in one word.
  public static func shortState(_ run: RunSummary) -> String {
    switch run.state {
    case .running: "running"
    case .dead: "dead"
    case .finished: "finished"
    case .stopped: "stopped"
    case .failed: "failed"
    case .unknown: "unknown"
    }
  }

  /// The numbers that people look for first.
  public static func facts(_ run: RunSummary) -> [(name: String, value: String)] {
    let (series, status) = (run.series, run.status)
    var facts: [(name: String, value: String)] = [
      ("step", "\(series.step)" + (run.steps.map { " of \($0)" } ?? ""))
    ]
    let unit = status?.unit.map { " \($0)" } ?? ""
    if let loss = series.last["loss"] { facts.append(("last loss", number(loss) + unit)) }
    if let best = series.bestValidation, let step = series.bestStep {
      facts.append(("best validation", "\(number(best))\(unit) at step \(step)"))
    }
    if let last = series.series["validation"]?.buckets.last {
      facts.append(("last validation", "\(number(last.mean))\(unit)"))
    }
    if let images = series.last["images"] {
      facts.append(("images seen", String(format: "%.0f", images)))
    }
    if let seconds = series.last["seconds"] {
      facts.append(("trained for", Progress.duration(seconds)))
      if let hosts = status?.hosts, !hosts.isEmpty {
        let hours = seconds / 3600 * Double(Set(hosts).count)
        facts.append(("node hours", number(hours)))
      }
    }
    if let speed = status?.imagesPerSecond { facts.append(("images per second", number(speed))) }
    if let arithmetic = series.last["gigaflops_per_second"], let speed = status?.imagesPerSecond,
      let lastSpeed = series.last["images_per_second"], lastSpeed > 0
    {
      facts.append(("GFLOP/s", number(arithmetic / lastSpeed * speed)))
    }
    if run.state == .running, let left = status?.secondsLeft {
      facts.append(("time left", Progress.duration(left)))
    }
    if series.skipped > 0 { facts.append(("steps left out", "\(series.skipped)")) }
    if let parameters = status?.parameters { facts.append(("parameters", "\(parameters)")) }
    if let status {
      facts.append(("ranks × workers", "\(status.ranks) × \(status.workers)"))
      facts.append(("data", "\(status.images) images of \(status.data)"))
    }
    if (status?.ranks ?? 1) > 1,
      let (name, count) = series.slowest.max(by: { ($0.value, $1.key) < ($1.value, $0.key) })
    {
      let share = 100 * count / max(1, series.slowest.values.reduce(0, +))
      facts.append(("most often slowest", "\(name), at \(share) % of the steps"))
    }
    if let checkpoint = run.checkpoints.last {
      facts.append(("newest checkpoint", "step \(checkpoint.step)"))
    }
    return facts
  }

  /// Four significant digits, and all of a whole number's.
  public static func number(_ value: Double) -> String {
    1000..<1e9 ~= abs(value) ? String(format: "%.0f", value) : String(format: "%.4g", value)
  }

  /// The command that draws images from the newest checkpoint; nil where there is none.
  public static func samplingCommand(_ run: RunSummary) -> String? {
    guard !run.checkpoints.isEmpty else { return nil }
    return
      "ddpm-sample --ckpt \(quoted(URL(fileURLWithPath: run.folder.path).path)) --out samples.png"
  }

  /// A word of a shell's command line.
  static func quoted(_ text: String) -> String {
    let plain = text.allSatisfy { $0.isLetter || $0.isNumber || "/._-+=:,@%".contains($0) }
    return plain && !text.isEmpty ? text : "'" + text.replacing("'", with: "'\\''") + "'"
  }
}
