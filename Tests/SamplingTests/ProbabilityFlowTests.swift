// The probability flow with networks in closed form: densities that are known.

import Diffusion
import Foundation
import Sampling
import Tensors
import Testing

@Suite struct ProbabilityFlowTests {
  private typealias Flow = ProbabilityFlow
  private let ho = NoiseSchedule(.ho, steps: 1000)

  /// A network of a line of arithmetic.
  ///
  /// - Parameter network: ε̂ of one image and its Jacobian, for x_t, √ᾱ, √(1−ᾱ) and t.
  private func estimator(
    _ times: ContinuousTime,
    _ network:
      @escaping (_ x: [Double], _ x0: Double, _ noise: Double, _ t: Double)
      -> (epsilon: [Double], jacobian: [[Double]])
  ) -> Flow.Estimator {
    { x, t, directions in
      let outputs = x.indices.map { n in
        let (x0, noise) = times.forwardCoefficients(t[n])
        return network(x[n], x0, noise, t[n])
      }
      let forms = directions?.enumerated().map { n, v in
        zip(v, outputs[n].jacobian).reduce(0.0) { sum, row in
          sum + row.0 * zip(row.1, v).reduce(0.0) { $0 + $1.0 * $1.1 }
        }
      }
      return Flow.Estimates(epsilon: outputs.map(\.epsilon), forms: forms ?? [])
    }
  }

  /// The random signs of a probe.
  private func signs(_ image: Int, _ count: Int, probe: Int = 0) -> [Double] {
    RandomStream(seed: 1, purpose: .probe, step: probe, shard: image).signs(count: count)
  }

  // MARK: Gaussian data

  /// Data N(0, C) of d scalars, of which each pair has the covariance b: the variance is
  /// a + (d−1) b along (1, …, 1) and a − b across.
  private struct Correlated {
    let dimensions: Int
    let a: Double
    let b: Double

    private var variances: (along: Double, across: Double) {
      (a + Double(dimensions - 1) * b, a - b)
    }

    /// E[ε | x_t] = √(1−ᾱ) (ᾱ C + (1−ᾱ) I)⁻¹ x_t.
    func network(_ x: [Double], _ x0: Double, _ noise: Double, _ t: Double)
      -> ([Double], [[Double]])
    {
      let d = dimensions
      let along = 1 / (x0 * x0 * variances.along + noise * noise)
      let across = 1 / (x0 * x0 * variances.across + noise * noise)
      let shared = noise * (along - across) / Double(d)
      let jacobian = (0..<d).map { i in
        (0..<d).map { j in shared + (i == j ? noise * across : 0) }
      }
      return (jacobian.map { zip($0, x).reduce(0) { $0 + $1.0 * $1.1 } }, jacobian)
    }

    /// log p(x̃) of the flow that begins with N(0, I): it stretches each direction by the ratio of
    /// deviations.
    func logDensity(_ image: [Double], _ schedule: NoiseSchedule) -> Double {
      let (first, last) = (
        schedule.forwardCoefficients(1), schedule.forwardCoefficients(schedule.steps)
      )
      let mean = image.reduce(0, +) / Double(dimensions)
      let squares = image.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      func part(_ variance: Double, _ squares: Double, _ count: Int) -> Double {
        let (v1, vT) = (
          first.x0 * first.x0 * variance + first.noise * first.noise,
          last.x0 * last.x0 * variance + last.noise * last.noise
        )
        return Double(count) * (0.5 * log(vT / v1) + log(first.x0))
          - negativeLogNormal(
            squaredDistance: first.x0 * first.x0 * squares * vT / v1, variance: 1,
            dimensions: count)
      }
      return part(variances.along, Double(dimensions) * mean * mean, 1)
        + part(variances.across, squares, dimensions - 1)
    }
  }

