// Lines, bands and points over one horizontal axis, as an SVG picture.

import Foundation

/// A plot that needs no script and no style sheet, and says in words what it shows.
///
/// Equal plots have equal text. Colours are those that people who see few of them tell apart (Okabe, Ito
/// 2008), and every line has dashes of its own beside its colour.
public struct Plot: Sendable {
  /// A place in the plot.
  public struct Point: Equatable, Sendable {
    /// Along the horizontal axis.
    public var x: Double
    /// Along the vertical axis.
    public var y: Double

    /// A place in the plot.
    public init(_ x: Double, _ y: Double) { (self.x, self.y) = (x, y) }
  }

  /// How a line is drawn.
  public enum Style: Sendable {
    /// As a line.
    case line
    /// As a thin line in the background.
    case faint
    /// As points, and a thin line between them.
    case points
    /// As its band alone.
    case area
  }

  /// One line.
  public struct Line: Sendable {
    /// Its name in the legend.
    public var name: String
    /// Where it goes, from left to right.
    public var points: [Point]
    /// How it is drawn.
    public var style: Style
    /// The number of its colour and dashes; nil: that of its place among the lines.
    public var colour: Int?
    /// Between which numbers it lies at each point, drawn as an area; empty: none.
    public var band: [ClosedRange<Double>]
    /// What a script calls it; nil: it is no concern of a script.
    public var key: String?
    /// The distance along the horizontal axis from which on two points are not joined.
    public var largestStep: Double?

    /// A line.
    public init(
      _ name: String, _ points: [Point], style: Style = .line, colour: Int? = nil,
      band: [ClosedRange<Double>] = [], key: String? = nil, largestStep: Double? = nil
    ) {
      precondition(
        band.isEmpty || band.count == points.count, "A band has a range for each point.")
      (self.name, self.points, self.style, self.colour) = (name, points, style, colour)
      (self.band, self.key, self.largestStep) = (band, key, largestStep)
    }
  }

  /// A number that is marked across the whole plot.
  public struct Mark: Sendable {
    /// Where it is.
    public var place: Double
    /// What it is.
    public var name: String

    /// A mark.
    public init(_ place: Double, _ name: String) { (self.place, self.name) = (place, name) }
  }

  /// What it shows.
  public var title: String
  /// The same in a sentence with numbers, for those who do not see it.
  public var summary: String
  /// What the horizontal axis is.
  public var xName: String
  /// What the vertical axis is.
  public var yName: String
  /// The scale of the vertical axis.
  public var scale: Axis.Scale
  /// The scale of the horizontal axis.
  public var xScale: Axis.Scale
  /// What is drawn.
  public var lines: [Line]
  /// Heights that are marked.
  public var heights: [Mark] = []
  /// Places of the horizontal axis that are marked.
  public var places: [Mark] = []
  /// Names of places of the horizontal axis 0, 1, …, instead of numbers; empty: numbers.
  public var placeNames: [String] = []
  /// What tells its parts apart from those of other plots of a page; letters and digits.
  public var identifier: String

  /// A plot.
  public init(
    _ title: String, summary: String = "", x: String, y: String, scale: Axis.Scale = .linear,
    xScale: Axis.Scale = .linear, identifier: String, _ lines: [Line]
  ) {
    (self.title, self.summary, xName, yName) = (title, summary, x, y)
    (self.scale, self.xScale, self.lines) = (scale, xScale, lines)
    // It stands in attributes.
    self.identifier = String(
      String.UnicodeScalarView(
        identifier.unicodeScalars.map { scalar in
          let isPlain =
            scalar.isASCII
            && (scalar.properties.isAlphabetic || "0123456789-".unicodeScalars.contains(scalar))
          return isPlain ? scalar : "-"
        }))
  }

  /// Colours that people who see few of them tell apart.
  public static let colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8A6D00", "#2E8BC0"]
  private static let dashes = ["", "7 3", "2 3", "9 3 2 3", "12 4", "4 2"]

  private static let (width, height) = (720.0, 320.0)
  private static let (left, right, top, bottom) = (64.0, 16.0, 12.0, 46.0)

  /// The axes of what is drawn.
  public var axes: (x: Axis, y: Axis) {
    let shown = lines.flatMap(\.points).filter { scale == .linear || $0.y > 0 }
    let bands = lines.flatMap(\.band).flatMap { [$0.lowerBound, $0.upperBound] }
    return (
      Axis(shown.map(\.x) + places.map(\.place), xScale, isTight: true),
      Axis(shown.map(\.y) + bands + heights.map(\.place), scale)
    )
  }

