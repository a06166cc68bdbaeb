// Samplers with noise on Gaussian data, of which the moments of every step are known.

import Diffusion
import Foundation
import Sampling
import Tensors
import Testing

/// Data N(0.2, 0.5²), Ho's table, the exact network.
@Suite struct StochasticSamplerTests {
  private let ho = NoiseSchedule(.ho, steps: 1000)
  private let mean = 0.2
  private let variance = 0.25

  private func process(levels: Int? = nil) -> SampledProcess {
    SampledProcess(
      schedule: ho, variance: .fixedSmall, levels: levels,
      noiseNorms: (1...1000).map {
        ho.noiseVariance($0) / (ho.cumulativeAlpha($0) * variance + ho.noiseVariance($0))
      })
  }

  private func gain(_ t: Int) -> Double {
    let (alpha, noise) = (ho.cumulativeAlpha(t), ho.noiseVariance(t))
    return alpha.squareRoot() * variance / (alpha * variance + noise)
  }

  private func moments(
    _ sampler: any Sampler, count: Int = 16
  ) throws -> (mean: Double, variance: Double) {
    let pool = BufferPool()
    let x = Tensor(Shape(count, 64, 64, 1), in: pool)
    let noise = SampleNoise(seed: 5, images: 0..<count)
    noise.fillStart(x)
    try sampler.run(x, noise, pool) { xt, t in
      let (gain, root) = (gain(Int(t[0])), ho.cumulativeAlpha(Int(t[0])).squareRoot())
      let x0 = Tensor(xt.shape, in: pool)
      for k in x0.scalars.indices {
        x0.pointer[k] = Float(mean + gain * (Double(xt.pointer[k]) - root * mean))
      }
      return Denoised(x0: x0)
    }
    let n = Double(x.shape.count)
    let m = x.scalars.reduce(0) { $0 + Double($1) } / n
    return (m, x.scalars.reduce(0) { $0 + (Double($1) - m) * (Double($1) - m) } / n)
  }

  private func sampler(
    _ name: String, _ change: (inout SamplerOptions) -> Void
  ) throws -> any Sampler {
    var options = SamplerOptions()
    change(&options)
    return try SamplerKind(named: name).sampler(of: process(), options)
  }

  /// The analytic variance is exact on Gaussian data in any number of steps and for any η: what the last
  /// step emits is the mean of x_0 given an x_t with the moments of the data.
  @Test(arguments: [("ddim", 0.0), ("ddim", 0.4), ("ddim", 1), ("ancestral", 1)], [1, 2, 5, 10])
  func theAnalyticVarianceIsExact(kind: (name: String, eta: Double), steps: Int) throws {
    let found = try moments(
      kind.name == "ddim"
        ? sampler("analytic-ddim") { ($0.eta, $0.steps) = (kind.eta, steps) }
        : sampler("ancestral") {
          ($0.variance, $0.steps, $0.grid) = (.analytic, steps, .trailing)
        })
    let last = try TimestepGrid.trailing.steps(steps, of: ho)[0]
    let (alpha, noise) = (ho.cumulativeAlpha(last), ho.noiseVariance(last))
    let expected = variance - noise * variance / (alpha * variance + noise)
    // x_T ~ N(0, I) is not quite q(x_T): 3e-5 of its variance. Four standard errors.
    let error = 4 * expected * (2 / 65536.0).squareRoot() + 1e-4
    #expect(abs(found.variance - expected) < error, "\(found) \(expected)")
    #expect(abs(found.mean - 0.2) < 4 * (expected / 65536).squareRoot() + 1e-3)
  }

