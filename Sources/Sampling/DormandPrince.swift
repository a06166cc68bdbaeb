// The one adaptive integrator of ordinary differential equations.

import Foundation

/// The Runge–Kutta pair of order 5(4) of Dormand and Prince (1980), with the step sizes of Hairer,
/// Nørsett, Wanner, Solving Ordinary Differential Equations I, section II.4 and code DOPRI5.
///
/// A batch of images is integrated together, and each image decides alone: it has a time, a step
/// size and a count of its own, and its error is a norm over its own scalars. All of them are
/// asked for at every evaluation, those that have arrived too, so that a network always sees a
/// whole group, and an image never depends on the others.
///
/// States are Double: the error of a step is a difference of nearly equal numbers, of which a Float
/// would leave one or two digits at the usual tolerance. What evaluates the derivative may round.
public struct DormandPrince: Equatable, Sendable {
  /// The error of a step that is allowed for a scalar y, in units of 1 + |y|: the root of the mean
  /// of squares over an image's scalars stays below it.
  public var tolerance: Double
  /// How often the derivative of one image is evaluated at most.
  public var maximumEvaluations: Int

  /// An integrator; Song et al. 2021 take the tolerance 1e-5.
  public init(tolerance: Double = 1e-5, maximumEvaluations: Int = 10_000) {
    self.tolerance = tolerance
    self.maximumEvaluations = maximumEvaluations
  }

  /// Where an image is, or how fast it moves.
  public struct Point: Equatable, Sendable {
    /// Its scalars.
    public var x: [Double]
    /// A number that is integrated beside them and on which nothing depends: the change of a log
    /// density. Its error counts per scalar of x.
    public var integral: Double

    /// A point.
    public init(x: [Double], integral: Double = 0) {
      self.x = x
      self.integral = integral
    }
  }

  /// Moves each image from one time to another, upwards or downwards.
  ///
  /// - Parameters:
  ///   - points: Where the images are; later, where they arrive.
  ///   - derivative: d/dt of each image, at a time of its own.
  /// - Returns: For each image, how often its derivative was evaluated.
  /// - Throws: An error for the first image that does not arrive.
  public func integrate(
    _ points: inout [Point], from start: Double, to end: Double,
    derivative: (_ times: [Double], _ points: [Point]) -> [Point]
  ) throws(IntegrationError) -> [Int] {
    precondition(tolerance > 0, "A tolerance is positive.")
    guard start != end else { return points.map { _ in 0 } }
    var paths = points.map { Path($0, from: start, to: end, tolerance) }
    func evaluate(_ places: [(time: Double, point: Point)]) -> [Point] {
      let slopes = derivative(places.map(\.time), places.map(\.point))
      precondition(slopes.count == paths.count, "Each image has a derivative.")
      return slopes
    }
    for (n, slope) in evaluate(paths.map { ($0.time, $0.point) }).enumerated() {
      paths[n].slopes[0] = slope
    }
    for (n, slope) in evaluate(paths.map { $0.trial() }).enumerated() {
      paths[n].chooseFirstStep(slope)
    }
    while paths.contains(where: { !$0.hasArrived }) {
      for (n, path) in paths.enumerated() where !path.hasArrived {
        guard path.evaluations + Tableau.stages <= maximumEvaluations else {
          throw IntegrationError(
            image: n, reason: .tooManyEvaluations(path.evaluations, tolerance: tolerance))
        }
      }
      for stage in 1...Tableau.stages {
        for (n, slope) in evaluate(paths.map { $0.place(stage) }).enumerated() {
          paths[n].slopes[stage] = slope
        }
      }
      for n in paths.indices where !paths[n].hasArrived {
        guard paths[n].finishStep() else { throw IntegrationError(image: n, reason: .notFinite) }
      }
    }
    points = paths.map(\.point)
    return paths.map(\.evaluations)
  }

  /// The coefficients of the pair.
  private enum Tableau {
    /// The evaluations of a step: the last one is the first of the next.
    static let stages = 6
    /// The time of each stage, as a share of the step.
    static let times: [Double] = [0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1, 1]
    /// The weights of the slopes up to each stage; the last ones make the result of order 5.
    static let weights: [[Double]] = [
      [],
      [1.0 / 5],
      [3.0 / 40, 9.0 / 40],
      [44.0 / 45, -56.0 / 15, 32.0 / 9],
      [19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729],
      [9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656],
      [35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84],
    ]
    /// The result of order 5 less that of order 4.
    static let errors: [Double] = [
      71.0 / 57600, 0, -71.0 / 16695, 71.0 / 1920, -17253.0 / 339200, 22.0 / 525, -1.0 / 40,
    ]
  }

  /// One image on its way.
  private struct Path {
    var time: Double
    var point: Point
    /// The slopes of the stages; the first is that at `point`.
    var slopes: [Point]
    var evaluations = 0
    private let end: Double
    private let tolerance: Double
    /// 1 upwards, −1 downwards.
    private let direction: Double
    /// The size of the step that is tried, without its sign.
    private var step: Double
    /// The error of the last accepted step, in units of what is allowed.
    private var lastError = 1e-4
    private var wasRejected = false

    init(_ point: Point, from start: Double, to end: Double, _ tolerance: Double) {
      (time, self.point) = (start, point)
      (self.end, self.tolerance) = (end, tolerance)
      direction = end > start ? 1 : -1
      step = abs(end - start)
      slopes = Array(
        repeating: Point(x: Array(repeating: 0, count: point.x.count)), count: Tableau.stages + 1)
    }

