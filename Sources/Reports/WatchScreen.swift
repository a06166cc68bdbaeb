// How runs go, on one screen of text.

import Figures
import Foundation
import Storage
import Training

/// The text of `ddpm-dist watch`.
public struct WatchScreen {
  private let runs: [RunSummary]
  private let width: Int

  /// The screen of some runs.
  ///
  /// - Parameter width: The columns of the terminal.
  public init(_ runs: [RunSummary], width: Int) { (self.runs, self.width) = (runs, max(40, width)) }

  /// The lines: of one run all that there is, of several a table.
  public func lines() -> [String] {
    runs.count == 1 ? one(runs[0]) : table()
  }

  private func one(_ run: RunSummary) -> [String] {
    var lines = ["\(run.name): \(RunText.state(run))"]
    if let reason = run.status?.reason, run.state != .running { lines.append(reason) }
    if let steps = run.steps, steps > 0 {
      let share = min(1, Double(run.series.step) / Double(steps))
      lines.append(Progress.bar(share, width: min(60, width - 8)) + " \(Int(100 * share)) %")
    }
    let facts = RunText.facts(run)
    let names = facts.map(\.name.count).max() ?? 0
    lines += facts.map { fact in
      fact.name + String(repeating: " ", count: names - fact.name.count + 2) + fact.value
    }
    if let checkpoint = run.checkpoints.last,
      let date = (try? FileManager.default.attributesOfItem(atPath: checkpoint.path))?[
        .modificationDate] as? Date
    {
      let age = Progress.duration(max(0, Date().timeIntervalSince(date)))
      lines.append("saved" + String(repeating: " ", count: max(0, names - 3)) + "\(age) ago")
    }
    for (path, name) in [
      ("loss", "loss"), ("validation", "validation"), ("gradient_norm", "gradient"),
    ] {
      guard let series = run.series.series[path] else { continue }
      let points = RunFigures.smoothed(RunFigures.points(series), path == "loss" ? 0.9 : 0)
      let curve = Sparkline.text(
        points.map(\.y), width: width - names - 2,
        scale: points.allSatisfy { $0.y > 0 } ? .logarithmic : .linear)
      lines.append(name + String(repeating: " ", count: max(1, names - name.count + 2)) + curve)
    }
    // Whole, to be copied.
    return lines.map { String($0.prefix(width)) }
      + (RunText.samplingCommand(run).map { ["", $0] } ?? [])
  }

  private func table() -> [String] {
    let head = ["run", "state", "step", "loss", "best validation", "images/s", "left"]
    let rows = runs.map { run -> [String] in
      func text(_ value: Double?) -> String { value.map(RunText.number) ?? "-" }
      return [
        run.name, RunText.shortState(run),
        "\(run.series.step)" + (run.steps.map { "/\($0)" } ?? ""), text(run.series.last["loss"]),
        text(run.series.bestValidation), text(run.status?.imagesPerSecond),
        run.state == .running
          ? run.status?.secondsLeft.map { Progress.duration($0) } ?? "-" : "-",
      ]
    }
    let widths = head.indices.map { column in ([head] + rows).map { $0[column].count }.max() ?? 0 }
    return ([head] + rows).map { row in
      let line = zip(row, widths).map { text, width in
        text + String(repeating: " ", count: width - text.count)
      }.joined(separator: "  ")
      return String(line.prefix(width))
    }
  }
}
