// Known distributions against sums and integrals over all images of a few pixels.

import Diffusion
import Foundation
import Testing

/// All images of a distribution of few pixels, each with log(p(x_0) · its share of the volume).
private struct AllImages {
  let points: [[Double]]
  let logMasses: [Double]

  /// Every combination of some values in each pixel, `step` apart; 1 for images that are counted.
  init(of distribution: some KnownDistribution, values: [Double], step: Double) {
    var points: [[Double]] = [[]]
    for _ in 0..<distribution.dimensions {
      points = points.flatMap { point in values.map { point + [$0] } }
    }
    self.points = points
    let logVolume = Double(distribution.dimensions) * log(step)
    logMasses = points.map { distribution.logProbability(of: $0) + logVolume }
  }

  /// log p(x_t) and E[x_0 | x_t].
  func posterior(
    _ xt: [Double], signal: Double, noise: Double
  ) -> (logProbability: Double, mean: [Double]) {
    var total = 0.0
    var mean = [Double](repeating: 0, count: xt.count)
    for (point, logMass) in zip(points, logMasses) {
      var distance = 0.0
      for i in xt.indices {
        distance += (xt[i] - signal * point[i]) * (xt[i] - signal * point[i])
      }
      let mass = exp(
        logMass
          - negativeLogNormal(
            squaredDistance: distance, variance: noise * noise, dimensions: xt.count))
      total += mass
      for i in xt.indices { mean[i] += mass * point[i] }
    }
    return (log(total), mean.map { $0 / total })
  }
}

@Suite struct KnownDistributionTests {
  /// A distribution and the images to sum over.
  struct Case: Sendable, CustomTestStringConvertible {
    let distribution: any KnownDistribution
    let values: [Double]
    let step: Double
    var testDescription: String {
      "\(type(of: distribution).name) of \(distribution.side) × \(distribution.side), step \(step)"
    }

    /// The trapezoidal rule, whose error for normals is below exp(−2π² (deviation/step)²).
    init(_ distribution: any KnownDistribution, from: Double, to: Double, step: Double) {
      self.distribution = distribution
      self.step = step
      values = Array(stride(from: from, through: to, by: step))
    }

    init(_ distribution: any KnownDistribution) {
      self.distribution = distribution
      (values, step) = ([-1, 1], 1)
    }
  }

  static let cases = [
    Case(GaussianImages(side: 1, mean: 0.2, deviation: 0.5), from: -4, to: 4.4, step: 0.05),
    Case(
      GaussianImages(side: 2, mean: -0.3, deviation: 1, correlation: 0.4), from: -6.3, to: 5.7,
      step: 0.6),
    Case(
      GaussianImages(side: 2, mean: 0, deviation: 1, correlation: -0.4), from: -6, to: 6, step: 0.6),
    Case(
      MixtureImages(side: 1, contrast: 0.5, deviation: 0.2, weights: [3, 1]), from: -2.5, to: 2.5,
      step: 0.02),
    Case(
      MixtureImages(side: 2, contrast: 0.5, deviation: 0.6, weights: [4, 1, 2, 3]), from: -4.2,
      to: 4.2, step: 0.4),
    Case(CoinImages(side: 1, block: 1, probability: 0.3)),
    Case(CoinImages(side: 2, block: 2, probability: 0.3)),
    Case(CoinImages(side: 2, block: 1, probability: 0.9)),
  ]

  @Test(arguments: cases) func probabilitiesAddUpToOne(_ case: Case) {
    let images = AllImages(of: `case`.distribution, values: `case`.values, step: `case`.step)
    let total = images.logMasses.reduce(0) { $0 + exp($1) }
    #expect(abs(total - 1) < 1e-6, "\(total)")
  }

  @Test(arguments: cases) func entropyIsTheMeanOfMinusLog(_ case: Case) {
    let distribution = `case`.distribution
    guard let entropy = distribution.entropy else { return }
    let images = AllImages(of: distribution, values: `case`.values, step: `case`.step)
    let logVolume = Double(distribution.dimensions) * log(`case`.step)
    let sum = images.logMasses.filter { $0 > -.infinity }.reduce(0) {
      $0 - exp($1) * ($1 - logVolume)
    }
    #expect(abs(sum - entropy) < 1e-5, "\(sum), not \(entropy)")
  }

