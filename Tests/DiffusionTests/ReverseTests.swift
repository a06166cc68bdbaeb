import Diffusion
import Testing

/// The forward draw and the reverse step over whole images.
@Suite struct ReverseTests {
  let schedule = NoiseSchedule(.ho, steps: 1000)

  @Test func stepsAreThoseOfDiffusers() {
    let (noisy, output) = (RecordedValues.stepNoisy, RecordedValues.stepOutput)
    for row in rows(of: RecordedValues.reverseSteps, width: 14) {
      let diffusion = GaussianDiffusion(
        schedule: schedule, prediction: Prediction(rawValue: row[0])!,
        variance: ReverseVariance(rawValue: row[1])!)
      let (clipping, t) = (row[2] == "True", Int(row[3])!)
      var previous = [Float](repeating: .nan, count: 5)
      var clean = previous
      var span = previous.mutableSpan
      diffusion.reverseStep(
        t: t, noisy: noisy.span, output: output.span, noise: RecordedValues.stepNoise.span,
        clipping: clipping, into: &span)
      span = clean.mutableSpan
      diffusion.predictedClean(
        t: t, noisy: noisy.span, output: output.span, clipping: clipping, into: &span)
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
      let target = diffusion.targetCoefficients(t)
      let output = zip(clean, noisy).map {
        Float(target.clean * Double($0) + target.noisy * Double($1))
      }
      let free = mean(diffusion, t, noisy, output, clipping: false)
      let clipped = mean(diffusion, t, noisy, output, clipping: true)
      for i in clean.indices {
        let exact = diffusion.posterior(t: t, clean: Double(clean[i]), noisy: Double(noisy[i])).mean
        #expect(abs(Double(free[i]) - exact) < 1e-6)
        #expect(abs(free[i] - clipped[i]) < 1e-6)
      }
      // Ten times the prediction is clipped to ±1 and averaged with x_t.
      let wild = output.map { $0 * 0 + (prediction == .epsilon ? -1e4 : 1e4) }
      for (x, value) in zip(noisy, mean(diffusion, t, noisy, wild, clipping: true)) {
        let exact = diffusion.posterior(t: t, clean: 1, noisy: Double(x)).mean
        #expect(abs(Double(value) - exact) < 1e-6)
      }
    }
  }

  @Test func firstStepAddsNoNoise() {
    let diffusion = GaussianDiffusion(schedule: schedule)
    let noisy: [Float] = [0.25, -0.5]
    let output: [Float] = [1, -2]
    var previous: [Float] = [0, 0]
    let none: [Float] = []
    var span = previous.mutableSpan
    diffusion.reverseStep(
      t: 1, noisy: noisy.span, output: output.span, noise: none.span, clipping: true, into: &span)
    #expect(previous == mean(diffusion, 1, noisy, output, clipping: true))
  }

  @Test func notANumberIsNotClipped() {
    let value = mean(
      GaussianDiffusion(schedule: schedule), 5, [0, 0], [.nan, .infinity], clipping: true)
    #expect(value[0].isNaN && value[1].isFinite)
  }

  @Test func respacedModelsKeepTheirKind() throws {
    let diffusion = GaussianDiffusion(
      schedule: schedule, prediction: .clean, variance: .fixedSmall, levels: 17)
    let respaced = try diffusion.respaced(to: 50)
    #expect(respaced.schedule.steps == 50 && respaced.schedule.networkTime(50) == 999)
    #expect(respaced.prediction == .clean && respaced.variance == .fixedSmall)
    #expect(respaced.levels == 17)
    let mean = GaussianDiffusion(schedule: schedule, prediction: .mean)
    #expect(try mean.respaced(to: 1000) == mean)
    #expect(throws: DiffusionError.meanPredictionNeedsEveryStep) { try mean.respaced(to: 50) }
    #expect(throws: DiffusionError.invalidSubset(steps: 1001, available: 1000)) {
      try diffusion.respaced(to: 1001)
    }
  }

  /// x_t of this image and noise.
  private func drawn(
    _ diffusion: GaussianDiffusion, _ t: Int, _ clean: [Float], _ noise: [Float]
  ) -> [Float] {
    var noisy = clean
    var span = noisy.mutableSpan
    diffusion.forward(t: t, clean: clean.span, noise: noise.span, into: &span)
    return noisy
  }

  /// μ_θ of this output.
  private func mean(
    _ diffusion: GaussianDiffusion, _ t: Int, _ noisy: [Float], _ output: [Float], clipping: Bool
  ) -> [Float] {
    var mean = noisy
    var span = mean.mutableSpan
    diffusion.reverseMean(
      t: t, noisy: noisy.span, output: output.span, clipping: clipping, into: &span)
    return mean
  }
}
