// The reverse process as a chain: its random numbers, its steps, and plain loops that do the same.

import Diffusion
import Sampling
import Tensors
import Testing

@Suite struct AncestralTests {
  /// A 'network' that is linear in x_t and depends on the time.
  private func output(_ x: Float, _ t: Int) -> Float { 0.4 * x + 0.05 * Float(t - 1) - 0.3 }

  private func images(
    _ range: Range<Int>, _ diffusion: GaussianDiffusion, seed: UInt64 = 3, steps: Int? = nil,
    clipping: Bool = true
  ) throws -> [Float] {
    try Ancestral(
      of: SampledProcess(schedule: diffusion.schedule, variance: diffusion.variance), steps: steps,
      variance: diffusion.variance
    )
    .images(range, diffusion, seed: seed, clipping: clipping, network: output)
  }

  /// Algorithm 2 of Ho et al. 2020 in Double, from the β alone.
  @Test(arguments: ReverseVariance.fixed, [false, true])
  func theChainIsThatOfAPlainLoop(variance: ReverseVariance, clipping: Bool) throws {
    let betas = (0..<12).map { 0.02 + 0.05 * Double($0) }
    let diffusion = GaussianDiffusion(schedule: NoiseSchedule(betas: betas), variance: variance)
    let actual = try images(5..<8, diffusion, seed: 11, clipping: clipping)
    var bars = [1.0]
    for beta in betas { bars.append(bars.last! * (1 - beta)) }
    for (n, image) in (5..<8).enumerated() {
      var x = drawn(6, seed: 11, .start, image: image)
      for t in (1...12).reversed() {
        let beta = betas[t - 1]
        let posterior = beta * (1 - bars[t - 1]) / (1 - bars[t])
        let sigma = (variance == .fixedLarge ? beta : posterior).squareRoot()
        let z = drawn(6, seed: 11, .reverse, step: t, image: image)
        for i in x.indices {
          let epsilon = 0.4 * x[i] + 0.05 * Double(t - 1) - 0.3
          var mean = (x[i] - beta / (1 - bars[t]).squareRoot() * epsilon) / (1 - beta).squareRoot()
          if clipping {
            let clean = (x[i] - (1 - bars[t]).squareRoot() * epsilon) / bars[t].squareRoot()
            mean =
              (bars[t - 1].squareRoot() * beta * min(1, max(-1, clean))
                + (1 - beta).squareRoot() * (1 - bars[t - 1]) * x[i]) / (1 - bars[t])
          }
          x[i] = mean + (t > 1 ? sigma * z[i] : 0)
        }
      }
      for i in x.indices {
        #expect(abs(Double(actual[n * x.count + i]) - x[i]) < 1e-5)
      }
    }
  }

  @Test func anImageDependsOnItsIndexAlone() throws {
    let diffusion = GaussianDiffusion(schedule: NoiseSchedule(.cosine, steps: 7))
    let all = try images(0..<6, diffusion)
    for image in 0..<6 {
      let alone = try images(image..<image + 1, diffusion)
      #expect(alone == Array(all[image * 6..<(image + 1) * 6]))
    }
    #expect(try images(0..<6, diffusion, seed: 4) != all)
  }

  /// x_T and the noise of each step are other numbers for each image, step and purpose.
  @Test func streamsDoNotMeet() {
    var firsts: Set<Double> = []
    for image in 0..<20 {
      firsts.insert(drawn(6, seed: 3, .start, image: image)[0])
      for t in 1...20 { firsts.insert(drawn(6, seed: 3, .reverse, step: t, image: image)[0]) }
    }
    #expect(firsts.count == 20 * 21)
    let x = Tensor(Shape(2, 2, 3, 1), in: BufferPool())
    SampleNoise(seed: 3, images: 4..<6).fillStart(x)
    #expect(x.image(0).map(Double.init) == drawn(6, seed: 3, .start, image: 4))
    #expect(x.image(1).map(Double.init) == drawn(6, seed: 3, .start, image: 5))
  }

  @Test func givenStartsReplaceDrawnOnes() {
    let x = Tensor(Shape(3, 2, 3, 1), in: BufferPool())
    let starts = (0..<18).map(Float.init)
    SampleNoise(seed: 3, images: 1..<4, start: .given(starts)).fillStart(x)
    #expect(Array(x.scalars) == Array(starts[6...]) + Array(repeating: 0, count: 6))
  }

  @Test(arguments: [20, 7, 2, 1])
  func aRespacedChainAsksForTheTrainedSteps(steps: Int) throws {
    let diffusion = GaussianDiffusion(schedule: NoiseSchedule(.cosine, steps: 20))
    let sampler = try Ancestral(
      of: SampledProcess(schedule: diffusion.schedule, variance: .fixedSmall), steps: steps,
      variance: .fixedLarge)
    #expect(sampler.evaluations == steps)
    var asked: [Int] = []
    let images = sampler.images(0..<3, diffusion, seed: 1, clipping: true) { x, t in
      asked.append(t)
      return x * 0.5
    }
    let times = asked.enumerated().filter { $0.offset % 18 == 0 }.map(\.element)
    #expect(times.count == steps && times.first == 20 && (steps == 1 || times.last == 1))
    #expect(times == times.sorted(by: >))
    #expect(images.allSatisfy { abs($0) <= 1 })
  }

  /// Clipping must not hide an output that is no number, and each image keeps its own.
  @Test func whatIsNoNumberStaysNone() throws {
    let diffusion = GaussianDiffusion(schedule: NoiseSchedule(.cosine, steps: 3))
    let sampler = try Ancestral(
      of: SampledProcess(schedule: diffusion.schedule, variance: .fixedSmall), variance: .fixedLarge
    )
    var calls = 0
    let images = sampler.images(0..<3, diffusion, seed: 1, clipping: true) { x, t in
      calls += 1
      // The second step's output for one scalar of the second image.
      return calls == 18 + 6 + 3 ? .nan : x
    }
    #expect(images.indices.filter { !images[$0].isFinite } == [6 + 2])
  }
}
