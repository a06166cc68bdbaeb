// The plots of a report, of one run or of several over each other.

import Figures
import Foundation
import Storage

/// A plot of a report, with what a script and a reader without eyes need beside it.
struct Figure {
  /// The plot on a linear scale.
  var plot: Plot
  /// Whether it is worth looking at on a scale of logarithms too.
  var hasLogarithms: Bool
  /// Whether its lines can be smoothed.
  var isSmoothed = false
  /// The numbers of the metrics that a script tells of under the pointer.
  var paths: [String] = []
  /// Its numbers: the names of the columns, and rows.
  var table: (head: [String], rows: [[String]])
}

/// The plots of some runs.
package struct RunFigures {
  let runs: [RunSummary]
  var isAlone: Bool { runs.count == 1 }
  private var unit: String {
    hasOneUnit ? runs[0].status?.unit.map { ", \($0)" } ?? "" : ", in the unit of each run"
  }

  /// All plots that there are numbers for.
  func all() -> [Figure] {
    [loss, validation, terms, byTimestep].compactMap(\.self) + bounds + sums
      + [gradient, norms, rate, speed, times, ranks].compactMap(\.self)
  }

  // MARK: Loss

  private var loss: Figure? {
    var lines: [Plot.Line] = []
    for (index, run) in runs.enumerated() {
      guard let series = run.series.series["loss"] else { continue }
      let (points, band) = (Self.points(series), Self.band(series))
      lines.append(
        Plot.Line(
          "", points, style: .faint, colour: index, band: isAlone && series.isThinned ? band : []))
      lines.append(
        Plot.Line(
          isAlone ? "loss, smoothed" : title(of: run), Self.smoothed(points, 0.9), colour: index,
          key: "\(index)/loss"))
      guard isAlone, let validation = run.series.series["validation"] else { continue }
      lines.append(
        Plot.Line("validation", Self.points(validation), style: .points, colour: index + 1))
    }
    return figure(
      "Loss", identifier: "loss", y: "loss\(unit)", lines,
      paths: ["loss"] + (isAlone ? ["validation"] : []), marksStarts: true, isSmoothed: true)
  }

  /// The losses of validation over each other, where there are several runs; with one setting changed in
  /// nothing but the seed, their mean and what they lie between.
  private var validation: Figure? {
    guard !isAlone else { return nil }
    var lines = lines(of: "validation", style: .points)
    lines += seedBands(of: "validation", from: lines.count)
    return figure(
      "Validation", identifier: "validation", y: "loss\(unit)", lines, paths: ["validation"])
  }

  /// The mean and range of runs that differ in their seeds alone.
  private func seedBands(of path: String, from colour: Int) -> [Plot.Line] {
    let groups = Dictionary(grouping: runs) { run in
      run.settings.filter { !["seed", "name", "workers"].contains($0.key) }.map(\.value)
    }.values.filter { $0.count > 1 }.sorted { $0[0].name < $1[0].name }
    return groups.enumerated().compactMap { index, group in
      let curves = group.map { run in
        Dictionary(
          Self.points(run.series.series[path] ?? ThinnedSeries()).map { ($0.x, $0.y) }
        ) { $1 }
      }
      let shared = curves.dropFirst().reduce(Set(curves[0].keys)) { $0.intersection($1.keys) }
        .sorted()
      guard shared.count > 1 else { return nil }
      let values = shared.map { x in curves.map { $0[x]! } }
      return Plot.Line(
        "mean of \(group.count) seeds",
        zip(shared, values).map { Plot.Point($0, $1.reduce(0, +) / Double($1.count)) },
        colour: colour + index, band: values.map { $0.min()!...$0.max()! })
    }
  }

  private var terms: Figure? {
    let paths = Set(runs.flatMap { $0.series.paths(in: "terms") }).sorted()
    guard paths.count > 1 else { return nil }
    var lines: [Plot.Line] = []
    for path in paths {
      lines += self.lines(of: path, isSmoothed: true, isOneOfMany: true, offset: lines.count)
    }
    let stack = isAlone ? Self.stacked(lines) : nil
    return figure(
      stack == nil ? "Terms of the loss" : "Terms of the loss, stacked", identifier: "terms",
      y: "mean\(unit)", stack ?? lines, paths: paths)
  }

  /// Each line on top of those before it, so that the last one is the sum of all; nil where they are not of
  /// the same steps, or one is below 0 somewhere.
  package static func stacked(_ lines: [Plot.Line]) -> [Plot.Line]? {
    guard let first = lines.first,
      lines.allSatisfy({ line in
        line.points.map(\.x) == first.points.map(\.x) && line.points.allSatisfy { $0.y >= 0 }
      })
    else { return nil }
    var below = [Double](repeating: 0, count: first.points.count)
    return lines.map { line in
      var line = line
      let above = zip(below, line.points).map { $0 + $1.y }
      line.band = zip(below, above).map { $0...$1 }
      line.points = zip(line.points, above).map { Plot.Point($0.x, $1) }
      below = above
      return line
    }
  }

  /// The mean loss of each part of the time axis, at the beginning, after a quarter and now.
  private var byTimestep: Figure? {
    var lines: [Plot.Line] = []
    for (index, run) in runs.enumerated() {
      let losses = run.series.paths(in: "sums/loss_by_timestep").map { run.series.series[$0]! }
      let counts = run.series.paths(in: "sums/images_by_timestep").map { run.series.series[$0]! }
      guard let buckets = losses.first?.buckets.count, losses.count == counts.count else {
        continue
      }
      // A sixteenth of the run at each place, so that the means are of enough images.
      let width = max(1, buckets / 16)
      var places = [("now", max(0, buckets - width))]
      if isAlone, buckets > 4 {
        places = [("at first", 0), ("after a quarter", buckets / 4)] + places
      }
      for (place, (name, first)) in places.enumerated() {
        let points = losses.indices.compactMap { bin -> Plot.Point? in
          func sum(_ series: ThinnedSeries) -> Double {
            series.buckets[
              min(first, series.buckets.count)..<min(first + width, series.buckets.count)
            ]
            .reduce(0) { $0 + $1.sum }
          }
          let images = sum(counts[bin])
          return images > 0 ? Plot.Point(Double(bin), sum(losses[bin]) / images) : nil
        }
        lines.append(Plot.Line(isAlone ? name : run.name, points, colour: isAlone ? place : index))
      }
    }
    guard let bins = lines.map({ $0.points.count }).max(), bins > 1 else { return nil }
    var plot = Plot(
      "Loss by timestep", x: "part of the timesteps, from little noise to much",
      y: "mean loss\(unit)",
      identifier: "timesteps", lines)
    plot.placeNames = (0..<bins).map { "\($0 + 1) of \(bins)" }
    plot.summary =
      lines.map { line in
        let (first, last) = (
          Self.short(line.points.first?.y ?? 0), Self.short(line.points.last?.y ?? 0)
        )
        return
          "\(line.name): \(Axis.text(first)) in the first part, \(Axis.text(last)) in the last."
      }.joined(separator: " ").capitalizedFirst
    return Figure(
      plot: plot, hasLogarithms: lines.allSatisfy { $0.points.allSatisfy { $0.y > 0 } },
      table: (
        ["part"] + lines.map(\.name),
        (0..<bins).map { bin in
          [plot.placeNames[bin]]
            + lines.map { line in
              line.points.first { $0.x == Double(bin) }.map { Axis.text($0.y) } ?? ""
            }
        }
      ))
  }

  /// Other vectors that the metrics have, one plot for each: the cost and the active latents of layers.
  private var sums: [Figure] {
    let known = ["loss_by_timestep", "images_by_timestep"]
    let paths: [String] = runs.flatMap { $0.series.paths(in: "sums") }
    let names = Set(
      paths.compactMap { path -> String? in
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count > 1 ? String(parts[1]) : nil
      })
    return names.subtracting(known).sorted().compactMap { group in
      var lines: [Plot.Line] = []
      let paths = Set(paths.filter { $0.hasPrefix("sums/\(group)/") })
        .sorted { $0.compare($1, options: .numeric) == .orderedAscending }
      for path in paths.prefix(6) {
        lines += self.lines(of: path, isOneOfMany: true, offset: lines.count)
      }
      return figure(
        Self.words(group), identifier: "sums-\(group)",
        y: Self.words(group) + (group == "active_units" ? "" : ", sum over a batch"), lines,
        paths: Array(paths.prefix(6)))
    }
  }

  // MARK: The way

  private var gradient: Figure? {
    var figure = figure(
      "Norm of the gradient", identifier: "gradient", y: "norm before clipping",
      lines(of: "gradient_norm", withBand: true), paths: ["gradient_norm"])
    guard isAlone, let clip = runs[0].setting("clip_norm").flatMap(Double.init),
      let largest = runs[0].series.series["gradient_norm"]?.buckets.map(\.largest).max()
    else { return figure }
    let share = Double(runs[0].series.clipped) / Double(max(1, runs[0].series.count))
    // A limit far above everything would leave no room for the curve.
    if clip < 3 * largest {
      figure?.plot.heights = [Plot.Mark(clip, "clip_norm \(Axis.text(clip))")]
    }
    figure?.plot.summary += String(format: " %.1f %% of the steps were clipped.", 100 * share)
    return figure
  }

  private var rate: Figure? {
    figure(
      "Learning rate", identifier: "rate", y: "learning rate", lines(of: "learning_rate"),
      paths: ["learning_rate"])
  }

  private var speed: Figure? {
    figure(
      "Speed", identifier: "speed", y: "images per second",
      lines(of: "images_per_second", withBand: true), paths: ["images_per_second"])
  }

  /// What the slowest rank does in a step.
  private var times: Figure? {
    guard isAlone else { return nil }
    var lines: [Plot.Line] = []
    let paths = ["compute", "read", "wait", "update"].map { "slowest/\($0)_seconds" }
    for path in paths {
      lines += self.lines(
        of: path, isSmoothed: true, isOneOfMany: true, offset: lines.count)
    }
    return figure(
      "Time of a step, on the slowest rank", identifier: "times", y: "seconds of a step",
      lines, paths: paths)
  }

  /// How long each rank works in a step.
  private var ranks: Figure? {
    guard isAlone else { return nil }
    let seconds = runs[0].series.medianRankSeconds
    guard seconds.count > 1, let least = seconds.min(), let most = seconds.max() else { return nil }
    let nodes = runs[0].status?.nodes ?? []
    let hosts = seconds.indices.map { rank in
      nodes.first { $0.ranks.contains(rank) }?.host ?? "unknown"
    }
    // The ranks of a machine have a colour.
    var lines: [Plot.Line] = []
    for (index, host) in Set(hosts).sorted().enumerated() {
      let points = seconds.indices.filter { hosts[$0] == host }
        .map { Plot.Point(Double($0), seconds[$0]) }
      lines.append(Plot.Line(host, points, style: .points, colour: index, largestStep: 0.5))
    }
    // Hundreds of machines have no legend: the table names them.
    if lines.count > 12 { for i in lines.indices { lines[i].name = "" } }
    var plot = Plot(
      "Work of a step, by rank", x: "rank", y: "median seconds", identifier: "ranks", lines)
    plot.placeNames = seconds.indices.map { "\($0)" }
    // From 0 on, so that a small difference looks small.
    plot.heights = [Plot.Mark(0, "")]
    let slowest = seconds.firstIndex(of: most)!
    plot.summary =
      "Rank \(slowest) on \(hosts[slowest]) works longest, \(Axis.text(Self.short(most))) seconds a step; the "
      + "fastest \(Axis.text(Self.short(least)))."
    return Figure(
      plot: plot, hasLogarithms: false,
      table: (
        ["rank", "machine", "median seconds"],
        seconds.indices.map { ["\($0)", hosts[$0], Axis.text(Self.short(seconds[$0]))] }
      ))
  }

  // MARK: Parts

  /// A path of all runs, one line each.
  private func lines(
    of path: String, style: Plot.Style = .line, withBand: Bool = false, isSmoothed: Bool = false,
    isOneOfMany: Bool = false, offset: Int = 0
  ) -> [Plot.Line] {
    var lines: [Plot.Line] = []
    for (index, run) in runs.enumerated() {
      guard let series = run.series.series[path] else { continue }
      let (points, name) = (Self.points(series), Self.name(ofPath: path))
      lines.append(
        Plot.Line(
          isAlone ? name : isOneOfMany ? "\(title(of: run)), \(name)" : title(of: run),
          isSmoothed ? Self.smoothed(points, 0.9) : points, style: style,
          colour: isOneOfMany ? offset + lines.count : offset + index,
          band: withBand && isAlone && series.isThinned ? Self.band(series) : []))
    }
    return lines
  }

  /// The name of a run, with the unit of its loss where others have another.
  private func title(of run: RunSummary) -> String {
    hasOneUnit ? run.name : "\(run.name) (\(run.status?.unit ?? "no unit"))"
  }

  private var hasOneUnit: Bool { Set(runs.map { $0.status?.unit }).count == 1 }

  /// A figure over the steps.
  private func figure(
    _ title: String, identifier: String, y: String, _ lines: [Plot.Line], paths: [String],
    marksStarts: Bool = false, isSmoothed: Bool = false
  ) -> Figure? {
    guard lines.contains(where: { !$0.points.isEmpty }), let path = paths.first else { return nil }
    var plot = Plot(title, x: "step", y: y, identifier: identifier, lines)
    plot.summary = summary(of: path)
    if marksStarts, isAlone {
      plot.places = runs[0].starts.filter { $0.step > 0 }.map {
        Plot.Mark(Double($0.step), "goes on at step \($0.step), \($0.date), on \($0.ranks) ranks")
      }
    }
    return Figure(
      plot: plot, hasLogarithms: lines.allSatisfy { $0.points.allSatisfy { $0.y > 0 } },
      isSmoothed: isSmoothed, paths: paths, table: table(of: path))
  }

  /// What a curve does, in words.
  private func summary(of path: String) -> String {
    runs.compactMap { run in
      guard let buckets = run.series.series[path]?.buckets, let first = buckets.first,
        let last = buckets.last
      else { return nil }
      // A single step says little of a noisy curve.
      let width = max(1, buckets.count / 16)
      func mean(_ part: ArraySlice<ThinnedSeries.Bucket>) -> Double {
        part.reduce(0) { $0 + $1.mean } / Double(part.count)
      }
      let (from, to) = (
        Self.short(mean(buckets.prefix(width))), Self.short(mean(buckets.suffix(width)))
      )
      let way = to < from ? "fell" : to > from ? "rose" : "stayed"
      return "\(isAlone ? "" : run.name + ": ")\(Self.name(ofPath: path)) \(way) "
        + (way == "stayed"
          ? "at \(Axis.text(to))" : "from \(Axis.text(from)) to \(Axis.text(to))")
        + " in \(last.step - first.step + 1) steps."
    }.joined(separator: " ").capitalizedFirst
  }

  /// What a path of the metrics is called: its last part, and what that is a part of where it is a number.
  static func name(ofPath path: String) -> String {
    let parts = path.split(separator: "/").map(String.init)
    guard let last = parts.last else { return path }
    guard let index = Int(last), parts.count > 1 else { return words(last) }
    return "\(words(parts[parts.count - 2])) \(index + 1)"
  }

  private func table(of path: String) -> (head: [String], rows: [[String]]) {
    var head = ["step"]
    var cells: [Int: [Int: String]] = [:]
    for (index, run) in runs.enumerated() {
      head.append(isAlone ? Self.words(path) : run.name)
      let buckets = run.series.series[path]?.buckets ?? []
      let chosen =
        buckets.count <= 24 ? Array(buckets.indices) : (1...24).map { buckets.count * $0 / 24 - 1 }
      for i in chosen {
        cells[buckets[i].step, default: [:]][index] = String(format: "%.5g", buckets[i].mean)
      }
    }
    return (
      head,
      cells.sorted { $0.key < $1.key }.map { step, values in
        ["\(step)"] + runs.indices.map { values[$0] ?? "" }
      }
    )
  }

  static func points(_ series: ThinnedSeries) -> [Plot.Point] {
    series.buckets.map { Plot.Point(Double($0.step), $0.mean) }
  }

  private static func band(_ series: ThinnedSeries) -> [ClosedRange<Double>] {
    series.buckets.map { $0.least...$0.largest }
  }

  /// Exponential smoothing without a bias at the beginning, as the script of the page does it.
  static func smoothed(_ points: [Plot.Point], _ weight: Double) -> [Plot.Point] {
    var (mean, total) = (0.0, 0.0)
    return points.map { point in
      mean = weight * mean + (1 - weight) * point.y
      total = weight * total + (1 - weight)
      return Plot.Point(point.x, mean / total)
    }
  }

  static func short(_ value: Double) -> Double {
    Double(String(format: "%.4g", value)) ?? value
  }

  /// A name of the metrics in words.
  static func words(_ name: String) -> String { name.replacing("_", with: " ") }
}

extension String {
  /// The text with a capital letter at its beginning.
  fileprivate var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
