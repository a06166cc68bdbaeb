// The first family against the mathematics that it is made of.

import Diffusion
import Foundation
import Layers
import Models
import Sampling
import Tensors
import TestSupport
import Testing

@Suite struct DenoisingDiffusionTests {
  private let pool = BufferPool()
  private let images = ImageShape(height: 4, width: 4, channels: 1)

  private func model(
    _ target: DenoisingDiffusion.Target = .simple, prediction: Prediction = .epsilon,
    levels: Int? = 17, steps: Int = 9
  ) -> DenoisingDiffusion {
    var network = UNetConfiguration()
    (network.channels, network.multipliers, network.blocks) = (4, [1], 1)
    (network.attention, network.groups, network.dropout) = ([], 2, 0)
    let variance: ReverseVariance = target == .hybrid ? .learned : .fixedSmall
    return DenoisingDiffusion(
      network: UNet(network, images: images, outputChannels: variance == .learned ? 2 : 1),
      diffusion: GaussianDiffusion(
        schedule: NoiseSchedule(.linear(from: 0.05, to: 0.4), steps: steps),
        prediction: prediction, variance: variance, levels: levels), target: target)
  }

  private func batch(_ count: Int) -> Batch {
    let shape = Shape(count, 4, 4, 1)
    let scalars = (0..<shape.count).map { i -> Float in
      let level = (i * 7 + i / 5) % 17
      return Float(level) / 8 - 1
    }
    return Batch(images: Tensor(shape, scalars, in: pool))
  }

  /// Losses, and the gradient where it is recorded.
  private func losses(
    _ model: DenoisingDiffusion, _ batch: Batch, _ draws: Draws, weights: [Float], records: Bool
  ) -> (Losses, [Float]) {
    var gradient = [Float](repeating: .nan, count: weights.count)
    let losses = gradient.withUnsafeMutableBufferPointer { gradient in
      weights.withUnsafeBufferPointer { weights in
        let pass = Pass(
          pool: pool, weights: weights.baseAddress!, gradient: records ? gradient.baseAddress! : nil
        )
        let losses = model.loss(batch, draws, pass)
        pass.backward()
        return losses
      }
    }
    return (losses, gradient)
  }

  private func weights(_ model: DenoisingDiffusion, scale: Float = 0.3) -> [Float] {
    normals(model.parameters.layout.count, seed: 3, scale: scale)
  }

  /// Validation is training without a gradient: the same bits.
  @Test(arguments: DenoisingDiffusion.Target.allCases, Prediction.allCases)
  func aLossNeedsNoGradient(target: DenoisingDiffusion.Target, prediction: Prediction) {
    let model = model(target, prediction: prediction)
    let weights = weights(model)
    for step in 0..<5 {
      let draws = Draws(seed: 1, step: step, shard: 2, of: 4)
      let (training, gradient) = losses(model, batch(5), draws, weights: weights, records: true)
      let (validation, untouched) = losses(model, batch(5), draws, weights: weights, records: false)
      #expect(training == validation)
      #expect(gradient.allSatisfy(\.isFinite) && untouched.allSatisfy(\.isNaN))
    }
  }

  /// The loss by timestep: each image in the bin of its t, and all of them make the loss.
  @Test(arguments: DenoisingDiffusion.Target.allCases, [2, 8, 9, 200])
  func binsAreThoseOfT(target: DenoisingDiffusion.Target, steps: Int) {
    let model = model(target, steps: steps)
    let draws = Draws(seed: 4, step: 7, shard: 1, of: 4)
    let (losses, _) = losses(model, batch(40), draws, weights: weights(model), records: false)
    var counts = [Double](repeating: 0, count: 8)
    for n in 0..<40 {
      let t = 1 + draws.stream(.timestep, image: n).integer(below: steps)
      counts[(t - 1) * 8 / steps] += 1
    }
    #expect(losses.sums[1] == counts)
    let total = losses.terms.reduce(0, +)
    #expect(abs(losses.sums[0].reduce(0, +) / 40 - total) < 1e-12 * abs(total))
    #expect(zip(losses.sums[0], counts).allSatisfy { ($0 == 0) == ($1 == 0) })
    #expect(model.sums.map(\.count) == losses.sums.map(\.count))
    #expect(model.terms.count == losses.terms.count)
  }

