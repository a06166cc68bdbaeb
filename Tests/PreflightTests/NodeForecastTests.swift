// How runs are forecast on other machines, against sums by hand.

import Benchmark
import Preflight
import Testing
import Training

@Suite struct NodeForecastTests {
  private func basis(_ link: LinkCost, shards: Int? = nil) -> NodeForecast.Basis {
    var training = TrainingSettings()
    (training.batch, training.shards) = (128, shards)
    return NodeForecast.Basis(
      training: training, parameters: 4096 * 1024, ranks: 2, ranksPerNode: 2, computeSeconds: 8,
      link: link, local: nil, steps: 3600)
  }

  @Test func freeMessagesGiveTheFullSpeed() throws {
    for nodes in [1, 2, 8, 64] {
      let forecast = NodeForecast(
        nodes: nodes, basis(LinkCost(alpha: 0, beta: 0)))
      #expect(forecast.ranks == 2 * nodes && forecast.refusal == nil)
      #expect(forecast.stepSeconds == 8 / Double(nodes) && forecast.efficiency == 1)
      #expect(forecast.imagesPerSecond == 16 * Double(nodes))
      #expect(forecast.hours == 8 / Double(nodes) && forecast.nodeHours == 8)
    }
  }

  /// Four ranks on two machines: each pair adds first, and sends 2 parts of a quarter, 4 MiB, through its
  /// link; each rank has a message for each of four buckets.
  @Test func theExchangeIsAdded() throws {
    let forecast = NodeForecast(nodes: 2, basis(LinkCost(alpha: 0.01, beta: 1e-7)))
    let exchange = 2 * (0.01 * 1 * 4 + 1e-7 * 2 * Double(4096 * 1024))
    #expect(abs(try #require(forecast.exchangeSeconds) - exchange) < 1e-9)
    #expect(abs(try #require(forecast.stepSeconds) - (4 + exchange)) < 1e-9)
    #expect(abs(try #require(forecast.efficiency) - 8 / (2 * (4 + exchange))) < 1e-9)
  }

  @Test func ranksThatDoNotShareTheBatchAreNamed() throws {
    let link = LinkCost.assumed
    #expect(NodeForecast(nodes: 3, basis(link)).refusal?.contains("6 ranks") == true)
    #expect(NodeForecast(nodes: 8, basis(link, shards: 8)).refusal?.contains("16 ranks") == true)
    #expect(NodeForecast(nodes: 8, basis(link, shards: 16)).refusal == nil)
    #expect(NodeForecast(nodes: 128, basis(link)).stepSeconds == nil)
  }

  @Test func energyAndCostFollowTheHours() {
    let forecast = RunForecast(
      steps: 3600, stepSeconds: 2, drawingSeconds: 1800, validationSeconds: 1800, nodes: 3,
      watts: 500, price: 0.25)
    #expect(forecast.seconds == 10_800 && forecast.nodeHours == 9)
    #expect(forecast.kilowattHours == 4.5 && forecast.cost == 2.25)
    let plain = RunForecast(steps: 1, stepSeconds: 1, nodes: 1)
    #expect(plain.kilowattHours == nil && plain.cost == nil)
  }
}
