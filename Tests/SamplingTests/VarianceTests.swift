// The variances of a reverse step: learned, analytic, and that of the last step before the image.

import Diffusion
import Foundation
import Sampling
import Tensors
import Testing

@Suite struct VarianceTests {
  private let ho = NoiseSchedule(.ho, steps: 1000)

  /// The images of a sampler whose network gives x̂_0, and everywhere the same v.
  private func images(
    _ sampler: some Sampler, count: Int, shape: Shape, v: Float? = nil, seed: UInt64 = 4,
    seen: (_ x: [Float], _ t: Int) -> Void = { _, _ in },
    x0: (_ xt: Double, _ t: Int) -> Double
  ) -> [Float] {
    let pool = BufferPool()
    let x = Tensor(Shape(count, shape.h, shape.w, shape.c), in: pool)
    let noise = SampleNoise(seed: seed, images: 0..<count)
    noise.fillStart(x)
    try! sampler.run(x, noise, pool) { xt, times in
      let t = times[0]
      seen(Array(xt.scalars), Int(t))
      let clean = Tensor(xt.shape, xt.scalars.map { Float(x0(Double($0), Int(t))) }, in: pool)
      let variance = v.map {
        Tensor(xt.shape, Array(repeating: $0, count: xt.shape.count), in: pool)
      }
      return Denoised(x0: clean, variance: variance)
    }
    return Array(x.scalars)
  }

  private func moments(_ values: [Float]) -> (mean: Double, variance: Double) {
    let count = Double(values.count)
    let mean = values.reduce(0) { $0 + Double($1) } / count
    return (mean, values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count)
  }

  // MARK: Learned

  /// v = −1 everywhere is `fixed_small`, v = 1 is `fixed_large`, v = 0 their geometric mean.
  @Test(arguments: [nil, 7, 2, 1])
  func constantVarianceIsAFixedOne(steps: Int?) throws {
    let schedule = NoiseSchedule(.cosine, steps: 20)
    let process = SampledProcess(schedule: schedule, variance: .learned)
    func draw(_ variance: ReverseVariance?, v: Float?) throws -> [Float] {
      let sampler = try Ancestral(of: process, steps: steps, variance: variance)
      return images(sampler, count: 3, shape: Shape(1, 2, 3, 1), v: v) { x, t in
        tanh(0.5 * x + 0.01 * Double(t))
      }
    }
    for (v, variance) in [(Float(-1), ReverseVariance.fixedSmall), (1, .fixedLarge)] {
      let (learned, fixed) = (try draw(nil, v: v), try draw(variance, v: nil))
      for (a, b) in zip(learned, fixed) { #expect(abs(a - b) < 3e-6 * max(1, abs(b))) }
    }
    let sampler = try Ancestral(of: process, steps: steps)
    #expect(sampler.facts["variance"] == .text("learned") && sampler.notes.isEmpty)
  }

  @Test func eachScalarHasItsOwn() {
    let schedule = NoiseSchedule(.linear(from: 0.1, to: 0.4), steps: 6)
    let (small, large) = (schedule.posteriorVariance(4), schedule.beta(4))
    let mean = schedule.posteriorMeanCoefficients(4)
    var x: [Float] = [0.5, -1, 0.25, 2]
    let (before, v, z) = (x, [Float(-1), 0, 1, 3], [Float(1), -2, 0.5, 1])
    let x0: [Float] = [0.1, 0.2, -0.3, 1]
    var span = x.mutableSpan
    schedule.reverseStep(t: 4, x0: x0.span, learned: v.span, noise: z.span, x: &span)
    for i in x.indices {
      let f = (Double(v[i]) + 1) / 2
      let deviation = (pow(large, f) * pow(small, 1 - f)).squareRoot()
      let expected =
        mean.x0 * Double(x0[i]) + mean.xt * Double(before[i]) + deviation * Double(z[i])
      #expect(abs(Double(x[i]) - expected) < 1e-6)
    }
  }

  // MARK: Analytic

  /// Γ_t = σ_t²/(α_t² s² + σ_t²) of data N(0.2, 0.5²).
  private func process(_ schedule: NoiseSchedule, levels: Int? = nil) -> SampledProcess {
    SampledProcess(
      schedule: schedule, variance: .fixedSmall, levels: levels,
      noiseNorms: (1...schedule.steps).map { t in
        let rest = schedule.noiseVariance(t)
        return rest / (schedule.cumulativeAlpha(t) * 0.25 + rest)
      })
  }

  private func denoised(_ x: Double, _ t: Int, _ schedule: NoiseSchedule) -> Double {
    let (bar, rest) = (schedule.cumulativeAlpha(t), schedule.noiseVariance(t))
    return 0.2 + bar.squareRoot() * 0.25 / (bar * 0.25 + rest) * (x - bar.squareRoot() * 0.2)
  }

  /// The true reverse step of Gaussian data is Gaussian: after any number of steps of any length
  /// x_t has the distribution of the forward process. The last step adds no noise.
  @Test(arguments: [1, 2, 5, 10])
  func anyNumberOfStepsIsExact(count: Int) throws {
    for grid in [TimestepGrid.linspace, .trailing] {
      let sampler = try Ancestral(
        of: process(ho), grid: grid, steps: count, variance: .analytic)
      #expect(sampler.facts["variance"] == .text("analytic"))
      let n = 4 * 64 * 64.0
      func isDistributed(_ x: [Float], _ mean: Double, _ variance: Double, _ what: String) {
        let ours = moments(x)
        // Four standard errors.
        #expect(abs(ours.mean - mean) < 4 * (variance / n).squareRoot(), "\(what) \(ours)")
        #expect(
          abs(ours.variance - variance) < 4 * variance * (2 / n).squareRoot(), "\(what) \(ours)")
      }
      let values = images(
        sampler, count: 4, shape: Shape(1, 64, 64, 1)
      ) { x, t in
        let bar = ho.cumulativeAlpha(t)
        isDistributed(
          x, 0.2 * bar.squareRoot(), 0.25 * bar + ho.noiseVariance(t), "\(count) \(grid) \(t)")
      } x0: {
        denoised($0, $1, ho)
      }
      // What is missing in the end is what x_0 varies by given the last x_t.
      let first = try grid.steps(count, of: ho)[0]
      let (bar, rest) = (ho.cumulativeAlpha(first), ho.noiseVariance(first))
      isDistributed(values, 0.2, 0.25 - 0.25 * rest / (0.25 * bar + rest), "\(count) \(grid) end")
    }
  }