  /// The text of the picture.
  ///
  /// - Parameter isAlone: Whether it is a file of its own, and no part of a page.
  public func svg(isAlone: Bool = false) -> String {
    let (x, y) = axes
    let frame = Frame(x: x, y: y)
    // Three names fit into a line of the legend.
    let named = lines.filter { !$0.name.isEmpty }
    let rows = named.count > 1 ? (named.count + 2) / 3 : 0
    let (legend, heading) = (Double(rows) * 20, isAlone ? 26.0 : 0)
    var parts = [
      "<svg \(isAlone ? "xmlns=\"http://www.w3.org/2000/svg\" " : "")viewBox=\"0 \(number(-heading)) "
        + "\(number(Self.width)) \(number(Self.height + legend + heading))\" role=\"img\" "
        + "aria-labelledby=\"\(identifier)-title \(identifier)-summary\" class=\"plot\" "
        + "data-x=\"\(extent(x))\" data-y=\"\(extent(y))\" "
        + "font-family=\"system-ui, sans-serif\" font-size=\"13\">",
      "<title id=\"\(identifier)-title\">\(escaped(title))</title>",
      "<desc id=\"\(identifier)-summary\">\(escaped(summary))</desc>",
    ]
    if isAlone {
      parts.append(
        "<rect y=\"\(number(-heading))\" width=\"100%\" height=\"100%\" fill=\"white\"/>")
      parts.append(text(Self.left, -8, "start", title))
    }
    parts += grid(frame)
    for (index, line) in lines.enumerated() { parts += draw(line, index, frame) }
    if rows > 0 { parts += names(named) }
    return (parts + ["</svg>"]).joined(separator: "\n") + "\n"
  }

  /// An axis for scripts: its ends, and its scale.
  private func extent(_ axis: Axis) -> String {
    "\(axis.range.lowerBound) \(axis.range.upperBound) \(axis.scale.rawValue)"
  }

  /// Where numbers lie in the picture.
  private struct Frame {
    let x, y: Axis

    func across(_ number: Double) -> Double? {
      x.share(of: number).map { Plot.left + $0 * (Plot.width - Plot.left - Plot.right) }
    }

    func down(_ number: Double) -> Double? {
      y.share(of: number).map {
        Plot.height - Plot.bottom - min(max($0, -1), 2) * (Plot.height - Plot.top - Plot.bottom)
      }
    }
  }

  private func grid(_ frame: Frame) -> [String] {
    let (base, end) = (Self.height - Self.bottom, Self.width - Self.right)
    var parts: [String] = []
    for tick in frame.y.ticks(about: 5) {
      guard let down = frame.down(tick) else { continue }
      parts.append(rule(Self.left, down, end, down, "grid", "stroke=\"#8884\""))
      parts.append(text(Self.left - 7, down + 4, "end", Axis.text(tick)))
    }
    let ticks = xTicks(frame.x)
    // On a narrow screen there is room for every other name of many.
    let isCrowded = ticks.reduce(0) { $0 + $1.1.count } > 48
    for (index, (place, name)) in ticks.enumerated() {
      guard let across = frame.across(place) else { continue }
      parts.append(rule(across, base, across, base + 5, "tick", "stroke=\"#888\""))
      // The last name must not leave the picture.
      let isAtEnd = across + Double(name.count) * 4 > Self.width
      parts.append(
        text(
          isAtEnd ? Self.width : across, base + 19, isAtEnd ? "end" : "middle", name,
          kind: isCrowded && index % 2 == 1 ? "between" : nil))
    }
    parts.append(rule(Self.left, base, end, base, "axis", "stroke=\"#888\""))
    parts.append(text((Self.left + end) / 2, base + 38, "middle", xName))
    parts.append(
      "<text class=\"y-name\" transform=\"translate(14 \(number((Self.top + base) / 2))) rotate(-90)\" "
        + "text-anchor=\"middle\" fill=\"currentColor\">\(escaped(yName))</text>")
    for mark in heights {
      guard let down = frame.down(mark.place) else { continue }
      parts.append(
        rule(Self.left, down, end, down, "mark", "stroke=\"#888\" stroke-dasharray=\"5 4\""))
      parts.append(text(end - 4, down - 5, "end", mark.name))
    }
    for mark in places {
      guard let across = frame.across(mark.place) else { continue }
      parts.append(
        "<g><title>\(escaped(mark.name))</title>"
          + rule(across, Self.top, across, base, "mark", "stroke=\"#888\" stroke-dasharray=\"2 4\"")
          + "</g>")
    }
    return parts
  }

  /// The places of the horizontal axis that are named: all of a few names, otherwise the ends and three
  /// between.
  private func xTicks(_ axis: Axis) -> [(Double, String)] {
    guard !placeNames.isEmpty else { return axis.ticks(about: 7).map { ($0, Axis.text($0)) } }
    let last = placeNames.count - 1
    let chosen = last > 8 ? (0...4).map { $0 * last / 4 } : Array(placeNames.indices)
    return chosen.map { (Double($0), placeNames[$0]) }
  }

  private func draw(_ line: Line, _ index: Int, _ frame: Frame) -> [String] {
    let colour = Self.colours[(line.colour ?? index) % Self.colours.count]
    let dashes = Self.dashes[(line.colour ?? index) % Self.dashes.count]
    let key = line.key.map { " data-key=\"\(escaped($0))\"" } ?? ""
    var parts: [String] = []
    if !line.band.isEmpty {
      let (upper, lower) = (
        zip(line.points, line.band).map { Point($0.x, $1.upperBound) },
        zip(line.points, line.band).map { Point($0.x, $1.lowerBound) }
      )
      let area = places(upper, frame) + places(lower, frame).reversed()
      parts.append(
        "<polygon points=\"\(area.joined(separator: " "))\" fill=\"\(colour)\" "
          + "opacity=\"\(line.style == .area ? 0.7 : 0.2)\"/>")
    }
    if line.style == .area { return parts }
    let isFaint = line.style == .faint
    let look =
      "fill=\"none\" stroke=\"\(colour)\" stroke-width=\"\(isFaint ? 1 : 2)\" "
      + "stroke-linejoin=\"round\" opacity=\"\(isFaint ? 0.45 : 1)\""
      + (dashes.isEmpty || isFaint ? "" : " stroke-dasharray=\"\(dashes)\"")
    for run in runs(of: line) where run.count > 1 {
      parts.append(
        "<polyline\(key) points=\"\(places(run, frame).joined(separator: " "))\" \(look)/>")
    }
    // A few points, or one alone, would not be seen as a line.
    if line.style == .points || line.points.count <= 40 && line.style == .line {
      for point in line.points {
        guard let across = frame.across(point.x), let down = frame.down(point.y) else { continue }
        parts.append(
          "<circle cx=\"\(number(across))\" cy=\"\(number(down))\" r=\"3.5\" fill=\"\(colour)\">"
            + "<title>\(escaped("\(name(ofPlace: point.x)): \(Axis.text(point.y))"))</title>"
            + "</circle>")
      }
    }
    return parts
  }

  /// What a place of the horizontal axis is called.
  private func name(ofPlace x: Double) -> String {
    let place = Int(exactly: x.rounded()) ?? -1
    return placeNames.indices.contains(place)
      ? placeNames[place] : "\(xName) \(Axis.text(x))"
  }

  /// The pieces of a line between its gaps.
  private func runs(of line: Line) -> [[Point]] {
    var runs: [[Point]] = [[]]
    for point in line.points {
      let hasPlace = point.y.isFinite && (scale == .linear || point.y > 0)
      if let last = runs[runs.count - 1].last,
        !hasPlace || point.x - last.x > line.largestStep ?? .infinity
      {
        runs.append([])
      }
      if hasPlace { runs[runs.count - 1].append(point) }
    }
    return runs
  }

  private func places(_ points: [Point], _ frame: Frame) -> [String] {
    points.compactMap { point in
      guard let across = frame.across(point.x), let down = frame.down(point.y) else { return nil }
      return "\(number(across)),\(number(down))"
    }
  }

  private func names(_ named: [Line]) -> [String] {
    named.enumerated().flatMap { index, line in
      let place = Self.left + Double(index % 3) * 216
      let height = Self.height + Double(index / 3) * 20 + 6
      let number = line.colour ?? lines.firstIndex { $0.name == line.name } ?? index
      let dashes = Self.dashes[number % Self.dashes.count]
      return [
        rule(
          place, height, place + 26, height, "key",
          "stroke=\"\(Self.colours[number % Self.colours.count])\" stroke-width=\"3\""
            + (dashes.isEmpty || line.style == .faint ? "" : " stroke-dasharray=\"\(dashes)\"")
            + (line.style == .faint ? " opacity=\"0.45\"" : "")),
        text(place + 32, height + 4, "start", line.name),
      ]
    }
  }

  private func rule(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ kind: String, _ look: String
  ) -> String {
    "<line class=\"\(kind)\" x1=\"\(number(x1))\" y1=\"\(number(y1))\" x2=\"\(number(x2))\" "
      + "y2=\"\(number(y2))\" \(look)/>"
  }

  private func text(
    _ x: Double, _ y: Double, _ anchor: String, _ words: String, kind: String? = nil
  ) -> String {
    "<text\(kind.map { " class=\"\($0)\"" } ?? "") x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\" fill=\"currentColor\">"
      + "\(escaped(words))</text>"
  }

  /// A tenth of a pixel is enough.
  private func number(_ value: Double) -> String {
    let tenths = (value * 10).rounded()
    guard abs(tenths) < 1e9 else { return "0" }
    let whole = Int(tenths)
    return whole % 10 == 0
      ? "\(whole / 10)" : "\(whole < 0 ? "-" : "")\(abs(whole) / 10).\(abs(whole) % 10)"
  }

  private func escaped(_ text: String) -> String { text.escapedForXML }
}

extension String {
  /// The text as it stands between tags and in quotes of XML and HTML.
  ///
  /// Scalar by scalar: a sign with a mark on it is one character, and still ends a tag.
  public var escapedForXML: String {
    var result = String.UnicodeScalarView()
    for scalar in unicodeScalars {
      switch scalar {
      case "&": result += "&amp;".unicodeScalars
      case "<": result += "&lt;".unicodeScalars
      case ">": result += "&gt;".unicodeScalars
      case "\"": result += "&quot;".unicodeScalars
      case "'": result += "&#39;".unicodeScalars
      default: result.append(scalar)
      }
    }
    return String(result)
  }
}
