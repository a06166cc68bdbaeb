// The terms of the bound as a picture.

import Foundation
import Models

extension EvaluationReport {
  /// A chart of the terms of each estimate, from the first to the last, on a scale of logarithms.
  ///
  /// Terms that are not positive are gaps, and counted in the title: on this scale they have no place.
  func svg() -> String {
    let estimates = results.estimates
    let left = estimates.flatMap(\.means).count { !($0 > 0) }
    let terms = estimates.first?.terms ?? []
    // Of the best sub-sequences, each estimate has its own.
    let areShared = estimates.allSatisfy { $0.terms == terms }
    let chart = Chart(
      lines: estimates.map { estimate in
        (
          estimate.name,
          estimate.means.enumerated().map { (Double($0), inUnit($1)) }.filter { $0.1 > 0 }
        )
      },
      title: "Terms, \(unit), mean of \(count) images"
        + (left > 0 ? "; \(left) that are not positive are left out" : ""),
      axis: areShared
        ? "term, from the image to the noise" : "number of the term, from the image to the noise",
      names: areShared ? terms : terms.indices.map(String.init))
    return chart.svg()
  }
}

/// Lines over one horizontal axis, with a vertical axis of logarithms.
private struct Chart {
  let lines: [(name: String, points: [(x: Double, y: Double)])]
  let title: String
  /// What the horizontal axis is.
  let axis: String
  /// The name of each place on it.
  let names: [String]

  private static let (width, height) = (720.0, 420.0)
  private static let (left, right, top, bottom) = (70.0, 24.0, 40.0, 80.0)
  /// Colours that people who see few of them tell apart (Okabe & Ito 2008).
  private static let colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]

  private var decades: ClosedRange<Int> {
    let values = lines.flatMap { $0.points.map(\.y) }.filter(\.isFinite)
    guard let low = values.min(), let high = values.max() else { return 0...1 }
    let first = Int(log10(low).rounded(.down))
    return first...max(first + 1, Int(log10(high).rounded(.up)))
  }

  func svg() -> String {
    let decades = decades
    let last = max(1, lines.flatMap { $0.points.map(\.x) }.max() ?? 1)
    func x(_ value: Double) -> Double {
      Self.left + value / last * (Self.width - Self.left - Self.right)
    }
    func y(_ value: Double) -> Double {
      let share =
        (log10(value) - Double(decades.lowerBound))
        / Double(decades.upperBound - decades.lowerBound)
      return Self.height - Self.bottom - share * (Self.height - Self.top - Self.bottom)
    }
    func text(_ x: Double, _ y: Double, _ anchor: String, _ words: String) -> String {
      "<text x=\"\(rounded(x))\" y=\"\(rounded(y))\" text-anchor=\"\(anchor)\">\(escaped(words))"
        + "</text>"
    }
    let base = Self.height - Self.bottom
    var parts = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(Self.width)) "
        + "\(Int(Self.height))\" font-family=\"sans-serif\" font-size=\"13\" role=\"img\">",
      "<title>\(escaped(title))</title>",
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
      text(Self.left, 24, "start", title),
    ]
    for decade in decades {
      let height = y(pow(10, Double(decade)))
      parts.append(
        "<line x1=\"\(rounded(Self.left))\" x2=\"\(rounded(Self.width - Self.right))\" "
          + "y1=\"\(rounded(height))\" y2=\"\(rounded(height))\" stroke=\"#ddd\"/>")
      parts.append(text(Self.left - 8, height + 4, "end", "1e\(decade)"))
    }
    for place in ticks {
      let across = x(Double(place))
      parts.append(
        "<line x1=\"\(rounded(across))\" x2=\"\(rounded(across))\" y1=\"\(rounded(base))\" "
          + "y2=\"\(rounded(base + 5))\" stroke=\"#888\"/>")
      parts.append(text(across, base + 19, "middle", names[place]))
    }
    parts.append(text((Self.left + Self.width - Self.right) / 2, base + 38, "middle", axis))
    for (index, line) in lines.enumerated() {
      let colour = Self.colours[index % Self.colours.count]
      let points = line.points.filter(\.y.isFinite)
      // A gap in the terms is one in the line.
      for run in points.chunked(where: { $1.x - $0.x <= 1 }) {
        let places = run.map { "\(rounded(x($0.x))),\(rounded(y($0.y)))" }.joined(separator: " ")
        parts.append(
          "<polyline points=\"\(places)\" fill=\"none\" stroke=\"\(colour)\" "
            + "stroke-width=\"2\"/>")
      }
      // A few points, or one alone, would not be seen as a line.
      if points.count <= 40 {
        for point in points {
          parts.append(
            "<circle cx=\"\(rounded(x(point.x)))\" cy=\"\(rounded(y(point.y)))\" r=\"3.5\" "
              + "fill=\"\(colour)\"/>")
        }
      }
      let place = Self.left + Double(index) * 150
      parts.append(
        "<line x1=\"\(rounded(place))\" x2=\"\(rounded(place + 24))\" y1=\"\(rounded(base + 62))\" "
          + "y2=\"\(rounded(base + 62))\" stroke=\"\(colour)\" stroke-width=\"3\"/>")
      parts.append(text(place + 30, base + 66, "start", line.name))
    }
    return (parts + ["</svg>"]).joined(separator: "\n") + "\n"
  }

  /// The places that are named: all of a few, otherwise the ends and three between.
  private var ticks: [Int] {
    let last = names.count - 1
    guard last > 8 else { return Array(names.indices) }
    return (0...4).map { $0 * last / 4 }
  }

  private func rounded(_ value: Double) -> String { String(format: "%.2f", value) }

  private func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }
}

extension Array {
  /// The runs of neighbours that belong together.
  fileprivate func chunked(where belong: (Element, Element) -> Bool) -> [[Element]] {
    var runs: [[Element]] = []
    for element in self {
      if let last = runs.last?.last, belong(last, element) {
        runs[runs.count - 1].append(element)
      } else {
        runs.append([element])
      }
    }
    return runs
  }
}
