// Systems of linear equations with known solutions.

import Tensors
import Testing

@Suite struct LinearSystemTests {
  @Test func aSystemByHand() throws {
    // A zero pivot, so that rows must change their places.
    let x = try #require(solve(symmetric: [0, 2, 1, 2, 1, 0, 1, 0, 3], [7, 4, 10]))
    for (found, expected) in zip(x, [1.0, 2, 3]) { #expect(abs(found - expected) < 1e-14) }
  }

  @Test func aSingularMatrixHasNoSolution() {
    #expect(solve(symmetric: [1, 1, 1, 1], [1, 2]) == nil)
    #expect(solve(symmetric: [], []) == [])
  }
}
