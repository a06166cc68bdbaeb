// The forward draw and the reverse step over whole images.

import Diffusion
import Testing

@Suite struct ReverseTests {
  let schedule = NoiseSchedule(.ho, steps: 1000)

  @Test func stepsAreThoseOfDiffusers() {
    let (noisy, output) = (RecordedValues.stepNoisy, RecordedValues.stepOutput)
    for row in rows(of: RecordedValues.reverseSteps, width: 14) {
      let diffusion = GaussianDiffusion(
        schedule: schedule, prediction: Prediction(rawValue: row[0])!,
        variance: ReverseVariance(rawValue: row[1])!)
      let (clipping, t) = (row[2] == "True", Int(row[3])!)
      let clean = x0(diffusion, t, noisy, output, clipping: clipping)
      let previous = step(
        schedule, t, clean, noisy, variance: diffusion.reverseVariance(t),
        noise: RecordedValues.stepNoise)
      for i in 0..<5 {
        #expect(difference(Double(previous[i]), Double(row[4 + i])!) < 2e-7, "\(row)")
        #expect(difference(Double(clean[i]), Double(row[9 + i])!) < 2e-7, "\(row)")
      }
    }
  }

  @Test(arguments: Prediction.allCases)
  func clippingAtFullRangeChangesNothing(prediction: Prediction) {
    let short = NoiseSchedule(.linear(from: 0.05, to: 0.3), steps: 8)
    let diffusion = GaussianDiffusion(schedule: short, prediction: prediction)
    for t in [1, 2, 8] {
      let clean = scattered(33, seed: 1)
      let noise = scattered(33, seed: 2)
      let noisy = drawn(diffusion, t, clean, noise)
      let target = prediction.definition(t, short)
      let output = zip(clean, noisy).map {
        Float(target.x0 * Double($0) + target.xt * Double($1))
      }
      let free = mean(diffusion, t, noisy, output, clipping: false)
      let clipped = mean(diffusion, t, noisy, output, clipping: true)
      for i in clean.indices {
        let exact = short.posterior(t: t, x0: Double(clean[i]), xt: Double(noisy[i])).mean
        #expect(abs(Double(free[i]) - exact) < 1e-6)
        #expect(abs(free[i] - clipped[i]) < 1e-6)
      }
      // Far more than can be is clipped to 1 and averaged with x_t.
      let wild = output.map { $0 * 0 + (target.x0 < 0 ? -1e4 : 1e4) }
      for (x, value) in zip(noisy, mean(diffusion, t, noisy, wild, clipping: true)) {
        let exact = short.posterior(t: t, x0: 1, xt: Double(x)).mean
        #expect(abs(Double(value) - exact) < 1e-6)
      }
    }
  }

  @Test func firstStepAddsNoNoise() {
    let (clean, noisy): ([Float], [Float]) = ([0.5, -0.25], [0.25, -0.5])
    #expect(step(schedule, 1, clean, noisy, variance: 0.7, noise: []) == clean)
  }

  @Test func notANumberIsNotClipped() {
    let value = mean(
      GaussianDiffusion(schedule: schedule), 5, [0, 0], [.nan, .infinity], clipping: true)
    #expect(value[0].isNaN && value[1].isFinite)
  }

  @Test func respacedModelsKeepTheirKind() throws {
    let diffusion = GaussianDiffusion(
      schedule: schedule, prediction: .x0, variance: .fixedSmall, levels: 17)
    let grid = try TimestepGrid.linspace.steps(50, of: schedule)
    let respaced = try diffusion.respaced(to: grid)
    #expect(respaced.schedule.steps == 50 && respaced.schedule.timestep(50) == 999)
    #expect(respaced.prediction == .x0 && respaced.variance == .fixedSmall)
    #expect(respaced.levels == 17)
    let mean = GaussianDiffusion(schedule: schedule, prediction: .mean)
    #expect(try mean.respaced(to: Array(1...1000)) == mean)
    #expect(throws: DiffusionError.meanPredictionNeedsEveryStep) { try mean.respaced(to: grid) }
  }

  /// x_t of this image and noise.
  private func drawn(
    _ diffusion: GaussianDiffusion, _ t: Int, _ clean: [Float], _ noise: [Float]
  ) -> [Float] {
    var noisy = clean
    var span = noisy.mutableSpan
    diffusion.forward(t: t, x0: clean.span, noise: noise.span, into: &span)
    return noisy
  }

  /// x̂_0 of this output.
  private func x0(
    _ diffusion: GaussianDiffusion, _ t: Int, _ noisy: [Float], _ output: [Float], clipping: Bool
  ) -> [Float] {
    var clean = noisy
    var span = clean.mutableSpan
    diffusion.predictedX0(
      t: t, xt: noisy.span, output: output.span, clipping: clipping, into: &span)
    return clean
  }

  /// x_{t−1} of this x̂_0 and x_t.
  private func step(
    _ schedule: NoiseSchedule, _ t: Int, _ clean: [Float], _ noisy: [Float], variance: Double,
    noise: [Float]
  ) -> [Float] {
    var x = noisy
    var span = x.mutableSpan
    schedule.reverseStep(t: t, x0: clean.span, variance: variance, noise: noise.span, x: &span)
    return x
  }

  /// μ_θ of this output.
  private func mean(
    _ diffusion: GaussianDiffusion, _ t: Int, _ noisy: [Float], _ output: [Float], clipping: Bool
  ) -> [Float] {
    step(
      diffusion.schedule, t, x0(diffusion, t, noisy, output, clipping: clipping), noisy,
      variance: 0, noise: noisy)
  }
}
