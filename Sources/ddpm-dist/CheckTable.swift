// What a check has found, as a text for people.

import Foundation
import Preflight
import Training

extension CheckReport {
  /// The checks, the whole run, and other numbers of machines.
  var table: String {
    var lines = columnLines(
      [["CHECK", "VERDICT", "MEASURED"]]
        + rows.flatMap { row -> [[String]] in
          let finding = row.finding
          return [[row.check, finding.verdict.rawValue, finding.measured]]
            + (finding.advice.map { [["", "", $0]] } ?? [])
        })
    if let peakBytes, let otherPeakBytes {
      lines += "\nThe first rank takes \(bytes(peakBytes)) at most"
      if ranks > 1 { lines += ", others \(bytes(otherPeakBytes))" }
      lines +=
        measuredBytes.map { "; this check took \(bytes($0)).\n" } ?? ".\n"
    }
    if let forecast { lines += "\n" + text(of: forecast) }
    if !nodes.isEmpty { lines += "\nOTHER NUMBERS OF MACHINES: \(basis)\n" + nodeLines }
    return lines
  }

  private func text(of forecast: RunForecast) -> String {
    var facts = [
      ["steps left", "\(forecast.steps) of \(number(forecast.stepSeconds)) s"],
      ["whole run", duration(forecast.seconds)],
      [
        "node-hours",
        "\(number(forecast.nodeHours)) on \(forecast.nodes) "
          + "\(forecast.nodes == 1 ? "machine" : "machines")",
      ],
    ]
    if forecast.drawingSeconds > 0 {
      facts.insert(["grids of images", "about \(duration(forecast.drawingSeconds)) of it"], at: 2)
    }
    if forecast.validationSeconds > 0 {
      facts.insert(["validation", "about \(duration(forecast.validationSeconds)) of it"], at: 2)
    }
    if let energy = forecast.kilowattHours { facts.append(["energy", "\(number(energy)) kWh"]) }
    if let cost = forecast.cost { facts.append(["cost", number(cost)]) }
    return columnLines(facts)
  }

  private var nodeLines: String {
    columnLines(
      [
        [
          "machines", "ranks", "s a step", "exchange", "images/s", "efficiency", "hours",
          "node-hours",
        ]
      ]
        + nodes.map { node in
          let begin = ["\(node.nodes)", "\(node.ranks)"]
          guard let step = node.stepSeconds, let exchange = node.exchangeSeconds,
            let speed = node.imagesPerSecond, let efficiency = node.efficiency,
            let hours = node.hours, let nodeHours = node.nodeHours
          else { return begin + [node.refusal ?? "", "", "", "", "", ""] }
          return begin + [
            number(step), number(exchange), number(speed),
            String(format: "%.0f %%", 100 * efficiency), number(hours), number(nodeHours),
          ]
        })
  }

  /// Seconds as people read them.
  private func duration(_ seconds: Double) -> String {
    switch seconds {
    case ..<120: "\(number(seconds)) s"
    case ..<7200: "\(number(seconds / 60)) min"
    default: "\(number(seconds / 3600)) h"
    }
  }
}
