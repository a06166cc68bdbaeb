// The reverse process as a chain: its random numbers, its steps, and plain loops that do the same.

import Diffusion
import Sampling
import Tensors
import TestSupport
import Testing

@Suite struct AncestralSamplerTests {
  private let pool = BufferPool()
  private let shape = Shape(3, 2, 3, 1)

  private func start(_ sampler: AncestralSampler, images: Range<Int>) -> Tensor {
    let x = Tensor(Shape(images.count, shape.h, shape.w, shape.c), in: pool)
    for (n, image) in images.enumerated() { sampler.fillStart(x.image(n), image: image) }
    return x
  }

  /// A 'network' that is linear in x_t and depends on the time.
  private func output(_ x: Float, _ time: Int) -> Float { 0.4 * x + 0.05 * Float(time) - 0.3 }

  private func sample(_ sampler: AncestralSampler, images: Range<Int>) -> [Float] {
    let x = start(sampler, images: images)
    sampler.sample(x, images: images, pool: pool) { _ in
    } network: { x, time in
      Tensor(x.shape, x.scalars.map { output($0, time) }, in: pool)
    }
    return Array(x.scalars)
  }

  private func normals(
    _ seed: UInt64, _ purpose: RandomStream.Purpose, step: Int = 0, image: Int
  ) -> [Double] {
    var scalars = [Float](repeating: 0, count: shape.imageCount)
    scalars.withUnsafeMutableBufferPointer {
      RandomStream(seed: seed, purpose: purpose, step: step, shard: image).fillNormal($0)
    }
    return scalars.map(Double.init)
  }

  /// Algorithm 2 of Ho et al. 2020 in Double, from the β alone.
  @Test(arguments: ReverseVariance.allCases, [false, true])
  func theChainIsThatOfAPlainLoop(variance: ReverseVariance, clipping: Bool) {
    let betas = (0..<12).map { 0.02 + 0.05 * Double($0) }
    let diffusion = GaussianDiffusion(schedule: NoiseSchedule(betas: betas), variance: variance)
    let sampler = AncestralSampler(diffusion: diffusion, seed: 11, clipping: clipping)
    let actual = sample(sampler, images: 5..<8)
    var bars = [1.0]
    for beta in betas { bars.append(bars.last! * (1 - beta)) }
    for (n, image) in (5..<8).enumerated() {
      var x = normals(11, .start, image: image)
      for t in (1...12).reversed() {
        let beta = betas[t - 1]
        let posterior = beta * (1 - bars[t - 1]) / (1 - bars[t])
        let sigma = (variance == .fixedLarge ? beta : posterior).squareRoot()
        let z = normals(11, .reverse, step: t, image: image)
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

  @Test func anImageDependsOnItsIndexAlone() {
    let diffusion = GaussianDiffusion(schedule: NoiseSchedule(.cosine, steps: 7))
    let sampler = AncestralSampler(diffusion: diffusion, seed: 3)
    let all = sample(sampler, images: 0..<6)
    let count = shape.imageCount
    for image in 0..<6 {
      let alone = sample(sampler, images: image..<image + 1)
      #expect(alone == Array(all[image * count..<(image + 1) * count]))
    }
    #expect(sample(AncestralSampler(diffusion: diffusion, seed: 4), images: 0..<6) != all)
  }

  /// x_T and the noise of each step are other numbers for each image, step and purpose.
  @Test func streamsDoNotMeet() {
    var firsts: Set<Double> = []
    for image in 0..<20 {
      firsts.insert(normals(3, .start, image: image)[0])
      for t in 1...20 { firsts.insert(normals(3, .reverse, step: t, image: image)[0]) }
    }
    #expect(firsts.count == 20 * 21)
    let diffusion = GaussianDiffusion(schedule: NoiseSchedule(.cosine, steps: 2))
    let x = start(AncestralSampler(diffusion: diffusion, seed: 3), images: 4..<5)
    #expect(x.scalars.map(Double.init) == normals(3, .start, image: 4))
  }

  @Test(arguments: [20, 7, 2, 1])
  func aRespacedChainAsksForTheTrainedTimes(steps: Int) throws {
    let whole = GaussianDiffusion(schedule: NoiseSchedule(.cosine, steps: 20))
    let diffusion = try whole.respaced(to: steps)
    let sampler = AncestralSampler(diffusion: diffusion, seed: 1)
    let x = start(sampler, images: 0..<3)
    var (done, times): ([Int], [Int]) = ([], [])
    sampler.sample(x, images: 0..<3, pool: pool) {
      done.append($0)
    } network: { x, time in
      times.append(time)
      return Tensor(x.shape, x.scalars.map { $0 * 0.5 }, in: pool)
    }
    #expect(done == Array(0..<steps))
    #expect(times.count == steps && times.first == 19)
    #expect(steps == 1 || times.last == 0)
    #expect(times == times.sorted(by: >))
    #expect(x.scalars.allSatisfy { abs($0) <= 1 })
  }

  private struct Stop: Error {}

  @Test func aStepMayEndTheWork() throws {
    let diffusion = GaussianDiffusion(schedule: NoiseSchedule(.cosine, steps: 9))
    let sampler = AncestralSampler(diffusion: diffusion, seed: 1)
    let x = start(sampler, images: 0..<3)
    var evaluations = 0
    #expect(throws: Stop.self) {
      try sampler.sample(x, images: 0..<3, pool: pool) { (done) throws(Stop) in
        if done == 4 { throw Stop() }
      } network: { (x, _) throws(Stop) in
        evaluations += 1
        return x
      }
    }
    #expect(evaluations == 4)
  }

  /// Clipping must not hide an output that is no number, and each image keeps its own.
  @Test func whatIsNoNumberStaysNone() {
    let diffusion = GaussianDiffusion(schedule: NoiseSchedule(.cosine, steps: 3))
    let sampler = AncestralSampler(diffusion: diffusion, seed: 1)
    let x = start(sampler, images: 0..<3)
    sampler.sample(x, images: 0..<3, pool: pool) { _ in
    } network: { x, time in
      let output = Tensor(x.shape, x.scalars.map { $0 }, in: pool)
      if time == 1 { output.image(1)[2] = .nan }
      return output
    }
    let scalars = Array(x.scalars)
    #expect(scalars.indices.filter { !scalars[$0].isFinite } == [shape.imageCount + 2])
  }
}