  /// The fixed variances are not exact for few steps: the test above can fail.
  @Test func theFixedVariancesAreNot() throws {
    for variance in ReverseVariance.fixed {
      let sampler = try Ancestral(of: process(ho), steps: 5, variance: variance)
      let ours = moments(
        images(sampler, count: 4, shape: Shape(1, 64, 64, 1)) { denoised($0, $1, ho) })
      #expect(abs(ours.variance - 0.25) > 0.02, "\(variance) \(ours)")
    }
  }

  /// Images with levels: the noise of the last noisy step is at most two levels, as it is seen.
  @Test(arguments: [nil, 256, 17, 2])
  func theLastNoiseIsLimited(levels: Int?) throws {
    let schedule = NoiseSchedule(.linear(from: 0.05, to: 0.4), steps: 6)
    let sampler = try Ancestral(
      of: process(schedule, levels: levels), grid: .list([1, 3, 6]), variance: .analytic)
    var seen: [[Float]] = []
    _ = images(sampler, count: 1, shape: Shape(1, 2, 3, 1)) { x, _ in
      seen.append(x)
    } x0: { _, _ in
      0
    }
    let chain = schedule.respaced(to: [1, 3, 6])
    for (i, place) in [(3, 0), (2, 1)] {
      let norms = try #require(process(schedule).noiseNorms)
      let t = [1, 3, 6][i - 1]
      var variance = chain.reverseVariance(
        x0Variance: schedule.x0Variance(noiseNorm: norms[t - 1], t), i)
      if i == 2, let levels {
        let limit = pow(4 / Double(levels - 1), 2) * Double.pi / 2
        #expect((variance > limit) == (levels > 2))
        variance = min(variance, limit)
      }
      let z = drawn(6, seed: 4, .reverse, step: i, image: 0)
      for k in 0..<6 {
        let expected =
          chain.posteriorMeanCoefficients(i).xt * Double(seen[place][k])
          + variance.squareRoot() * z[k]
        #expect(abs(Double(seen[place + 1][k]) - expected) < 1e-6, "step \(i)")
      }
    }
  }

