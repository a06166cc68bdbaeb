// DDIM against recorded steps of diffusers, the ancestral sampler, and moments known in closed
// form.

import Diffusion
import Foundation
import Sampling
import Tensors
import Testing

@Suite struct DDIMTests {
  private let ho = NoiseSchedule(.ho, steps: 1000)

  /// Each recorded step, as the first of a chain of two steps, or the last one.
  @Test func stepsAreThoseOfDiffusers() throws {
    let tokens = RecordedDDIM.steps.split(whereSeparator: \.isWhitespace).map(String.init)
    #expect(tokens.count == 108 * 16)
    for start in stride(from: 0, to: tokens.count, by: 16) {
      let row = Array(tokens[start..<start + 16])
      let (t, previous, eta) = (Int(row[1])!, Int(row[2])!, Double(row[4])!)
      let prediction = try #require(Prediction(rawValue: row[3]))
      let diffusion = GaussianDiffusion(schedule: ho, prediction: prediction)
      let sampler = try DDIM(
        schedule: ho, grid: .list(previous == 0 ? [t] : [previous, t]), eta: eta)
      let x = Tensor(Shape(1, 1, 1, 5), in: BufferPool())
      let noise = SampleNoise(
        seed: 9, images: 0..<1, start: .given(RecordedDDIM.stepNoisy))
      noise.fillStart(x)
      var (found, x0): ([Float], [Float]) = ([], [])
      sampler.run(x, noise, BufferPool()) { xt, step in
        let clean = Tensor(xt.shape, in: BufferPool())
        if Int(step[0]) == t {
          var span = clean.scalars.mutableSpan
          diffusion.predictedX0(
            t: t, xt: xt.scalars.span, output: RecordedDDIM.stepOutput.span,
            clipping: row[5] == "True", into: &span)
          x0 = Array(clean.scalars)
        } else {
          found = Array(xt.scalars)
          clean.scalars.update(repeating: 0)
        }
        return Denoised(x0: clean)
      }
      if previous == 0 { found = Array(x.scalars) }
      // Our noise in the place of the recorded one.
      let (bar, next) = (ho.cumulativeAlpha(t), ho.cumulativeAlpha(previous))
      let deviation = eta * ((1 - next) / (1 - bar) * (1 - bar / next)).squareRoot()
      let z = drawn(5, seed: 9, .reverse, step: 2, image: 0)
      for i in 0..<5 {
        let expected =
          Double(row[6 + i])! + deviation * (z[i] - Double(RecordedDDIM.stepNoise[i]))
        #expect(abs(Double(found[i]) - expected) < 3e-7 * max(1, abs(expected)), "\(row)")
        let clean = Double(row[11 + i])!
        #expect(abs(Double(x0[i]) - clean) < 2e-7 * max(1, abs(clean)), "\(row)")
      }
    }
  }

  /// Diffusers' grids: rows of T, K, and the K steps, falling.
  @Test func gridsAreThoseOfDiffusers() throws {
    for (text, grid) in [
      (RecordedDDIM.trailingGrids, TimestepGrid.trailing),
      (RecordedDDIM.leadingGrids, .leading),
    ] {
      var numbers = text.split(whereSeparator: \.isWhitespace).map { Int($0)! }[...]
      var count = 0
      while let last = numbers.popFirst(), let steps = numbers.popFirst() {
        let schedule = NoiseSchedule(.ho, steps: last)
        #expect(
          try grid.steps(steps, of: schedule) == numbers.prefix(steps).reversed(),
          "\(grid) \(last) \(steps)")
        numbers = numbers.dropFirst(steps)
        count += 1
      }
      #expect(count == 6)
    }
  }

  /// η = 1 is the ancestral sampler with `fixed_small` on the chain of the grid, for any grid.
  @Test(arguments: TimestepGrid.named.map(\.name), [1, 2, 5, 40])
  func fullNoiseIsAncestral(name: String, steps: Int) throws {
    let schedule = NoiseSchedule(.cosine, steps: 40)
    let grid = try #require(TimestepGrid.named.first { $0.name == name }).grid
    for clipping in [false, true] {
      let diffusion = GaussianDiffusion(schedule: schedule, prediction: .v)
      func images(_ sampler: some Sampler) -> [Float] {
        sampler.images(0..<4, diffusion, seed: 5, clipping: clipping) { x, t in
          0.3 * x - 0.01 * Float(t)
        }
      }
      let ddim = images(try DDIM(schedule: schedule, grid: grid, steps: steps, eta: 1))
      let ancestral = images(
        try Ancestral(
          of: SampledProcess(schedule: schedule, variance: .fixedSmall), grid: grid, steps: steps,
          variance: .fixedSmall))
      for (x, y) in zip(ddim, ancestral) { #expect(abs(x - y) < 2e-5 * max(1, abs(y))) }
      #expect(Set(ddim).count > 4)
    }
  }

  /// Without noise the image is a function of x_T, and affine for an affine network: its mean and
  /// its deviation are exact. With η = 1 they are estimated.
  ///
  /// Data N(0.2, 0.5²), Ho's schedule, trailing grids; numbers of a computation in Double.
  @Test(arguments: [
    (5, 0.199666, 0.262543, 0.248313), (10, 0.199530, 0.369955, 0.333475),
    (20, 0.199452, 0.431368, 0.391507), (50, 0.199401, 0.471403, 0.444100),
    (100, 0.199383, 0.485447, 0.468219), (1000, 0.199367, 0.498495, 0.496110),
  ])
  func momentsAreKnown(steps: Int, mean: Double, deviation: Double, noisyDeviation: Double) throws {
    let data = GaussianData(mean: 0.2, deviation: 0.5)
    let diffusion = GaussianDiffusion(schedule: ho, levels: nil)
    func images(_ eta: Double, _ shape: Shape, starts: [Float]? = nil) throws -> [Double] {
      try DDIM(schedule: ho, steps: steps, eta: eta)
        .images(
          0..<shape.n, diffusion, seed: 8, clipping: false, shape: shape, starts: starts
        ) { data.epsilon($0, $1, ho) }.map(Double.init)
    }
    let ends = try images(0, Shape(1, 1, 1, 2), starts: [0, 1])
    #expect(abs(ends[0] - mean) < 3e-6 && abs(ends[1] - ends[0] - deviation) < 3e-6, "\(ends)")

    let values = try images(1, Shape(steps > 100 ? 1 : 4, 64, 64, 1))
    let count = Double(values.count)
    let sampleMean = values.reduce(0, +) / count
    let variance = values.reduce(0) { $0 + ($1 - sampleMean) * ($1 - sampleMean) } / count
    // Four standard errors.
    #expect(abs(sampleMean - 0.2) < 4 * noisyDeviation / count.squareRoot() + 1e-3)
    #expect(
      abs(variance.squareRoot() - noisyDeviation) < 4 * noisyDeviation / (2 * count).squareRoot())
  }

  /// No random number is drawn after x_T.
  @Test func withoutNoiseTheSeedDoesNotMatter() throws {
    let schedule = NoiseSchedule(.cosine, steps: 30)
    let diffusion = GaussianDiffusion(schedule: schedule)
    func images(_ seed: UInt64, eta: Double) throws -> [Float] {
      try DDIM(schedule: schedule, steps: 6, eta: eta).images(
        0..<1, diffusion, seed: seed, clipping: true, starts: [0.5, -1, 2, 0, 0.25, -0.75]
      ) { x, _ in 0.7 * x }
    }
    #expect(try images(1, eta: 0) == images(2, eta: 0))
    #expect(try images(1, eta: 0.3) != images(2, eta: 0.3))
  }
}