  /// Independent scalars of N(0.2, 0.3²): the Jacobian is a multiple of I, for which every probe of
  /// signs gives the trace. The flow map, and log p with it, is known.
  @Test(arguments: [1e-5, 1e-9]) func gaussianData(tolerance: Double) throws {
    let (mean, variance) = (0.2, 0.09)
    let times = ContinuousTime(ho)
    let flow = Flow(times)
    let images: [[Double]] = (0..<8).map { n in
      (0..<5).map { i -> Double in 0.25 * Double(n) - 0.8 + 0.1 * Double(i) }
    }
    let estimate = estimator(times) { x, x0, noise, _ in
      let slope = noise / (x0 * x0 * variance + noise * noise)
      return (
        x.map { slope * ($0 - x0 * mean) },
        (0..<5).map { i in (0..<5).map { $0 == i ? slope : 0 } }
      )
    }
    let integrator = DormandPrince(tolerance: tolerance)
    let densities = try flow.logDensity(
      of: images, probes: .hutchinson([(0..<8).map { signs($0, 5) }]), integrator, estimate)
    let (first, last) = (ho.forwardCoefficients(1), ho.forwardCoefficients(1000))
    func varianceOf(_ at: (x0: Double, noise: Double)) -> Double {
      at.x0 * at.x0 * variance + at.noise * at.noise
    }
    let stretch = (varianceOf(last) / varianceOf(first)).squareRoot()
    for (image, density) in zip(images, densities) {
      let ends = image.map { last.x0 * mean + stretch * first.x0 * ($0 - mean) }
      let exact =
        5 * log(stretch * first.x0)
        - negativeLogNormal(
          squaredDistance: ends.reduce(0) { $0 + $1 * $1 }, variance: 1, dimensions: 5)
      #expect(abs(density.nats - exact) < 100 * tolerance, "\(density) for \(exact)")
      // Almost nothing of the image is left at T: the density of image and noise.
      let level = first.noise / first.x0
      let data = -negativeLogNormal(
        squaredDistance: image.reduce(0) { $0 + ($1 - mean) * ($1 - mean) },
        variance: variance + level * level, dimensions: 5)
      #expect(abs(density.nats - data) < 0.05)
    }
    let exactTrace = try flow.logDensity(
      of: images, probes: .exact(images: 8, dimensions: 5), integrator, estimate)
    for (one, all) in zip(densities, exactTrace) {
      #expect(abs(one.nats - all.nats) < 1e-9 && one.evaluations == all.evaluations)
    }
    let range: ClosedRange<Int> = tolerance == 1e-5 ? 20...80 : 100...500
    #expect(densities.allSatisfy { range.contains($0.evaluations) }, "\(densities)")
  }

  /// Downwards, without a trace: from noise to images, as a sampler goes.
  @Test func theFlowMapOfGaussianData() throws {
    let times = ContinuousTime(ho)
    let estimate = estimator(times) { x, x0, noise, _ in
      let slope = noise / (x0 * x0 * 0.09 + noise * noise)
      return (x.map { slope * ($0 - x0 * 0.2) }, [])
    }
    var points = [-2, 0.1, 1.5].map { DormandPrince.Point(x: [$0, -$0]) }
    let start = points
    _ = try Flow(times).move(
      &points, from: times.range.upperBound, to: times.range.lowerBound,
      DormandPrince(tolerance: 1e-9), estimate)
    let (first, last) = (ho.forwardCoefficients(1), ho.forwardCoefficients(1000))
    let shrink =
      ((first.x0 * first.x0 * 0.09 + first.noise * first.noise)
      / (last.x0 * last.x0 * 0.09 + last.noise * last.noise)).squareRoot()
    for (end, start) in zip(points, start) {
      #expect(end.integral == 0)
      for (x, z) in zip(end.x, start.x) {
        #expect(abs(x - (first.x0 * 0.2 + shrink * (z - last.x0 * 0.2))) < 1e-7)
      }
    }
  }

  /// A Jacobian with entries beside its diagonal: of two scalars, the two probes that differ are off
  /// to either side by as much, and their mean is the trace.
  @Test func twoProbesOfTwoScalars() throws {
    let data = Correlated(dimensions: 2, a: 0.5, b: 0.3)
    let times = ContinuousTime(ho)
    let images = [[0.5, 0.5], [0.5, -0.5], [1, 0.2], [-0.1, -0.3]]
    func densities(_ probes: Flow.Probes) throws -> [Double] {
      try Flow(times).logDensity(
        of: images, probes: probes, DormandPrince(tolerance: 1e-9),
        estimator(times, data.network)
      ).map(\.nats)
    }
    func repeated(_ direction: [Double]) -> [[Double]] { images.map { _ in direction } }
    let (same, opposite) = (repeated([1, 1]), repeated([1, -1]))
    let exact = try densities(.exact(images: 4, dimensions: 2))
    let (one, other) = (
      try densities(.hutchinson([same])), try densities(.hutchinson([opposite]))
    )
    let mean = try densities(.hutchinson([same, opposite]))
    for n in 0..<4 {
      #expect(abs(exact[n] - data.logDensity(images[n], ho)) < 1e-6)
      #expect(abs(mean[n] - exact[n]) < 1e-6)
      #expect(abs((one[n] + other[n]) / 2 - exact[n]) < 1e-6)
      #expect(abs(one[n] - other[n]) > 0.1)
    }
  }

