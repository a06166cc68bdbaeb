// The summaries of measurements against numbers whose summaries are known.

import Benchmark
import Testing

@Suite struct MessageCostTests {
  private func points(alpha: Double, beta: Double, noise: [Double] = [0]) -> [MessageCost.Point] {
    (0..<10).map { power in
      let bytes = 4096 << (2 * power)
      let error = 1 + noise[power % noise.count]
      return MessageCost.Point(bytes: bytes, seconds: (alpha + beta * Double(bytes)) * error)
    }
  }

  @Test func exactTimesGiveTheirLine() throws {
    let cost = try #require(MessageCost(fitting: points(alpha: 20e-6, beta: 0.3e-9)))
    #expect(abs(cost.alpha - 20e-6) < 1e-12 && abs(cost.beta - 0.3e-9) < 1e-17)
    #expect(cost.relativeError < 1e-7)
  }

  @Test func relativeErrorsSpareTheLatency() throws {
    let cost = try #require(
      MessageCost(fitting: points(alpha: 20e-6, beta: 0.3e-9, noise: [0.05, -0.05])))
    #expect(abs(cost.alpha / 20e-6 - 1) < 0.05 && abs(cost.beta / 0.3e-9 - 1) < 0.05)
    #expect((0.03...0.06).contains(cost.relativeError))
  }

  /// Times that grow faster than the size would need a latency below zero.
  @Test func neitherLatencyNorCostIsNegative() throws {
    let faster = try #require(
      MessageCost(fitting: [
        .init(bytes: 1000, seconds: 1e-6), .init(bytes: 2000, seconds: 4e-6),
      ]))
    #expect(faster.alpha == 0 && faster.beta > 0)
    let falling = try #require(
      MessageCost(fitting: [
        .init(bytes: 1000, seconds: 2e-6), .init(bytes: 2000, seconds: 1e-6),
      ]))
    #expect(falling.alpha > 0 && falling.beta == 0)
  }

  @Test func oneSizeGivesNoLine() {
    #expect(MessageCost(fitting: []) == nil)
    #expect(
      MessageCost(fitting: [.init(bytes: 8, seconds: 1), .init(bytes: 8, seconds: 2)]) == nil)
  }

  @Test func theMedianLiesInTheMiddle() {
    let odd = Statistics([3, 1, 2])
    #expect((odd.minimum, odd.median, odd.maximum) == (1, 2, 3))
    #expect(Statistics([4, 1, 2, 3]).median == 2.5)
    #expect(Statistics([7]) == Statistics([7, 7]))
  }
}
