// Whole runs of the samplers against those of diffusers' schedulers, for a network that is a formula.

import Diffusion
import Foundation
import Sampling
import Tensors
import Testing

@Suite struct RecordedSamplerTests {
  private let ho = NoiseSchedule(.ho, steps: 1000)

  /// What a run gives: the times that are asked for, x before each evaluation, and x_0.
  private func run(
    _ name: String, _ options: SamplerOptions, prediction: Prediction
  ) throws -> (times: [Double], seen: [[Double]]) {
    let sampler = try SamplerKind(named: name).sampler(
      of: SampledProcess(schedule: ho, variance: .fixedSmall), options)
    let times = ContinuousTime(ho)
    let pool = BufferPool()
    let x = Tensor(Shape(1, 1, 1, 3), in: pool)
    let noise = SampleNoise(
      seed: RecordedSamplers.seed, images: 0..<1, start: .given(RecordedSamplers.start))
    noise.fillStart(x)
    var (asked, seen): ([Double], [[Double]]) = ([], [])
    try sampler.run(x, noise, pool) { xt, t in
      asked.append(t[0])
      seen.append(xt.scalars.map(Double.init))
      let conversion = prediction.conversion(to: .x0, for: times.forwardCoefficients(t[0]))!
      let x0 = xt.scalars.map { x -> Float in
        let x = Double(x)
        return Float(conversion(0.8 * x - 0.2 * sin(x) + 0.1 * cos(t[0] / 100), xt: x))
      }
      return Denoised(x0: Tensor(xt.shape, x0, in: pool))
    }
    return (asked, seen + [x.scalars.map(Double.init)])
  }

  private func differences(_ found: [[Double]], _ expected: [[Double]]) -> Double {
    zip(found.joined(), expected.joined()).map { abs($0 - $1) / max(1, abs($1)) }.max()!
  }

  /// Each run agrees within 1e-5 at every step. The third order of DPM-Solver++ as published does not,
  /// on purpose: it has half of the second derivative (M54).
  @Test func runsAreThoseOfDiffusers() throws {
    var tokens = RecordedSamplers.runs.split(whereSeparator: \.isWhitespace)[...]
    var counts: [String: Int] = [:]
    while let name = tokens.popFirst().map(String.init) {
      var options = SamplerOptions()
      let order = Int(tokens.removeFirst())!
      let prediction = try #require(Prediction(rawValue: String(tokens.removeFirst())))
      let count = Int(tokens.removeFirst())!
      let grid = tokens.prefix(count).map { Int($0)! }
      tokens = tokens.dropFirst(count)
      let numbers = tokens.prefix(3 * count).map { Double($0)! }
      tokens = tokens.dropFirst(3 * count)
      options.grid = .list(grid)
      let kind = name.replacing("-published", with: "")
      if ["dpm-solver++", "unipc"].contains(kind) { options.order = order }
      if name == "ancestral" { options.variance = .fixedSmall }
      let found = try run(kind, options, prediction: prediction)
      #expect(found.times == grid.map(Double.init))
      let expected = (0..<count).map { Array(numbers[3 * $0..<3 * $0 + 3]) }
      // UniPC's x stands before its correction, as the network is asked.
      let difference = differences(Array(found.seen.dropFirst()), expected)
      if name == kind {
        #expect(difference < 1e-5, "\(name) \(order) \(count): \(difference)")
      } else {
        #expect(difference > 0.01, "\(name) \(order) \(count): \(difference)")
      }
      counts[name, default: 0] += 1
    }
    #expect(
      counts == [
        "ancestral": 1, "dpm-solver++": 11, "dpm-solver++-published": 3, "sde-dpm-solver++": 3,
        "unipc": 6,
      ])
  }

  /// Euler and Heun on Karras' levels.
  @Test func levelsAndStepsAreThoseOfDiffusers() throws {
    var tokens = RecordedSamplers.noiseLevelRuns.split(whereSeparator: \.isWhitespace)[...]
    let times = ContinuousTime(ho)
    var names: [String] = []
    while let name = tokens.popFirst().map(String.init) {
      names.append(name)
      let count = Int(tokens.removeFirst())!
      let numbers = tokens.prefix(5 * count).map { Double($0)! }
      tokens = tokens.dropFirst(5 * count)
      var options = SamplerOptions()
      (options.steps, options.grid) = (count, .karras)
      let found = try run(name, options, prediction: .epsilon)
      // Heun's trials lie between.
      let own = name == "heun" ? 2 : 1
      for i in 0..<count {
        #expect(abs(found.times[own * i] - numbers[i]) < 1e-8 * numbers[i])
        let level = exp(times.logNoiseLevel(found.times[own * i]))
        #expect(abs(level - numbers[count + i]) < 1e-9 * level)
      }
      let seen = (1...count).map { $0 == count ? found.seen.last! : found.seen[own * $0] }
      let expected = (0..<count).map {
        Array(numbers[2 * count + 3 * $0..<2 * count + 3 * $0 + 3])
      }
      let difference = differences(seen, expected)
      #expect(difference < 1e-5, "\(name): \(difference)")
    }
    #expect(names.sorted() == ["euler", "heun"])
  }

  /// The noise of the recorded runs is what the stream of the samplers gives.
  @Test func noiseIsOurs() {
    let tokens = RecordedSamplers.noise.split(whereSeparator: \.isWhitespace).map { Float($0)! }
    #expect(tokens.count == 5 * 4)
    for row in 0..<5 {
      let z = drawn(3, seed: RecordedSamplers.seed, .reverse, step: Int(tokens[4 * row]), image: 0)
      #expect(z.map { Float($0) } == Array(tokens[4 * row + 1..<4 * row + 4]))
    }
  }
}
