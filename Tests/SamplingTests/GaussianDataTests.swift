// For Gaussian data the best network is known, and so is the distribution that sampling must give.

import Diffusion
import Sampling
import Tensors
import Testing

@Suite struct GaussianDataTests {
  /// The data: independent scalars of N(0.2, 0.3²).
  private let mean = 0.2
  private let deviation = 0.3

  private func best(_ bar: Double) -> (scale: Double, offset: Double) {
    let scale = (1 - bar).squareRoot() / (bar * deviation * deviation + 1 - bar)
    return (scale, -scale * bar.squareRoot() * mean)
  }

  /// The mean and variance of x_0 at the end of the chain: each step is affine.
  private func expected(_ schedule: NoiseSchedule, _ variance: ReverseVariance) -> (Double, Double)
  {
    var (m, v) = (0.0, 1.0)
    for t in (1...schedule.steps).reversed() {
      let beta = schedule.beta(t)
      let bar = schedule.cumulativeAlpha(t)
      let before = schedule.cumulativeAlpha(t - 1)
      let (scale, offset) = best(bar)
      let factor = beta / (1 - bar).squareRoot()
      let root = (1 - beta).squareRoot()
      m = (m - factor * (scale * m + offset)) / root
      let slope = (1 - factor * scale) / root
      v *= slope * slope
      if t > 1 { v += variance == .fixedLarge ? beta : beta * (1 - before) / (1 - bar) }
    }
    return (m, v)
  }

  @Test(arguments: [
    (ReverseVariance.fixedLarge, 200), (.fixedSmall, 200), (.fixedLarge, 20), (.fixedSmall, 5),
  ])
  func samplesHaveTheMomentsOfTheData(variance: ReverseVariance, steps: Int) throws {
    let whole = NoiseSchedule(.linear(from: 1e-4, to: 0.1), steps: 200)
    let diffusion = GaussianDiffusion(schedule: whole, variance: variance, levels: nil)
    let data = GaussianData(mean: mean, deviation: deviation)
    let grid = try TimestepGrid.linspace.steps(steps, of: whole)
    let values = try Ancestral(
      of: SampledProcess(schedule: whole, variance: .fixedSmall), steps: steps, variance: variance
    ).images(
      0..<4, diffusion, seed: 2, clipping: false, shape: Shape(1, 32, 32, 2)
    ) { data.epsilon($0, $1, whole) }.map(Double.init)
    let count = Double(values.count)
    let sampleMean = values.reduce(0, +) / count
    let sampleVariance = values.map { ($0 - sampleMean) * ($0 - sampleMean) }.reduce(0, +) / count
    let (m, v) = expected(whole.respaced(to: grid), variance)
    // Four standard errors of a mean and of a variance.
    let tolerance = (mean: 4 * (v / count).squareRoot(), variance: 4 * v * (2 / count).squareRoot())
    #expect(abs(sampleMean - m) < tolerance.mean, "\(sampleMean), not \(m)")
    #expect(abs(sampleVariance - v) < tolerance.variance, "\(sampleVariance), not \(v)")
    guard steps == 200 else { return }
    // A long chain reaches the data's own moments.
    #expect(abs(sampleMean - mean) < 0.02)
    #expect(abs(sampleVariance.squareRoot() - deviation) < 0.02)
  }
}