    var hasArrived: Bool { time == end }

    // MARK: The first step

    /// Where a small Euler step leads, to see how the slope changes.
    func trial() -> (time: Double, point: Point) {
      let h = direction * trialStep
      return (time + h, moved([1], by: h))
    }

    private var trialStep: Double {
      let (size, slope) = (norm(point), norm(slopes[0]))
      return min(size < 1e-5 || slope < 1e-5 ? 1e-6 : 0.01 * size / slope, step)
    }

    /// Chooses a step for which a method of order 5 would have an error of a hundredth.
    mutating func chooseFirstStep(_ trialSlope: Point) {
      evaluations += 2
      let h = trialStep
      var change = trialSlope
      for i in change.x.indices { change.x[i] -= slopes[0].x[i] }
      change.integral -= slopes[0].integral
      let largest = max(norm(slopes[0]), norm(change) / h)
      let chosen = largest <= 1e-15 ? max(1e-6, h * 1e-3) : pow(0.01 / largest, 0.2)
      step = min(100 * h, chosen)
      limitStep()
    }

    // MARK: Steps

    /// When and where the slope of a stage is wanted.
    func place(_ stage: Int) -> (time: Double, point: Point) {
      if hasArrived { return (time, point) }
      let h = direction * step
      return (time + Tableau.times[stage] * h, moved(Tableau.weights[stage], by: h))
    }

    /// Accepts or rejects the step of which all slopes are known, and chooses the next.
    ///
    /// - Returns: Whether its error is a finite number.
    mutating func finishStep() -> Bool {
      evaluations += Tableau.stages
      let h = direction * step
      let result = moved(Tableau.weights[Tableau.stages], by: h)
      let error = error(of: result, h)
      guard error.isFinite else { return false }
      // Proportional-integral control: 0.04 is its damping, 0.9 its safety.
      let share = pow(error, 0.2 - 0.75 * 0.04)
      guard error <= 1 else {
        step /= min(5, share / 0.9)
        wasRejected = true
        return true
      }
      let next = step / min(max(share / pow(lastError, 0.04) / 0.9, 0.1), 5)
      time = reaches ? end : time + h
      point = result
      slopes[0] = slopes[Tableau.stages]
      step = wasRejected ? min(step, next) : next
      (lastError, wasRejected) = (max(error, 1e-4), false)
      limitStep()
      return true
    }

    /// Whether the step that is tried ends at the end.
    private var reaches: Bool { step == abs(end - time) }

    /// Ends the step at the end where it would go beyond, or nearly there.
    private mutating func limitStep() {
      let rest = abs(end - time)
      if 1.01 * step >= rest { step = rest }
    }

    /// The point, moved along a sum of the first slopes.
    private func moved(_ weights: [Double], by h: Double) -> Point {
      var result = point
      for (weight, slope) in zip(weights, slopes) where weight != 0 {
        let factor = h * weight
        for i in result.x.indices { result.x[i] += factor * slope.x[i] }
        result.integral += factor * slope.integral
      }
      return result
    }

    /// The error of a step in units of what is allowed.
    private func error(of result: Point, _ h: Double) -> Double {
      var difference = Point(x: Array(repeating: 0, count: point.x.count))
      for (weight, slope) in zip(Tableau.errors, slopes) where weight != 0 {
        let factor = h * weight
        for i in difference.x.indices { difference.x[i] += factor * slope.x[i] }
        difference.integral += factor * slope.integral
      }
      return norm(difference, result)
    }

    /// A size in units of what is allowed: the root of the mean of squares over the scalars, or the
    /// integral's share of one scalar where that is more.
    private func norm(_ size: Point, _ other: Point? = nil) -> Double {
      let other = other ?? point
      var squares = 0.0
      for i in size.x.indices {
        let ratio = size.x[i] / (1 + max(abs(point.x[i]), abs(other.x[i])))
        squares += ratio * ratio
      }
      let count = Double(size.x.count)
      let integral =
        size.integral / (count + max(abs(point.integral), abs(other.integral)))
      let root = (squares / count).squareRoot()
      // A maximum would pass over what is not a number.
      guard root.isFinite, integral.isFinite else { return .nan }
      return max(root, abs(integral)) / tolerance
    }
  }
}

/// An image whose equation could not be integrated.
public struct IntegrationError: Error, Equatable, CustomStringConvertible {
  /// What happened to it.
  public enum Reason: Equatable, Sendable {
    /// It did not arrive within so many evaluations.
    case tooManyEvaluations(Int, tolerance: Double)
    /// It or its derivative is no number.
    case notFinite
  }

  /// Its number.
  public let image: Int
  /// What happened.
  public let reason: Reason

  /// An error.
  public init(image: Int, reason: Reason) {
    self.image = image
    self.reason = reason
  }

  /// What is wrong and what to do, in one line.
  public var description: String {
    switch reason {
    case .tooManyEvaluations(let count, let tolerance):
      "Image \(image) is not at the end of its way after \(count) evaluations of the network: take "
        + "a larger tolerance than \(tolerance), allow more steps, or take an earlier checkpoint."
    case .notFinite:
      "The network's output for image \(image) is not finite: this checkpoint's run has diverged; "
        + "take an earlier one."
    }
  }
}
