// Axes, plots and curves of text.

import Figures
import Testing

@Suite struct AxisTests {
  @Test func numbersHaveTheirShare() {
    let linear = Axis([0, 10], isTight: true)
    #expect(linear.share(of: 0) == 0 && linear.share(of: 2.5) == 0.25 && linear.share(of: 10) == 1)
    let logarithmic = Axis([1, 100, -5, 0, .nan], .logarithmic, isTight: true)
    #expect(abs(logarithmic.share(of: 10)! - 0.5) < 1e-12)
    #expect(logarithmic.share(of: 0) == nil && logarithmic.share(of: .infinity) == nil)
  }

  /// Round numbers within the range, from a few to twice as many as asked for.
  @Test(arguments: [
    (0.0, 1.0), (-3, 17), (1e-9, 3e-9), (0.1588, 0.1602), (1e6, 1e8), (-2e-4, 2e-4),
  ])
  func ticksAreRound(_ low: Double, _ high: Double) {
    let ticks = Axis([low, high], isTight: true).ticks(about: 5)
    #expect(3...11 ~= ticks.count, "\(ticks)")
    #expect(ticks.allSatisfy { low - 1e-12...high * (1 + 1e-12) ~= $0 }, "\(ticks)")
    #expect(ticks.allSatisfy { $0.sign == .plus || $0 != 0 }, "\(ticks)")
  }

  @Test func decadesAreTicks() {
    #expect(Axis([0.5, 2000], .logarithmic, isTight: true).ticks(about: 5) == [1, 10, 100, 1000])
    #expect(Axis([1e-8, 1e8], .logarithmic).ticks(about: 5).count <= 6)
  }

  /// No numbers, or one, are no reason for no axis.
  @Test func emptyAndSingle() {
    #expect(Axis([Double]()).range.contains(0) && Axis([Double]()).range.contains(1))
    #expect(Axis([3]).range.contains(3) && Axis([3]).share(of: 3) == 0.5)
    #expect(Axis([0]).share(of: 0) == 0.5)
  }
}

@Suite struct PlotTests {
  private func plot(_ points: [Plot.Point], _ name: String = "a") -> Plot {
    Plot("Title", summary: "Said", x: "step", y: "loss", identifier: "p", [Plot.Line(name, points)])
  }

  @Test func textIsEscaped() {
    var plot = plot([Plot.Point(0, 1), Plot.Point(1, 2)], "<script>")
    plot.title = "a & \"b\" < c"
    plot.lines.append(Plot.Line("<b>", [Plot.Point(0, 2)]))
    let svg = plot.svg(isAlone: true)
    #expect(!svg.contains("<script>") && svg.contains("&lt;script&gt;"))
    #expect(svg.contains("a &amp; &quot;b&quot; &lt; c"))
  }

  /// A number without a place parts the line in two.
  @Test func gapsPartLines() {
    let points = [1, 2, -1, 3, 4].enumerated().map { Plot.Point(Double($0), $1) }
    var plot = plot(points)
    #expect(plot.svg().components(separatedBy: "<polyline").count == 2)
    plot.scale = .logarithmic
    #expect(plot.svg().components(separatedBy: "<polyline").count == 3)
    plot.scale = .linear
    plot.lines[0].points = [Plot.Point(0, 1), Plot.Point(1, 1), Plot.Point(5, 1), Plot.Point(6, 1)]
    plot.lines[0].largestStep = 2
    #expect(plot.svg().components(separatedBy: "<polyline").count == 3)
  }

  /// Where the corners of the plot are: the first and the last number of both axes.
  @Test func pointsLieWhereTheyBelong() {
    let svg = plot([Plot.Point(0, 0), Plot.Point(10, 1)]).svg()
    let (low, high) = (274 - 262.0 / 22, 12 + 262.0 / 22)
    #expect(
      svg.contains("points=\"64,\((low * 10).rounded() / 10) 704,\((high * 10).rounded() / 10)\""))
  }

  /// An area has no line around it, and a place with a name is called by it.
  @Test func areasAndNamedPlaces() {
    var plot = plot([Plot.Point(0, 1), Plot.Point(1, 1)])
    plot.placeNames = ["first", "second"]
    #expect(plot.svg().contains("<title>second: 1</title>"))
    (plot.lines[0].style, plot.lines[0].band) = (.area, [0...1, 0...1])
    let svg = plot.svg()
    #expect(svg.contains("<polygon") && !svg.contains("<polyline") && !svg.contains("<circle"))
  }

  @Test func equalPlotsAreEqualTexts() {
    let points = (0..<500).map { Plot.Point(Double($0), 1 / Double($0 + 1)) }
    #expect(plot(points).svg() == plot(points).svg())
  }
}

@Suite struct SparklineTests {
  @Test func heights() {
    #expect(Sparkline.text([0, 1, 2, 3, 4, 5, 6, 7], width: 8) == "▁▂▃▄▅▆▇█")
    #expect(Sparkline.text([0, 0, 7, 7], width: 2) == "▁█")
    #expect(Sparkline.text([1, .nan, 2], width: 3) == "▁ █")
    #expect(Sparkline.text([], width: 3) == "" && Sparkline.text([1], width: 0) == "")
  }
}
