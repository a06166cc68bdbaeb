// How a run would go on other numbers of machines.

import Benchmark
import Training

/// What a step would take on some number of machines, by the model of docs/scaling.md.
///
/// A rank computes as fast as the ranks that were measured: the more of them, the fewer images each has. The
/// exchange is added to that, and none of it hidden behind computation, so that steps are rather shorter.
public struct NodeForecast: Codable, Equatable, Sendable {
  /// The machines, and the ranks on all of them.
  public let nodes, ranks: Int
  /// Why these ranks cannot share the batch; nil where they can: then the numbers below are there.
  public let refusal: String?
  /// Seconds of a step, and of them those of the exchange.
  public let stepSeconds, exchangeSeconds: Double?
  /// The speed of all ranks.
  public let imagesPerSecond: Double?
  /// The time of one machine over that of all machines together, 0 to 1.
  public let efficiency: Double?
  /// The hours of the steps that are left, and those of all machines together.
  public let hours, nodeHours: Double?

  /// What was measured, and what is assumed.
  package struct Basis: Sendable {
    /// The settings of the training, of which `shards` may be open.
    package var training: TrainingSettings
    /// The learned scalars.
    package var parameters: Int
    /// The ranks that were measured, and those of a machine.
    package var ranks, ranksPerNode: Int
    /// Seconds that the slowest of them computed.
    package var computeSeconds: Double
    /// What a message costs between machines.
    package var link: LinkCost
    /// What it costs within one; nil where that is not known, and not counted.
    package var local: LinkCost?
    /// The steps that are left.
    package var steps: Int

    package init(
      training: TrainingSettings, parameters: Int, ranks: Int, ranksPerNode: Int,
      computeSeconds: Double, link: LinkCost, local: LinkCost?, steps: Int
    ) {
      self.training = training
      self.parameters = parameters
      self.ranks = ranks
      self.ranksPerNode = ranksPerNode
      self.computeSeconds = computeSeconds
      self.link = link
      self.local = local
      self.steps = steps
    }

    /// Seconds of a step, and of the exchange in it.
    func seconds(nodes: Int) -> (step: Double, exchange: Double) {
      let all = nodes * ranksPerNode
      let model = ScalingModel(parameters: parameters, ranks: all, ranksPerNode: ranksPerNode)
      let exchange = (nodes == 1 ? local : link).map { model.seconds($0, within: local) } ?? 0
      return (computeSeconds * Double(ranks) / Double(all) + exchange, exchange)
    }
  }

  /// The forecast for a number of machines.
  package init(nodes: Int, _ basis: Basis) {
    self.nodes = nodes
    ranks = nodes * basis.ranksPerNode
    do throws(ConfigurationError) {
      _ = try basis.training.shardTree(rankCount: ranks)
    } catch {
      refusal = error.reason
      (stepSeconds, exchangeSeconds, imagesPerSecond) = (nil, nil, nil)
      (efficiency, hours, nodeHours) = (nil, nil, nil)
      return
    }
    refusal = nil
    let (step, exchange) = basis.seconds(nodes: nodes)
    (stepSeconds, exchangeSeconds) = (step, exchange)
    imagesPerSecond = Double(basis.training.batch) / step
    efficiency = basis.seconds(nodes: 1).step / (Double(nodes) * step)
    let time = step * Double(basis.steps) / 3600
    (hours, nodeHours) = (time, time * Double(nodes))
  }
}