  /// The mean over random probes is the trace, within its standard error.
  @Test func randomProbesAreUnbiased() throws {
    let data = Correlated(dimensions: 3, a: 0.5, b: -0.2)
    let times = ContinuousTime(ho)
    let (image, count) = ([0.4, -0.6, 0.1], 256)
    let values = try Flow(times).logDensity(
      of: Array(repeating: image, count: count),
      probes: .hutchinson([(0..<count).map { signs($0, 3) }]), DormandPrince(tolerance: 1e-6),
      estimator(times, data.network)
    ).map(\.nats)
    let mean = values.reduce(0, +) / Double(count)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count - 1)
    let standardError = (variance / Double(count)).squareRoot()
    let exact = data.logDensity(image, ho)
    #expect(abs(mean - exact) < 4 * standardError, "\(mean) ± \(standardError) for \(exact)")
    #expect(standardError > 1e-3 && standardError < 0.2)
    // Several probes of one image are their mean.
    let several = try Flow(times).logDensity(
      of: [image], probes: .hutchinson((0..<20).map { [signs($0, 3)] }),
      DormandPrince(tolerance: 1e-6), estimator(times, data.network))
    #expect(abs(several[0].nats - values[..<20].reduce(0, +) / 20) < 1e-3)
  }

  // MARK: Other data

  /// Two normals on a line: the density is theirs, and its integral is 1.
  @Test func aMixtureOfTwoNormals() throws {
    let (centre, variance) = (0.7, 0.04)
    let times = ContinuousTime(ho)
    let estimate = estimator(times) { x, x0, noise, _ in
      // ε̂ = −√(1−ᾱ) ∂ log p(x_t), with p(x_t) = ½ N(±√ᾱ c, v).
      let v = x0 * x0 * variance + noise * noise
      let m = x0 * centre
      let tilt = tanh(x[0] * m / v)
      return (
        [noise * (x[0] - m * tilt) / v], [[noise / v * (1 - m * m / v * (1 - tilt * tilt))]]
      )
    }
    let width = 4.0 / 640
    let images = (0...640).map { [Double($0) * width - 2] }
    let densities = try Flow(times).logDensity(
      of: images, probes: .exact(images: images.count, dimensions: 1),
      DormandPrince(tolerance: 1e-7), estimate)
    let level = ho.forwardCoefficients(1)
    let spread = variance + pow(level.noise / level.x0, 2)
    var mass = 0.0
    for (image, density) in zip(images, densities) {
      let parts = [-centre, centre].map { mean in
        -negativeLogNormal(
          squaredDistance: pow(image[0] - mean, 2), variance: spread, dimensions: 1)
      }
      let exact = log(0.5 * exp(parts[0]) + 0.5 * exp(parts[1]))
      // The start of the flow is N(0, 1), and the mixture's x_T only nearly.
      #expect(abs(density.nats - exact) < 2e-3, "\(density) for \(exact) at \(image)")
      mass += width * exp(density.nats)
    }
    #expect(abs(mass - 1) < 1e-5)
  }

  /// Another integrator in other variables, with a network that knows its timestep.
  @Test func solutionsOfSciPy() throws {
    let schedule = NoiseSchedule(
      .linear(from: RecordedFlow.first, to: RecordedFlow.last), steps: RecordedFlow.steps)
    let times = ContinuousTime(schedule)
    let estimate = estimator(times) { x, _, noise, t in
      let gain = 0.4 + 0.2 * sin(times.timestep(t) / 3)
      let hidden = (0..<3).map { (i: Int) -> Double in
        let row = RecordedFlow.matrix[3 * i..<3 * i + 3]
        return tanh(zip(row, x).reduce(RecordedFlow.bias[i]) { $0 + $1.0 * $1.1 })
      }
      let jacobian = (0..<3).map { (i: Int) -> [Double] in
        let slope = gain * (1 - hidden[i] * hidden[i])
        return (0..<3).map { (j: Int) -> Double in
          slope * RecordedFlow.matrix[3 * i + j] + (i == j ? noise : 0)
        }
      }
      return ((0..<3).map { noise * x[$0] + gain * hidden[$0] }, jacobian)
    }
    let (images, integrator) = (RecordedFlow.images, DormandPrince(tolerance: 1e-10))
    let probes = Flow.Probes.exact(images: images.count, dimensions: 3)
    let densities = try Flow(times).logDensity(of: images, probes: probes, integrator, estimate)
    let scale = times.forwardCoefficients(1).x0
    var points = images.map { DormandPrince.Point(x: $0.map { scale * $0 }) }
    _ = try Flow(times).move(
      &points, from: times.range.lowerBound, to: times.range.upperBound, integrator, estimate)
    for (n, recorded) in RecordedFlow.values.enumerated() {
      #expect(abs(densities[n].nats - recorded[0]) < 1e-6)
      for (x, expected) in zip(points[n].x, recorded[1...]) { #expect(abs(x - expected) < 1e-7) }
    }
  }
}