  @Test func variancesThatAreMissing() throws {
    let schedule = NoiseSchedule(.cosine, steps: 20)
    for own in [ReverseVariance.fixedLarge, .fixedSmall, .learned] {
      let process = SampledProcess(schedule: schedule, variance: own)
      var options = SamplerOptions()
      options.variance = .analytic
      #expect(throws: SamplerError.missingVariance(.analytic)) {
        try SamplerKind(named: "ancestral").sampler(of: process, options)
      }
      options.variance = .learned
      if own == .learned {
        #expect(try SamplerKind(named: "ancestral").sampler(of: process, options).notes == [])
      } else {
        #expect(throws: SamplerError.missingVariance(.learned)) {
          try SamplerKind(named: "ancestral").sampler(of: process, options)
        }
      }
    }
    #expect("\(SamplerError.missingVariance(.analytic))".contains("estimate-variance"))
    #expect("\(SamplerError.missingVariance(.learned))".contains("fixed_small or fixed_large"))
  }

  // MARK: Chains that end in nothing but noise

  /// DDIM in Double, from ᾱ alone; ε̂ of x_T is x_T.
  private func ddim(_ start: Double, _ bars: [Double], _ steps: [Int]) -> Double {
    var x = start
    for (i, t) in steps.enumerated().reversed() {
      let (bar, before) = (bars[t], i > 0 ? bars[steps[i - 1]] : 1)
      let gain = bar.squareRoot() * 0.25 / (bar * 0.25 + 1 - bar)
      let x0 = 0.2 + gain * (x - bar.squareRoot() * 0.2)
      let noise = (x - bar.squareRoot() * x0) / (1 - bar).squareRoot()
      x = before.squareRoot() * x0 + (1 - before).squareRoot() * noise
    }
    return x
  }

  @Test(arguments: TimestepGrid.named.map(\.name).filter { $0 != "leading" }, [1, 2, 10, 1000])
  func ddimStartsFromNoiseAlone(name: String, count: Int) throws {
    let schedule = try ho.withZeroTerminalSNR()
    let grid = try #require(TimestepGrid(name))
    let steps = try grid.steps(count, of: schedule)
    let sampler = try DDIM(schedule: schedule, grid: grid, steps: count, eta: 0)
    let bars = (0...1000).map(schedule.cumulativeAlpha)
    var starts: [Float] = []
    let values = images(sampler, count: 1, shape: Shape(1, 2, 3, 1)) { x, t in
      if starts.isEmpty {
        #expect(t == 1000)
        starts = x
      }
    } x0: {
      denoised($0, $1, schedule)
    }
    for (value, start) in zip(values, starts) {
      #expect(abs(Double(value) - ddim(Double(start), bars, steps)) < 2e-4, "\(name) \(count)")
    }
    // A long chain carries N(0, 1) to the data; a single step, to its mean.
    if count == 1 { #expect(values.allSatisfy { abs($0 - 0.2) < 1e-6 }) }
    if count == 1000, name == "trailing" {
      for (value, start) in zip(values, starts) {
        #expect(abs(Double(value) - 0.2 - 0.5 * Double(start)) < 0.01 * (1 + abs(Double(start))))
      }
    }
  }

  @Test(arguments: [ReverseVariance.fixedSmall, .fixedLarge, .learned, .analytic], [1, 2, 60])
  func ancestralStartsFromNoiseAlone(variance: ReverseVariance, count: Int) throws {
    let schedule = try NoiseSchedule(.linear(from: 1e-3, to: 0.2), steps: 60).withZeroTerminalSNR()
    let steps = try TimestepGrid.linspace.steps(count, of: schedule)
    let process = SampledProcess(
      schedule: schedule, variance: .learned, noiseNorms: process(schedule).noiseNorms)
    let sampler = try Ancestral(of: process, steps: count, variance: variance)
    let values = images(sampler, count: 4, shape: Shape(1, 64, 64, 1), v: -1) { x, _ in
      #expect(!x.contains { !$0.isFinite })
    } x0: {
      denoised($0, $1, schedule)
    }
    // Each step is affine: its slope, and the noise that it adds.
    var (mean, spread) = (0.0, 1.0)
    for (i, t) in steps.enumerated().reversed() {
      let bar = schedule.cumulativeAlpha(t)
      let before = i > 0 ? schedule.cumulativeAlpha(steps[i - 1]) : 1
      let beta = 1 - bar / before
      let gain = bar.squareRoot() * 0.25 / (bar * 0.25 + 1 - bar)
      let ofX0 = before.squareRoot() * beta / (1 - bar)
      let slope = ofX0 * gain + (bar / before).squareRoot() * (1 - before) / (1 - bar)
      mean = ofX0 * 0.2 * (1 - gain * bar.squareRoot()) + slope * mean
      let small = (1 - before) / (1 - bar) * beta
      // Of noise alone Γ says nothing: x_0 may vary by 1.
      let ofData = bar > 0 ? 0.25 * (1 - bar) / (0.25 * bar + 1 - bar) : 1
      let noise =
        switch variance {
        case .fixedLarge: beta
        case .fixedSmall, .learned: small
        case .analytic: small + ofX0 * ofX0 * ofData
        }
      spread = slope * slope * spread + (i > 0 ? noise : 0)
    }
    let (ours, n) = (moments(values), 4 * 64 * 64.0)
    #expect(abs(ours.mean - mean) < 4 * (spread / n).squareRoot() + 1e-6, "\(ours) \(mean)")
    #expect(
      abs(ours.variance - spread) < 4 * spread * (2 / n).squareRoot() + 1e-6, "\(ours) \(spread)")
    if count == 60 {
      #expect(abs(mean - 0.2) < 1e-3 && abs(spread.squareRoot() - 0.5) < 0.05)
    }
  }
}
