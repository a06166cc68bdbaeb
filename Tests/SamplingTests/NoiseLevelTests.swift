// Solvers between the steps of the table: Euler, Heun, and the adaptive one.

import Diffusion
import Foundation
import Sampling
import Tensors
import Testing

@Suite struct NoiseLevelTests {
  private let ho = NoiseSchedule(.ho, steps: 1000)
  private let data = (mean: 0.2, variance: 0.25)

  /// Where the exact flow of N(0.2, 0.5²) takes x_T to, at the first step, and what is seen there.
  private func exact(_ start: Double, from t: Double = 1000) -> Double {
    let times = ContinuousTime(ho)
    let (from, to) = (times.forwardCoefficients(t), times.forwardCoefficients(1))
    func variance(_ level: (x0: Double, noise: Double)) -> Double {
      level.x0 * level.x0 * data.variance + level.noise * level.noise
    }
    let x =
      to.x0 * data.mean
      + (variance(to) / variance(from)).squareRoot() * (start - from.x0 * data.mean)
    return data.mean + to.x0 * data.variance / variance(to) * (x - to.x0 * data.mean)
  }

  /// The ends of images (n, 1, 2, 1) on the way of the exact network.
  private func ends(
    _ name: String, _ starts: [Float], seen: (_ t: [Double]) -> Void = { _ in },
    _ change: (inout SamplerOptions) -> Void
  ) throws -> [Double] {
    var options = SamplerOptions()
    change(&options)
    let sampler = try SamplerKind(named: name).sampler(
      of: SampledProcess(schedule: ho, variance: .fixedSmall), options)
    let pool = BufferPool()
    let times = ContinuousTime(ho)
    let x = Tensor(Shape(starts.count / 2, 1, 2, 1), starts, in: pool)
    var evaluations = 0
    try sampler.run(x, SampleNoise(seed: 1, images: 0..<x.shape.n), pool) { xt, t in
      seen(t)
      evaluations += 1
      let x0 = Tensor(xt.shape, in: pool)
      for n in 0..<xt.shape.n {
        let level = times.forwardCoefficients(t[n])
        let gain =
          level.x0 * data.variance
          / (level.x0 * level.x0 * data.variance + level.noise * level.noise)
        for k in 0..<2 {
          x0.image(n)[k] = Float(
            data.mean + gain * (Double(xt.image(n)[k]) - level.x0 * data.mean))
        }
      }
      return Denoised(x0: x0)
    }
    if let expected = sampler.evaluations { #expect(evaluations == expected) }
    return x.scalars.map(Double.init)
  }

  private let starts: [Float] = [0.5, -1, 0.25, 2, -0.1, 0]

  /// The error of Euler falls with 1/K, that of Heun with 1/K².
  @Test(arguments: ["karras", "log_snr", "trailing", "quadratic"])
  func theyFollowTheFlow(grid: String) throws {
    func error(_ name: String, _ steps: Int) throws -> Double {
      let ends = try ends(name, starts) { ($0.steps, $0.grid) = (steps, TimestepGrid(grid)) }
      return zip(ends, starts).map { abs($0 - exact(Double($1))) }.max()!
    }
    let (euler, heun) = (try error("euler", 40), try error("heun", 40))
    // A whole-step grid ends at the first step that it has, where x̂_0 is emitted.
    let isReal = grid == "karras" || grid == "log_snr"
    #expect(euler < 0.1 && heun < 2e-2, "\(euler) \(heun)")
    if isReal {
      #expect(try euler / error("euler", 80) > 1.8)
      #expect(try heun / error("heun", 80) > 3.5)
    }
  }

  /// Karras' levels are not rounded: σ̃^{1/7} falls by equal distances.
  @Test func karrasTimesAreReal() throws {
    let times = ContinuousTime(ho)
    let levels = try TimestepGrid.karras.times(18, of: ho)
      .map { exp(times.logNoiseLevel($0) / 7) }
    let distance = (levels[0] - levels[17]) / 17
    for (a, b) in zip(levels, levels.dropFirst()) { #expect(abs(a - b - distance) < 1e-10) }
    #expect(abs(pow(levels[0], 7) - 157.41) < 0.01 && abs(pow(levels[17], 7) - 0.010001) < 1e-6)
    #expect(
      try TimestepGrid.trailing.times(4, of: ho) == [1000, 750, 500, 250],
      "Other rules give whole steps.")
    for name in ["karras", "log_snr"] {
      let grid = try #require(TimestepGrid(name))
      let (real, whole) = (try grid.times(12, of: ho), try grid.steps(12, of: ho))
      for (t, step) in zip(real, whole.reversed()) { #expect(abs(t - Double(step)) <= 1) }
    }
  }

  @Test(arguments: [1e-3, 1e-5]) func theAdaptiveOneArrives(tolerance: Double) throws {
    let ends = try ends("rk45", starts) { $0.tolerance = tolerance }
    for (end, start) in zip(ends, starts) {
      #expect(abs(end - exact(Double(start))) < 20 * tolerance + 1e-6)
    }
  }

  /// Each image decides alone: its bits and its times are the same beside others.
  @Test func theAdaptiveOneDecidesForEachImage() throws {
    let together = try ends("rk45", starts) { $0.tolerance = 1e-4 }
    for n in 0..<3 {
      let alone = try ends("rk45", Array(starts[2 * n..<2 * n + 2])) { $0.tolerance = 1e-4 }
      #expect(alone == Array(together[2 * n..<2 * n + 2]))
    }
  }

  @Test func theAdaptiveOneGivesUpInTime() throws {
    let error = #expect(throws: IntegrationError.self) {
      try ends("rk45", starts) { ($0.tolerance, $0.steps) = (1e-9, 3) }
    }
    #expect(error?.description.contains("after") == true)
  }

  /// Where nothing is left of an image at T, the step from there is DDIM's: x̂_0 and the noise of T.
  @Test(arguments: ["heun", "euler", "rk45", "dpm-solver++", "unipc", "sde-dpm-solver++"])
  func theyBeginWhereNothingIsLeft(name: String) throws {
    let schedule = try NoiseSchedule(.linear(from: 1e-3, to: 0.2), steps: 60)
      .withZeroTerminalSNR()
    var options = SamplerOptions()
    if name != "rk45" { options.steps = 8 }
    let sampler = try SamplerKind(named: name).sampler(
      of: SampledProcess(schedule: schedule, variance: .fixedSmall), options)
    let x = Tensor(Shape(1, 1, 2, 1), [0.5, -1], in: BufferPool())
    var times: [Double] = []
    // A network that always sees the same image.
    try sampler.run(x, SampleNoise(seed: 1, images: 0..<1), BufferPool()) { xt, t in
      times.append(t[0])
      return Denoised(x0: Tensor(xt.shape, [0.25, -0.5], in: BufferPool()))
    }
    #expect(times[0] == 60 && times.allSatisfy { $0 >= 1 && $0 <= 60 })
    #expect(abs(x.scalars[0] - 0.25) < 1e-5 && abs(x.scalars[1] + 0.5) < 1e-5)
    if let evaluations = sampler.evaluations { #expect(times.count == evaluations) }
  }

  /// A network that predicts the noise is not asked where hardly anything is left of an image, unless a
  /// list says so; one that sees x_0 or v is.
  @Test(arguments: ["heun", "euler", "rk45", "dpm-solver++", "unipc", "sde-dpm-solver++"])
  func theyBeginWhereSomethingIsLeft(name: String) throws {
    let schedule = NoiseSchedule(.cosine, steps: 100)
    func first(_ predictsNoise: Bool, _ list: [Int]? = nil) throws -> (t: Double, told: Bool) {
      var options = SamplerOptions()
      options.steps = name == "rk45" ? nil : 6
      options.grid = list.map { .list($0) }
      if list != nil { options.steps = nil }
      let sampler = try SamplerKind(named: name).sampler(
        of: SampledProcess(
          schedule: schedule, variance: .fixedSmall, predictsNoise: predictsNoise), options)
      var times: [Double] = []
      let x = Tensor(Shape(1, 1, 2, 1), [0.5, -1], in: BufferPool())
      let x0 = Tensor(x.shape, [0.25, -0.5], in: BufferPool())
      try sampler.run(x, SampleNoise(seed: 1, images: 0..<1), BufferPool()) { _, t in
        times.append(t[0])
        return Denoised(x0: x0)
      }
      return (times[0], !sampler.notes.isEmpty)
    }
    let last = (1...100).last { schedule.logSNR($0) >= -5.1 }!
    #expect(last < 100)
    #expect(try first(true) == (Double(last), true))
    #expect(try first(false) == (100, false))
    if name != "rk45" { #expect(try first(true, [100, 50, 1]) == (100, false)) }
    // Ho's schedule ends where something is left.
    #expect(
      SampledProcess(schedule: ho, variance: .fixedSmall, predictsNoise: true).lastSeenStep == 1000)
  }

  /// After x_T no random number is drawn, and with noise in each step one is.
  @Test(arguments: SamplerKind.all.map(\.name))
  func onlySamplersWithNoiseDrawAnyAfterTheStart(name: String) throws {
    let schedule = NoiseSchedule(.cosine, steps: 30)
    func images(_ seed: UInt64) throws -> [Float] {
      var options = SamplerOptions()
      if name != "rk45" { options.steps = 6 }
      let sampler = try SamplerKind(named: name).sampler(
        of: SampledProcess(
          schedule: schedule, variance: .fixedSmall, levels: 17,
          noiseNorms: Array(repeating: 0.9, count: 30)), options)
      let x = Tensor(Shape(1, 1, 2, 2), [0.5, -1, 2, 0.25], in: BufferPool())
      try sampler.run(x, SampleNoise(seed: seed, images: 0..<1), BufferPool()) { xt, _ in
        Denoised(x0: Tensor(xt.shape, xt.scalars.map { tanh($0) }, in: BufferPool()))
      }
      return Array(x.scalars)
    }
    let hasNoise = ["ancestral", "analytic-ddim", "sde-dpm-solver++", "predictor-corrector"]
    #expect(try (images(1) != images(2)) == hasNoise.contains(name))
  }
}
