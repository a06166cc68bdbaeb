// What evaluations in runs' folders say of the bound and its terms.

import Figures
import Foundation

extension RunFigures {
  /// The terms of the bound on top of each other, as evaluations in the folders have found them; a plot for
  /// each unit.
  var bounds: [Figure] {
    var units: [String] = []
    var bars: [String: [(name: String, estimate: KeptEvaluation.Estimate)]] = [:]
    for run in runs {
      for (file, evaluation) in KeptEvaluation.all(in: run.folder.path) {
        if !units.contains(evaluation.unit) { units.append(evaluation.unit) }
        bars[evaluation.unit, default: []] += evaluation.estimates.compactMap { estimate in
          // What is below 0 has no place in a stack.
          guard !estimate.terms.isEmpty,
            estimate.parts.allSatisfy({ $0.mean >= 0 && $0.mean < 1e300 })
          else { return nil }
          let place = isAlone ? "" : "\(run.name), "
          return (place + file.replacing(".json", with: "") + ", " + estimate.name, estimate)
        }
      }
    }
    return units.enumerated().compactMap { index, unit in
      bars[unit].flatMap { Self.stack($0, unit: unit, identifier: "bound-\(index)") }
    }
  }

  /// A bar for each estimate.
  private static func stack(
    _ bars: [(name: String, estimate: KeptEvaluation.Estimate)], unit: String, identifier: String
  ) -> Figure? {
    guard !bars.isEmpty else { return nil }
    var (lines, names): ([Plot.Line], [String]) = ([], [])
    for (index, bar) in bars.enumerated() {
      let x = Double(index)
      var below = 0.0
      for (i, part) in bar.estimate.parts.enumerated() {
        // Chains of different lengths have other numbers of terms between.
        let name =
          bar.estimate.terms.count > 6 ? ["the first", "between", "the last"][i] : part.name
        let isNew = !names.contains(name)
        if isNew { names.append(name) }
        let top = below + part.mean
        lines.append(
          Plot.Line(
            isNew ? name : "", [Plot.Point(x - 0.35, top), Plot.Point(x + 0.35, top)],
            style: .area, colour: names.firstIndex(of: name), band: [below...top, below...top]))
        below = top
      }
      guard let error = bar.estimate.error, error.isFinite else { continue }
      lines.append(
        Plot.Line("", [Plot.Point(x, below - error), Plot.Point(x, below + error)], style: .faint))
    }
    var plot = Plot(
      "Terms of the bound, stacked", x: "estimate", y: unit, identifier: identifier, lines)
    // Long names would lie on each other: the table has them.
    let isLong = bars.map(\.name.count).reduce(0, +) > 80
    plot.placeNames = isLong ? bars.indices.map { "\($0 + 1)" } : bars.map(\.name)
    plot.heights = [Plot.Mark(0, "")]
    func text(_ estimate: KeptEvaluation.Estimate) -> String {
      Axis.text(short(estimate.total))
        + (estimate.error.map { " ± " + String(format: "%.2g", $0) } ?? "") + " \(unit)"
    }
    plot.summary = bars.prefix(4).map { "\($0.name): \(text($0.estimate))." }
      .joined(separator: " ")
    return Figure(
      plot: plot, hasLogarithms: false,
      table: (
        ["number", "estimate", "result", "terms"],
        bars.enumerated().map { index, bar in
          [
            "\(index + 1)", bar.name, text(bar.estimate),
            bar.estimate.parts.map { "\($0.name) \(RunText.number($0.mean))" }
              .joined(separator: ", "),
          ]
        }
      ))
  }
}
