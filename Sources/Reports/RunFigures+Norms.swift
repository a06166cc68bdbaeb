// Which parts of a network have large gradients, and which small ones.

import Figures
import Foundation
import Storage

extension RunFigures {
  /// The norms of the gradients of the parts of the network, where those of its tensors were measured.
  var norms: Figure? {
    let prefix = "gradient_norms/"
    func part(_ path: String) -> String {
      String(path.dropFirst(prefix.count).prefix { $0 != "/" })
    }
    let paths = runs.map { $0.series.paths(in: "gradient_norms") }
    var parts: [String] = []
    for name in paths.joined().map(part) where !parts.contains(name) { parts.append(name) }
    guard parts.count > 1 else { return nil }
    /// The mean norm of a tensor in a sixteenth of the measured steps.
    func norm(_ run: RunSummary, _ path: String, isFirst: Bool) -> Double {
      let buckets = run.series.series[path]?.buckets ?? []
      let width = max(1, buckets.count / 16)
      let chosen = isFirst ? buckets.prefix(width) : buckets.suffix(width)
      return chosen.reduce(0) { $0 + $1.mean } / Double(max(1, chosen.count))
    }
    var lines: [Plot.Line] = []
    for (index, run) in runs.enumerated() {
      for isFirst in isAlone ? [true, false] : [false] {
        var squares = [Double](repeating: 0, count: parts.count)
        for path in paths[index] {
          let value = norm(run, path, isFirst: isFirst)
          squares[parts.firstIndex(of: part(path))!] += value * value
        }
        lines.append(
          Plot.Line(
            isAlone ? (isFirst ? "at first" : "now") : run.name,
            squares.enumerated().filter { $0.element > 0 && $0.element.isFinite }
              .map { Plot.Point(Double($0.offset), $0.element.squareRoot()) }, style: .points))
      }
    }
    guard let largest = lines.last?.points.max(by: { $0.y < $1.y }),
      let least = lines.last?.points.min(by: { $0.y < $1.y })
    else { return nil }
    var plot = Plot(
      "Norm of the gradient, by part of the network", x: "part of the network",
      y: "norm before clipping", identifier: "norms", lines)
    plot.placeNames = parts
    plot.summary =
      "\(isAlone ? "Now" : "Of \(runs.last!.name)") the largest is \(Axis.text(Self.short(largest.y))), of "
      + "\(parts[Int(largest.x)]), the least \(Axis.text(Self.short(least.y))), of \(parts[Int(least.x)])."
    let tensors = Array(Set(paths.joined())).sorted {
      $0.compare($1, options: .numeric) == .orderedAscending
    }
    return Figure(
      plot: plot, hasLogarithms: true,
      table: (
        ["tensor"] + lines.map(\.name),
        tensors.map { path in
          [String(path.dropFirst(prefix.count))]
            + runs.flatMap { run in
              (isAlone ? [true, false] : [false]).map {
                RunText.number(norm(run, path, isFirst: $0))
              }
            }
        }
      ))
  }
}
