// How long a run will take, and what it costs.

import Foundation

/// How long the steps that are left will take, with what is drawn and validated between them.
public struct RunForecast: Codable, Equatable, Sendable {
  /// The steps that are left.
  public let steps: Int
  /// Seconds of a step.
  public let stepSeconds: Double
  /// Seconds of all grids of images, and of all validations, about.
  public let drawingSeconds, validationSeconds: Double
  /// Seconds of everything.
  public let seconds: Double
  /// The machines.
  public let nodes: Int
  /// The hours of all of them together.
  public let nodeHours: Double
  /// The energy, where the power of a machine is given.
  public let kilowattHours: Double?
  /// The cost, in the unit of the price of an hour of a machine, where that is given.
  public let cost: Double?

  /// A forecast.
  ///
  /// - Parameters:
  ///   - steps: Those that are left.
  ///   - stepSeconds: Seconds of one.
  ///   - drawingSeconds: Seconds of all grids.
  ///   - validationSeconds: Seconds of all validations.
  ///   - nodes: The machines of the job.
  ///   - watts: The power of a machine.
  ///   - price: Of an hour of a machine.
  package init(
    steps: Int, stepSeconds: Double, drawingSeconds: Double = 0, validationSeconds: Double = 0,
    nodes: Int, watts: Double? = nil, price: Double? = nil
  ) {
    self.steps = steps
    self.stepSeconds = stepSeconds
    self.drawingSeconds = drawingSeconds
    self.validationSeconds = validationSeconds
    self.nodes = nodes
    seconds = Double(steps) * stepSeconds + drawingSeconds + validationSeconds
    nodeHours = seconds / 3600 * Double(nodes)
    kilowattHours = watts.map { [nodeHours] in $0 * 1e-3 * nodeHours }
    cost = price.map { [nodeHours] in $0 * nodeHours }
  }
}
