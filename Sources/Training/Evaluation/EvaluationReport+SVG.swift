// The terms of the bound as a picture.

import Foundation
import Models

extension EvaluationReport {
  /// A chart of the terms of each estimate, from the first to the last, on a scale of logarithms.
  ///
  /// Terms that are not positive are left out: on this scale they have no place.
  func svg() -> String {
    let chart = Chart(
      lines: results.estimates.map { estimate in
        (
          estimate.name,
          estimate.means.enumerated().map { (Double($0), inUnit($1)) }.filter { $0.1 > 0 }
        )
      },
      title: "Terms of the bound, \(unit), mean of \(count) images",
      ends: (
        results.estimates.first?.terms.first ?? "", results.estimates.first?.terms.last ?? ""
      ))
    return chart.svg()
  }
}

/// Lines over one horizontal axis, with a vertical axis of logarithms.
private struct Chart {
  let lines: [(name: String, points: [(x: Double, y: Double)])]
  let title: String
  let ends: (String, String)

  private static let (width, height) = (720.0, 420.0)
  private static let (left, right, top, bottom) = (70.0, 20.0, 40.0, 60.0)
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
    parts.append(text(x(0), base + 20, "middle", ends.0))
    parts.append(text(x(last), base + 20, "end", ends.1))
    for (index, line) in lines.enumerated() {
      let colour = Self.colours[index % Self.colours.count]
      let points = line.points.filter(\.y.isFinite)
        .map { "\(rounded(x($0.x))),\(rounded(y($0.y)))" }.joined(separator: " ")
      parts.append(
        "<polyline points=\"\(points)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"2\"/>")
      let place = Self.left + Double(index) * 150
      parts.append(
        "<line x1=\"\(rounded(place))\" x2=\"\(rounded(place + 24))\" y1=\"\(rounded(base + 42))\" "
          + "y2=\"\(rounded(base + 42))\" stroke=\"\(colour)\" stroke-width=\"3\"/>")
      parts.append(text(place + 30, base + 46, "start", line.name))
    }
    return (parts + ["</svg>"]).joined(separator: "\n") + "\n"
  }

  private func rounded(_ value: Double) -> String { String(format: "%.2f", value) }

  private func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }
}
