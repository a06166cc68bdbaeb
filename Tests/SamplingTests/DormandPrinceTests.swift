// The integrator against solutions in closed form, each image for itself.

import Foundation
import Sampling
import Testing

@Suite struct DormandPrinceTests {
  private typealias Point = DormandPrince.Point

  /// y' = y cos t from 1 at t = 0: y = exp(sin t).
  private func solve(_ tolerance: Double) throws -> (error: Double, evaluations: Int) {
    var points = [Point(x: [1])]
    let evaluations = try DormandPrince(tolerance: tolerance).integrate(&points, from: 0, to: 10) {
      times, points in
      zip(times, points).map { Point(x: [$1.x[0] * cos($0)]) }
    }
    return (abs(points[0].x[0] - exp(sin(10))), evaluations[0])
  }

  /// The error follows the tolerance, and falls with the fifth power of the evaluations.
  @Test func orderIsFive() throws {
    let results = try [1e-4, 1e-6, 1e-8, 1e-10, 1e-12].map { ($0, try solve($0)) }
    for (tolerance, result) in results {
      #expect(result.error < 10 * tolerance, "\(result) at \(tolerance)")
    }
    let (coarse, fine) = (results[1].1, results[3].1)
    let order =
      log(coarse.error / fine.error) / log(Double(fine.evaluations) / Double(coarse.evaluations))
    #expect((4.4...5.8).contains(order), "\(order)")
  }

  /// Slopes that are powers up to the fourth are integrated without error; others are not.
  @Test func polynomialsAreExact() throws {
    func integrate(_ degree: Int) throws -> Double {
      var points = [Point(x: [0])]
      _ = try DormandPrince(tolerance: 0.9).integrate(&points, from: 1, to: 2) { times, _ in
        times.map { Point(x: [Double(degree + 1) * pow($0, Double(degree))]) }
      }
      return points[0].x[0]
    }
    for degree in 0...4 {
      #expect(abs(try integrate(degree) - (pow(2, Double(degree + 1)) - 1)) < 1e-13, "\(degree)")
    }
    #expect(abs(try integrate(8) - 511) > 1e-9)
  }

  @Test func downLeadsBack() throws {
    var points = [Point(x: [0.3, -1]), Point(x: [2, 0.1])]
    let start = points
    let integrator = DormandPrince(tolerance: 1e-10)
    /// A pendulum.
    func derivative(_ times: [Double], _ points: [Point]) -> [Point] {
      points.map { Point(x: [$0.x[1], -sin($0.x[0])]) }
    }
    _ = try integrator.integrate(&points, from: -1, to: 3, derivative: derivative)
    #expect(zip(points, start).allSatisfy { abs($0.x[1] - $1.x[1]) > 0.1 })
    _ = try integrator.integrate(&points, from: 3, to: -1, derivative: derivative)
    for (point, start) in zip(points, start) {
      for (x, y) in zip(point.x, start.x) { #expect(abs(x - y) < 1e-8) }
    }
    #expect(try integrator.integrate(&points, from: 2, to: 2) { _, points in points } == [0, 0])
  }

  /// Image i alone has the bits and the evaluations that it has among others, and the derivative
  /// is asked for as often as the slowest image needs.
  @Test func eachImageDecidesAlone() throws {
    let frequencies = [1.0, 30, 0.1, 7, 100, 2, 3, 5]
    func integrate(_ images: [Int]) throws -> (points: [Point], evaluations: [Int], calls: Int) {
      var points = images.map { Point(x: [1, Double($0)], integral: 0) }
      var calls = 0
      let evaluations = try DormandPrince(tolerance: 1e-6).integrate(&points, from: 0, to: 2) {
        times, points in
        calls += 1
        return images.indices.map { n in
          let w = frequencies[images[n]]
          let x = points[n].x
          return Point(x: [w * x[1], -w * x[0]], integral: x[0] * times[n])
        }
      }
      return (points, evaluations, calls)
    }
    let together = try integrate(Array(0..<8))
    #expect(together.calls == together.evaluations.max())
    #expect(Set(together.evaluations).count > 4)
    #expect(together.evaluations.allSatisfy { $0 % 6 == 2 })
    for n in 0..<8 {
      let alone = try integrate([n])
      #expect(alone.points == [together.points[n]])
      #expect(alone.evaluations == [together.evaluations[n]])
      let w = frequencies[n]
      #expect(abs(alone.points[0].x[0] - (cos(2 * w) + Double(n) * sin(2 * w))) < 1e-3)
    }
  }

  /// What is integrated beside the state has an error of its own that is kept small.
  @Test func theIntegralIsControlled() throws {
    var points = [Point(x: [0.5, 0.5, 0.5])]
    let evaluations = try DormandPrince(tolerance: 1e-8).integrate(&points, from: 0, to: 3) {
      times, _ in
      times.map { Point(x: [0, 0, 0], integral: 20 * cos(20 * $0)) }
    }
    #expect(abs(points[0].integral - sin(60)) < 1e-6)
    #expect(evaluations[0] > 200 && points[0].x == [0.5, 0.5, 0.5])
  }

  @Test func whatDoesNotArriveIsNamed() throws {
    func integrate(_ slope: Double, of image: Int, limit: Int = 10_000) throws {
      var points = (0..<3).map { _ in Point(x: [1]) }
      _ = try DormandPrince(tolerance: 1e-6, maximumEvaluations: limit).integrate(
        &points, from: 0, to: 1
      ) { times, points in
        points.indices.map { n in
          Point(x: [n == image && times[n] > 0.5 ? slope : cos(30 * times[n])])
        }
      }
    }
    try integrate(1, of: 1)
    #expect(throws: IntegrationError(image: 2, reason: .notFinite)) {
      try integrate(.nan, of: 2)
    }
    #expect(throws: IntegrationError(image: 1, reason: .notFinite)) {
      try integrate(.infinity, of: 1)
    }
    let error = #expect(throws: IntegrationError.self) { try integrate(1, of: 2, limit: 20) }
    #expect(
      error == IntegrationError(image: 0, reason: .tooManyEvaluations(20, tolerance: 1e-6)))
  }
}