  /// The best denoiser is the mean of all images, weighted by what they have to do with x_t, and
  /// the gradient of log p(x_t) leads to the same image.
  @Test(arguments: cases) func denoisedIsThePosteriorMean(_ case: Case) {
    let distribution = `case`.distribution
    let images = AllImages(of: distribution, values: `case`.values, step: `case`.step)
    // Not less noise than the rule can follow.
    for (signal, noise) in [(0.8, 0.6), (0.28, 0.96)] {
      for shift in [-0.7, 0.4] {
        let xt = (0..<distribution.dimensions).map { shift + 0.3 * Double($0 % 3) }
        let denoised = distribution.denoised(xt, signal: signal, noise: noise)
        let expected = images.posterior(xt, signal: signal, noise: noise).mean
        for i in xt.indices {
          #expect(abs(denoised[i] - expected[i]) < 1e-6, "\(denoised), not \(expected)")
          func logProbability(_ step: Double) -> Double {
            var moved = xt
            moved[i] += step
            return images.posterior(moved, signal: signal, noise: noise).logProbability
          }
          let slope = (logProbability(1e-4) - logProbability(-1e-4)) / 2e-4
          let tweedie = (xt[i] + noise * noise * slope) / signal
          #expect(abs(denoised[i] - tweedie) < 1e-5, "\(denoised[i]), not \(tweedie)")
        }
      }
    }
  }

  /// Eight rows and columns with their neighbours: log det and the solution of Σ against plain
  /// elimination.
  @Test(arguments: [0, 0.9, -0.5]) func correlatedPixelsFollowTheirCovariance(
    _ correlation: Double
  ) {
    let (side, mean, deviation) = (8, 0.1, 0.3)
    let images = GaussianImages(
      side: side, mean: mean, deviation: deviation, correlation: correlation)
    let d = side * side
    func covariance(_ i: Int, _ j: Int) -> Double {
      let steps = abs(i / side - j / side) + abs(i % side - j % side)
      return deviation * deviation * pow(correlation, Double(steps))
    }
    /// Solves (scale · Σ + diagonal · I) x = b, and gives the logarithm of the determinant.
    func solve(_ b: [Double], scale: Double, diagonal: Double) -> (x: [Double], logDet: Double) {
      var a = (0..<d).map { i in
        (0..<d).map { scale * covariance(i, $0) + (i == $0 ? diagonal : 0) }
      }
      var x = b
      var logDet = 0.0
      for k in 0..<d {
        logDet += log(a[k][k])
        for i in k + 1..<d {
          let factor = a[i][k] / a[k][k]
          for j in k..<d { a[i][j] -= factor * a[k][j] }
          x[i] -= factor * x[k]
        }
      }
      for k in (0..<d).reversed() {
        for j in k + 1..<d { x[k] -= a[k][j] * x[j] }
        x[k] /= a[k][k]
      }
      return (x, logDet)
    }
    let x = scattered(d, seed: 5).map { Double($0) }
    let centred = x.map { $0 - mean }
    let (solution, logDet) = solve(centred, scale: 1, diagonal: 0)
    let squares = zip(centred, solution).reduce(0) { $0 + $1.0 * $1.1 }
    let expected = -0.5 * (Double(d) * log(2 * Double.pi) + logDet + squares)
    #expect(difference(images.logProbability(of: x), expected) < 1e-10)
    let entropy = 0.5 * (Double(d) * (1 + log(2 * Double.pi)) + logDet)
    #expect(abs(images.entropy! - entropy) < 1e-9)

    let (signal, noise) = (0.6, 0.8)
    let weights = solve(
      x.map { $0 - signal * mean }, scale: signal * signal, diagonal: noise * noise
    ).x
    let denoised = images.denoised(x, signal: signal, noise: noise)
    for i in 0..<d {
      let product = (0..<d).reduce(0) { $0 + covariance(i, $1) * weights[$1] }
      #expect(abs(denoised[i] - (mean + signal * product)) < 1e-10)
    }
  }

  /// Unit vectors of normals give the columns of a root of Σ.
  @Test func drawnPixelsHaveTheCovariance() {
    let images = GaussianImages(side: 3, mean: 0.1, deviation: 0.5, correlation: 0.7)
    let columns = (0..<9).map { k in
      images.image(normals: (0..<9).map { $0 == k ? 1 : 0 }, uniforms: []).x0.map { $0 - 0.1 }
    }
    for i in 0..<9 {
      for j in 0..<9 {
        let covariance = columns.reduce(0) { $0 + $1[i] * $1[j] }
        let steps = abs(i / 3 - j / 3) + abs(i % 3 - j % 3)
        #expect(abs(covariance - 0.25 * pow(0.7, Double(steps))) < 1e-14)
      }
    }
  }