  /// η = 1 is the ancestral sampler with the analytic variance, and the limit of the last noisy step is
  /// in both.
  @Test(arguments: [nil, 256]) func fullNoiseIsAncestral(levels: Int?) throws {
    func images(_ sampler: any Sampler) throws -> [Float] {
      let pool = BufferPool()
      let x = Tensor(Shape(2, 2, 3, 1), in: pool)
      let noise = SampleNoise(seed: 5, images: 0..<2)
      noise.fillStart(x)
      try sampler.run(x, noise, pool) { xt, _ in
        Denoised(x0: Tensor(xt.shape, xt.scalars.map { tanh($0) }, in: pool))
      }
      return Array(x.scalars)
    }
    let process = process(levels: levels)
    let a = try images(DDIM(analytic: process, steps: 6, eta: 1))
    let b = try images(
      Ancestral(of: process, grid: .trailing, steps: 6, variance: .analytic))
    for (x, y) in zip(a, b) { #expect(abs(x - y) < 1e-5) }
    #expect(try levels == nil || a != images(DDIM(analytic: self.process(), steps: 6, eta: 1)))
  }

  /// The solver with noise is linear here, and so are its moments: those of a computation in Double that
  /// follows the covariance of (x_t, m_1). They tend to the data's.
  @Test(arguments: [(5, 0.065153), (10, 0.150797), (20, 0.236784), (100, 0.257916)])
  func theSDESolverHasItsMoments(steps: Int, expected: Double) throws {
    let found = try moments(sampler("sde-dpm-solver++") { $0.steps = steps })
    #expect(abs(found.mean - 0.199998) < 4 * (expected / 65536).squareRoot(), "\(found)")
    #expect(abs(found.variance - expected) < 4 * expected * (2 / 65536.0).squareRoot(), "\(found)")
  }

  /// The corrector's step is a number where an image has many scalars: the moments follow a recursion.
  @Test(arguments: [(10, 0.16), (50, 0.16), (50, 0)])
  func correctionsHaveTheirMoments(steps: Int, snr: Double) throws {
    let found = try moments(sampler("predictor-corrector") { ($0.steps, $0.snr) = (steps, snr) })
    let grid = try TimestepGrid.trailing.steps(steps, of: ho)
    let chain = ho.respaced(to: grid)
    var (m, v) = (0.0, 1.0)
    for i in (1...steps).reversed() {
      let (root, noise) = (chain.cumulativeAlpha(i).squareRoot(), chain.noiseVariance(i))
      let gain = gain(grid[i - 1])
      // g = (α x̂_0 − x)/σ² = slope · x + offset.
      let slope = (root * gain - 1) / noise
      let offset = root * mean * (1 - gain * root) / noise
      let square = slope * slope * v + (slope * m + offset) * (slope * m + offset)
      let size = 2 * chain.alpha(i) * snr * snr / square
      m += size * (slope * m + offset)
      v = (1 + size * slope) * (1 + size * slope) * v + 2 * size
      // x_s = c_0 x̂_0 + c_t x_t + β̃ z.
      let c = chain.posteriorMeanCoefficients(i)
      m = c.x0 * (mean + gain * (m - root * mean)) + c.xt * m
      v *= (c.x0 * gain + c.xt) * (c.x0 * gain + c.xt)
      if i > 1 { v += chain.posteriorVariance(i) }
    }
    #expect(abs(found.mean - m) < 4 * (v / 65536).squareRoot() + 1e-4, "\(found) \(m) \(v)")
    #expect(abs(found.variance - v) < 4 * v * (2 / 65536.0).squareRoot() + 2e-4, "\(found) \(v)")
    if snr == 0 {
      let plain = try moments(
        sampler("ancestral") {
          ($0.steps, $0.grid, $0.variance) = (steps, .trailing, .fixedSmall)
        })
      #expect(abs(plain.variance - found.variance) < 0.01)
    }
  }

  /// DDIM there and back: with the exact network the error falls with 1/K.
  @Test func encodingIsTheWayBack() throws {
    func lost(_ steps: Int) throws -> Double {
      let pool = BufferPool()
      let images: [Float] = [0.1, -0.6, 0.9, 0.2]
      let x = Tensor(Shape(2, 1, 2, 1), images, in: pool)
      func denoise(_ xt: Tensor, _ t: [Double]) -> Denoised {
        let (gain, root) = (gain(Int(t[0])), ho.cumulativeAlpha(Int(t[0])).squareRoot())
        return Denoised(
          x0: Tensor(
            xt.shape, xt.scalars.map { Float(mean + gain * (Double($0) - root * mean)) },
            in: pool))
      }
      try DDIMEncoding(schedule: ho, steps: steps).run(x, denoise: denoise)
      try DDIM(schedule: ho, steps: steps, eta: 0)
        .run(x, SampleNoise(seed: 1, images: 0..<2), pool, denoise: denoise)
      return zip(x.scalars, images).map { Double(abs($0 - $1)) }.max()!
    }
    let (some, many) = (try lost(100), try lost(200))
    #expect(some / many > 1.8 && some / many < 2.3, "\(some) \(many)")
    #expect(try lost(1000) < 0.01)
  }

  // MARK: Painting

  /// Outside the mask is the image, to the bit; inside, independent scalars have the data's moments.
  @Test func paintingKeepsWhatIsKnown() throws {
    let mask = (0..<4096).map { $0 % 3 == 0 }
    var options = SamplerOptions()
    (options.steps, options.variance) = (50, .fixedSmall)
    let painting = try Inpainting(of: process(), options, mask: mask, repeats: 2)
    let pool = BufferPool()
    let known = Tensor(
      Shape(8, 64, 64, 1), (0..<8 * 4096).map { Float($0 % 7) / 7 }, in: pool)
    let x = Tensor(known.shape, in: pool)
    let noise = SampleNoise(seed: 5, images: 0..<8)
    noise.fillStart(x)
    var evaluations = 0
    painting.run(x, known: known, noise, pool) { xt, t in
      evaluations += 1
      let (gain, root) = (gain(Int(t[0])), ho.cumulativeAlpha(Int(t[0])).squareRoot())
      return Denoised(
        x0: Tensor(
          xt.shape, xt.scalars.map { Float(mean + gain * (Double($0) - root * mean)) },
          in: pool))
    }
    #expect(evaluations == painting.evaluations)
    var painted: [Double] = []
    for k in x.scalars.indices {
      if mask[k % 4096] {
        painted.append(Double(x.pointer[k]))
      } else {
        #expect(x.pointer[k] == known.pointer[k])
      }
    }
    let count = Double(painted.count)
    let m = painted.reduce(0, +) / count
    let v = painted.reduce(0) { $0 + ($1 - m) * ($1 - m) } / count
    #expect(abs(m - 0.2) < 0.02 && abs(v.squareRoot() - 0.5) < 0.06, "\(m) \(v)")
  }

  /// The path of Lugmayr et al.: every level below the last jump is come to again.
  @Test func pathsJumpBack() {
    #expect(Inpainting.path(steps: 1, repeats: 5) == [1, 0])
    #expect(Inpainting.path(steps: 3, repeats: 2) == [3, 2, 3, 2, 1, 2, 1, 0])
    #expect(
      Inpainting.path(steps: 10, repeats: 2)
        == [10, 9, 8, 7, 9, 8, 7, 6, 5, 7, 6, 5, 4, 3, 5, 4, 3, 2, 1, 3, 2, 1, 0])
    for (steps, repeats, jump) in [
      (250, 10, 10), (100, 3, 10), (50, 1, 10), (21, 2, 4), (20, 4, 4),
    ] {
      let path = Inpainting.path(steps: steps, repeats: repeats)
      #expect(path.first == steps && path.last == 0)
      #expect(
        zip(path, path.dropFirst()).allSatisfy { $1 == $0 - 1 || $1 == $0 + jump && $1 <= steps })
      let jumps = (steps - 1) / jump
      let downwards = zip(path, path.dropFirst()).count { $1 < $0 }
      #expect(downwards == steps + jump * jumps * (repeats - 1), "\(steps)")
    }
  }

  // MARK: Between two images

  @Test func theSphericalMeanStaysOnTheSphere() {
    var (a, b) = ([Float](repeating: 0, count: 64), [Float](repeating: 0, count: 64))
    a.withUnsafeMutableBufferPointer { RandomStream(seed: 1, purpose: .start).fillNormal($0) }
    b.withUnsafeMutableBufferPointer { RandomStream(seed: 2, purpose: .start).fillNormal($0) }
    func length(_ x: [Float]) -> Double {
      x.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    }
    #expect(sphericalMean(a, b, 0) == a)
    #expect(zip(sphericalMean(a, b, 1), b).allSatisfy { abs($0 - $1) < 1e-6 })
    let unit = (a.map { $0 / Float(length(a)) }, b.map { $0 / Float(length(b)) })
    for share in [0.1, 0.5, 0.8] {
      #expect(abs(length(sphericalMean(unit.0, unit.1, share)) - 1) < 1e-6)
    }
    let middle = sphericalMean(unit.0, unit.1, 0.5)
    let to = zip(middle, unit.0).reduce(0) { $0 + $1.0 * $1.1 }
    let from = zip(middle, unit.1).reduce(0) { $0 + $1.0 * $1.1 }
    #expect(abs(to - from) < 1e-6)
    #expect(sphericalMean(a, a, 0.3) == a)
  }

  /// A row of frames goes from the image of one seed to that of the other.
  @Test func framesLieBetweenSeeds() {
    let pool = BufferPool()
    let x = Tensor(Shape(8, 2, 3, 1), in: pool)
    SampleNoise(seed: 9, images: 0..<8, start: .between(3, 4, frames: 4)).fillStart(x)
    for row in 0..<2 {
      let ends = [3, 4].map { drawn(6, seed: UInt64($0), .start, image: row).map(Float.init) }
      #expect(Array(x.image(4 * row)) == ends[0])
      #expect(zip(x.image(4 * row + 3), ends[1]).allSatisfy { abs($0 - $1) < 1e-6 })
      #expect(Array(x.image(4 * row + 1)) == sphericalMean(ends[0], ends[1], 1.0 / 3))
    }
  }

  /// The first steps of a chain are a chain, whose network is told the same numbers.
  @Test func aPrefixIsTheBeginningOfTheChain() throws {
    let whole = process()
    let prefix = whole.prefix(300)
    #expect(prefix.schedule.steps == 300 && prefix.noiseNorms?.count == 300)
    for t in [1, 150, 300] {
      #expect(prefix.schedule.beta(t) == ho.beta(t))
      #expect(prefix.schedule.cumulativeAlpha(t) == ho.cumulativeAlpha(t))
      #expect(prefix.schedule.timestep(t) == Double(t - 1))
    }
    #expect(whole.prefix(1000).schedule == ho)
  }
}
