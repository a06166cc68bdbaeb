// Terms that add up are drawn on top of each other.

import Figures
import Reports
import Testing

@Suite struct RunFiguresTests {
  private func line(_ name: String, _ values: [Double], from first: Double = 1) -> Plot.Line {
    Plot.Line(name, values.enumerated().map { Plot.Point(first + Double($0.offset), $0.element) })
  }

  @Test func theLastLineIsTheSum() throws {
    let stack = try #require(RunFigures.stacked([line("a", [1, 2]), line("b", [0.5, 0])]))
    #expect(stack.map { $0.points.map(\.y) } == [[1, 2], [1.5, 2]])
    #expect(stack.map(\.band) == [[0...1, 0...2], [1...1.5, 2...2]])
  }

  /// What is below 0 somewhere, or of other steps, has no place in a stack.
  @Test func whatDoesNotAddUpIsNotStacked() {
    #expect(RunFigures.stacked([line("a", [1, 2]), line("b", [0.5, -1])]) == nil)
    #expect(RunFigures.stacked([line("a", [1, 2]), line("b", [1, 2], from: 2)]) == nil)
    #expect(RunFigures.stacked([]) == nil)
  }
}