  @Test func shapesAreToldApart() {
    #expect(MixtureImages.shapes(side: 1).map(\.name) == ["frame", "blank"])
    #expect(MixtureImages.shapes(side: 2).map(\.name) == ["frame", "column", "row", "blank"])
    for side in 3...8 {
      let shapes = MixtureImages.shapes(side: side)
      #expect(shapes.map(\.name) == ["frame", "column", "row", "cross", "blank"])
      #expect(Set(shapes.map(\.isDrawn)).count == 5)
    }
    let mixture = MixtureImages(side: 2, contrast: 0.5, deviation: 0.1, weights: [1, 1, 1, 5])
    #expect(mixture.weights == [0.125, 0.125, 0.125, 0.625])
    #expect(mixture.pictures[1] == [-0.5, 0.5, -0.5, 0.5])
    let zeros = [Double](repeating: 0, count: 4)
    for (uniform, label) in [(0.0, 0), (0.124, 0), (0.126, 1), (0.374, 2), (0.376, 3), (0.999, 3)] {
      let (x0, drawn) = mixture.image(normals: zeros, uniforms: [uniform])
      #expect(drawn == label && x0 == mixture.pictures[label])
    }
  }

  @Test func coinsAreWholeSquares() {
    let coins = CoinImages(side: 4, block: 2, probability: 0.3)
    #expect(coins.classNames == nil)
    let (x0, label) = coins.image(normals: [], uniforms: [0.2, 0.9, 0.31, 0.29])
    #expect(x0 == [1, 1, -1, -1, 1, 1, -1, -1, -1, -1, 1, 1, -1, -1, 1, 1] && label == nil)
    #expect(abs(coins.logProbability(of: x0) - 2 * log(0.3 * 0.7)) < 1e-14)
    var broken = x0
    broken[0] = -1
    #expect(coins.logProbability(of: broken) == -.infinity)
    #expect(coins.logProbability(of: x0.map { $0 / 2 }) == -.infinity)
    #expect(CoinImages(side: 4, block: 4, probability: 0.3).classNames == ["black", "white"])
  }

  /// The logarithms stay finite where the densities do not.
  @Test func farPicturesKeepTheirDigits() {
    let mixture = MixtureImages(side: 8, contrast: 0.5, deviation: 0.001)
    let ground = mixture.pictures[4]
    #expect(abs(mixture.logProbability(of: ground) - (64 * 5.988816745) + log(5)) < 1e-6)
    #expect(mixture.logProbability(of: ground.map { -$0 }).isFinite)
    let (signal, noise) = (0.999, 0.01)
    let x0 = mixture.denoised(ground.map { signal * $0 }, signal: signal, noise: noise)
    for (a, b) in zip(x0, ground) { #expect(abs(a - b) < 1e-12) }
    let coins = CoinImages(side: 8, block: 8, probability: 0.3)
    let black = coins.denoised([Double](repeating: -1, count: 64), signal: 1, noise: 0.001)
    #expect(black == [Double](repeating: -1, count: 64))
  }

  /// With the best denoiser the bound lies above the entropy, and many steps bring it near; images
  /// that are a few points want the variance of a step to a known x_0, and spread ones the other
  /// (Ho et al. 2020, section 3.2).
  @Test(arguments: [
    MixtureImages(side: 1, contrast: 0.5, deviation: 0.2, weights: [3, 1]) as any KnownDistribution,
    CoinImages(side: 1, block: 1, probability: 0.3),
  ])
  func theBoundApproachesTheTruth(_ distribution: any KnownDistribution) {
    let isCounted = distribution.levels != nil
    let step = 0.1
    let values = isCounted ? [-1, 1] : Array(stride(from: -2, through: 2, by: step))
    let images = AllImages(of: distribution, values: values, step: isCounted ? 1 : step)
    var gaps: [Double] = []
    for steps in [40, 160] {
      let schedule = NoiseSchedule(
        .linear(from: 0.1 / Double(steps), to: 20 / Double(steps)), steps: steps)
      let diffusion = GaussianDiffusion(
        schedule: schedule, prediction: .x0, variance: isCounted ? .fixedSmall : .fixedLarge,
        levels: distribution.levels)
      var gap = 0.0
      for (point, logMass) in zip(images.points, images.logMasses) where logMass > -20 {
        let x0 = [Float(point[0])]
        var bound = diffusion.terminalTerm(x0: x0.span)
        for t in 1...steps {
          let factor = schedule.forwardCoefficients(t)
          for z in stride(from: -5.0, through: 5, by: 0.5) {
            let xt = [Float(factor.x0 * point[0] + factor.noise * z)]
            let output = distribution.denoised(
              [Double(xt[0])], signal: factor.x0, noise: factor.noise
            ).map { Float($0) }
            let weight = 0.5 * exp(-0.5 * z * z) / (2 * Double.pi).squareRoot()
            bound +=
              weight
              * diffusion.boundTerm(
                t: t, x0: x0.span, xt: xt.span, output: output.span)
          }
        }
        gap += exp(logMass) * (bound + distribution.logProbability(of: point))
      }
      gaps.append(gap)
    }
    // What is missing is of the first order in the length of a step.
    #expect(gaps[1] > 0 && gaps[0] > 3 * gaps[1], "\(gaps)")
    #expect(gaps[1] < 0.05, "\(gaps)")
  }
}