  /// Drawing is the sampler on the network's x̂_0, and clipping happens between the two.
  @Test(arguments: SamplerKind.all.map(\.name), [true, false])
  func drawingIsTheSamplers(name: String, clipping: Bool) throws {
    var model = model(prediction: .v)
    let norms = Array(repeating: 0.9, count: model.diffusion.schedule.steps)
    let facts = ModelFacts(
      name: "diffusion", texts: [:],
      tables: [DenoisingDiffusion.noiseNormTable(weights: "average"): norms])
    model.adopt(facts, weights: "average")
    let times = ContinuousTime(model.diffusion.schedule)
    let weights = weights(model, scale: 0.5)
    var options = GenerationOptions()
    (options.seed, options.sampler) = (3, name)
    options.clipping = clipping ? .range : Clipping.none
    options.samplerOptions.steps = name == "rk45" ? 100 : 4
    if name == "rk45" { options.samplerOptions.tolerance = 1e-2 }
    let generation = try model.generation(options)
    #expect(generation.facts["clipping"] == .integer(clipping ? 1 : 0))
    #expect(generation.facts["sampler"] == .text(name))
    try weights.withUnsafeBufferPointer { buffer in
      func makePass() -> Pass { Pass(pool: pool, weights: buffer.baseAddress!) }
      var done = 0
      let drawn = try generation.draw(8..<16, given: nil, makePass) { _ in done += 1 }.images
      #expect(done == generation.evaluations ?? done && done >= 4)

      let sampler = try SamplerKind(named: name).sampler(
        of: SampledProcess(
          schedule: model.diffusion.schedule, variance: .fixedSmall,
          levels: model.diffusion.levels, noiseNorms: norms),
        options.samplerOptions)
      let x = Tensor(Shape(8, 4, 4, 1), in: pool)
      let noise = SampleNoise(seed: 3, images: 8..<16)
      noise.fillStart(x)
      try sampler.run(x, noise, pool) { xt, t in
        let output = model.network(Variable(xt), Conditioning(times: t.map { $0 - 1 }), makePass())
          .value
        let x0 = Tensor(xt.shape, in: pool)
        for n in 0..<8 {
          // x_0 = √ᾱ x_t − √(1−ᾱ) v.
          let level = times.forwardCoefficients(t[n])
          for k in 0..<16 {
            let value =
              level.x0 * Double(xt.image(n)[k]) - level.noise * Double(output.image(n)[k])
            x0.image(n)[k] = Float(clipping ? min(max(value, -1), 1) : value)
          }
        }
        return Denoised(x0: x0)
      }
      for (a, b) in zip(drawn.scalars, x.scalars) { #expect(abs(a - b) < 1e-5 * max(1, abs(b))) }
      #expect(!clipping || drawn.scalars.allSatisfy { abs($0) <= 1 })
    }
  }

  @Test func whatReadersMustKnowIsStated() {
    let facts = model(prediction: .v).facts
    #expect(facts?.name == "diffusion")
    #expect(facts?.texts == ["prediction": "v", "variance": "fixed_small"])
    #expect(facts?.tables["betas"]?.count == 9)
  }

  @Test func foreignOptionsAreRefused() {
    var options = GenerationOptions()
    options.sampler = "magic"
    #expect(throws: SamplerError.unknown("magic")) { try model().generation(options) }
    options.sampler = nil
    options.samplerOptions.steps = 10
    #expect(throws: DiffusionError.invalidSubset(steps: 10, available: 9)) {
      try model().generation(options)
    }
  }
}
