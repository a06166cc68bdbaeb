// The loss of a shard and its gradient, through the whole network.

import Diffusion
import Foundation
import Layers
import Models
import Tensors
import TestSupport
import Testing
import Training

@Suite struct ShardGradientTests {
  private let pool = BufferPool()

  private func diffusion(levels: Int?) -> GaussianDiffusion {
    GaussianDiffusion(
      schedule: NoiseSchedule(.linear(from: 0.1, to: 0.6), steps: 4), variance: .fixedSmall,
      levels: levels)
  }

  /// Images whose scalars are grey levels.
  private func images(_ shape: Shape, levels: Int) -> [Float] {
    (0..<shape.count).map { Float(($0 * 7 + $0 / 5) % levels) / Float(levels - 1) * 2 - 1 }
  }

  /// One shard's loss and gradient.
  private func run(
    _ work: ShardGradient, _ shape: Shape, _ images: [Float], weights: [Float], step: Int = 0,
    shard: Int = 0
  ) -> (losses: Losses, loss: Double, gradient: [Float]) {
    var gradient = [Float](repeating: .nan, count: weights.count)
    let losses = gradient.withUnsafeMutableBufferPointer { gradient in
      weights.withUnsafeBufferPointer {
        work.compute(
          into: gradient.baseAddress!, Batch(images: Tensor(shape, images, in: pool)), step: step,
          shard: shard, weights: $0.baseAddress!, pool: pool)
      }
    }
    return (losses, losses.terms.reduce(0, +), gradient)
  }

  /// The steps t that a shard draws.
  private func times(seed: UInt64, step: Int, shard: Int, images: Int, steps: Int) -> [Int] {
    (0..<images).map {
      1
        + RandomStream(seed: seed, purpose: .timestep, step: step, shard: shard, position: $0)
        .integer(below: steps)
    }
  }

  /// The noise ε of an image of 16 scalars.
  private func noise(seed: UInt64, step: Int, shard: Int, position: Int) -> [Float] {
    var noise = [Float](repeating: 0, count: 16)
    noise.withUnsafeMutableBufferPointer {
      RandomStream(seed: seed, purpose: .noise, step: step, shard: shard, position: position)
        .fillNormal($0)
    }
    return noise
  }

  /// Every tensor's largest entry and 40 more, with the decoder (t = 1) and other steps drawn.
  @Test(arguments: [DenoisingDiffusion.Target.simple, .bound], Prediction.allCases)
  func theGradientIsThatOfTheLoss(objective: DenoisingDiffusion.Target, prediction: Prediction) {
    for variance in [ReverseVariance.fixedLarge, .learned] {
      if objective == .simple, variance == .learned { continue }
      check(objective, prediction, variance) { losses, _ in losses.terms.reduce(0, +) }
    }
  }

  /// Of `hybrid`, the last layer's weights for the mean have the gradient of the first term, those
  /// for the variance that of the second.
  @Test(arguments: Prediction.allCases)
  func theMeanIsStoppedInTheBound(prediction: Prediction) {
    check(.hybrid, prediction, .learned) { losses, output in
      output.map { losses.terms[$0 == "mean" ? 0 : 1] }
    }
  }

  /// Compares a shard's gradient with differences.
  ///
  /// - Parameter loss: The loss for a weight; `output` is "mean" or "variance" for a weight of the
  ///   last layer, nil for another. Without a loss the weight is left out.
  private func check(
    _ objective: DenoisingDiffusion.Target, _ prediction: Prediction, _ variance: ReverseVariance,
    loss: (_ losses: Losses, _ output: String?) -> Double?
  ) {
    let diffusion = GaussianDiffusion(
      schedule: NoiseSchedule(.linear(from: 0.1, to: 0.6), steps: 4), prediction: prediction,
      variance: variance, levels: 17)
    let model = tinyModel(.tiny, diffusion, objective)
    let seed = (1...1000).first {
      Set(times(seed: $0, step: 0, shard: 0, images: 3, steps: 4)).isSuperset(of: [1, 4])
    }!
    let work = ShardGradient(model, flips: true, seed: seed, shards: 4)
    let shape = Shape(3, 4, 4, 1)
    let x0 = images(shape, levels: 17)
    var weights = normals(model.parameters.layout.count, seed: 5, scale: 0.2)
    let gradient = run(work, shape, x0, weights: weights).gradient
    var places: [(place: Int, output: String?)] = Array(
      stride(from: 0, to: weights.count, by: weights.count / 40)
    ).map { ($0, nil) }
    for entry in model.parameters.layout.entries {
      places.append((entry.range.max { abs(gradient[$0]) < abs(gradient[$1]) }!, nil))
    }
    if variance == .learned {
      places = places.filter { place, _ in
        !model.parameters.layout.entries.contains {
          $0.name.hasPrefix("conv_out") && $0.range.contains(place)
        }
      }
      // The output's channel is the last axis.
      for entry in model.parameters.layout.entries where entry.name.hasPrefix("conv_out") {
        places += entry.range.map {
          ($0, ($0 - entry.range.lowerBound) % 2 == 0 ? "mean" : "variance")
        }
      }
    }
    func value(_ output: String?) -> Double? {
      loss(run(work, shape, x0, weights: weights).losses, output)
    }
    let checked = places.filter { value($0.output) != nil }
    #expect(checked.count > 20)
    // Of each output by itself: the bound's share in `hybrid` is a small one.
    for output in Set(checked.map(\.output)) {
      let own = checked.filter { $0.output == output }.map(\.place)
      let scale = own.reduce(0) { max($0, Double(abs(gradient[$1]))) }
      #expect(scale > 1e-5)
      for place in own {
        let h: Float = 1 / 128
        let weight = weights[place]
        weights[place] = weight + h
        let above = value(output)!
        weights[place] = weight - h
        let below = value(output)!
        weights[place] = weight
        let numeric = (above - below) / (2 * Double(h))
        #expect(
          abs(numeric - Double(gradient[place])) < 5e-3 * scale,
          "\(place): \(gradient[place]), by differences \(numeric)")
      }
    }
  }

  /// With an output of zero the loss is the mean square of the target.
  @Test func theSimpleLossOfAnEmptyNetwork() {
    let model = tinyModel(.tiny, diffusion(levels: 17))
    let weights = [Float](repeating: 0, count: model.parameters.layout.count)
    let shape = Shape(2, 4, 4, 1)
    let x0 = images(shape, levels: 17)
    let work = ShardGradient(model, flips: false, seed: 4, shards: 4)
    var squares = 0.0
    for n in 0..<2 {
      let noise = noise(seed: 4, step: 3, shard: 2, position: n)
      squares += noise.reduce(0) { $0 + Double($1) * Double($1) }
    }
    let loss = run(work, shape, x0, weights: weights, step: 3, shard: 2).loss
    #expect(abs(loss - squares / 32) < 1e-5 * loss)
  }

  /// The bound's estimate has the bound as its mean: for an output of zero all its terms are known.
  ///
  /// With ε_θ = 0, μ_θ = x_t/√α_t, so that μ̃_t − μ_θ = β_t/√(α_t(1−ᾱ_t)) ε for t ≥ 2, and
  /// x_0 − x_1/√α_1 = −√(β_1/α_1) ε for continuous images.
  @Test func theBoundsEstimateIsUnbiased() {
    let diffusion = diffusion(levels: nil)
    let model = tinyModel(.tiny, diffusion, .bound)
    let weights = [Float](repeating: 0, count: model.parameters.layout.count)
    let shape = Shape(8, 4, 4, 1)
    let x0 = images(shape, levels: 9)
    let schedule = diffusion.schedule
    let d = 16.0
    /// The term of step t for noise of the squared norm ‖ε‖².
    func term(_ t: Int, _ square: Double) -> Double {
      let (alpha, beta) = (schedule.alpha(t), schedule.beta(t))
      if t == 1 { return d / 2 * log(2 * .pi * beta) + square / alpha / 2 }
      let (bar, before) = (schedule.cumulativeAlpha(t), schedule.cumulativeAlpha(t - 1))
      // fixed_small: σ² = β̃, so the KL is ‖μ̃ − μ_θ‖²/(2σ²).
      let sigma = (1 - before) / (1 - bar) * beta
      return square * beta * beta / (alpha * (1 - bar)) / (2 * sigma)
    }
    let last = schedule.cumulativeAlpha(schedule.steps)
    let square = x0.reduce(0) { $0 + Double($1) * Double($1) } / 8
    let terminal = (last * square + d * (1 - last) - d - d * log(1 - last)) / 2
    // E‖ε‖² = d.
    let nats = (1...schedule.steps).reduce(terminal) { $0 + term($1, d) }
    let exact = nats / (d * log(2))

    let work = ShardGradient(model, flips: false, seed: 9, shards: 4)
    let losses = (0..<400).map { run(work, shape, x0, weights: weights, step: $0).loss }
    for step in 0..<10 {
      let drawn = times(seed: 9, step: step, shard: 0, images: 8, steps: 4)
      let terms = drawn.enumerated().map { n, t in
        let noise = noise(seed: 9, step: step, shard: 0, position: n)
        return 4 * term(t, noise.reduce(0) { $0 + Double($1) * Double($1) })
      }
      let expected = (terms.reduce(0, +) / 8 + terminal) / (d * log(2))
      #expect(abs(losses[step] - expected) < 1e-5 * abs(expected))
    }
    let mean = losses.reduce(0, +) / 400
    let variance = losses.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 399
    let error = (variance / 400).squareRoot()
    #expect(error < 0.05 * abs(exact))
    #expect(abs(mean - exact) < 4 * error, "\(mean) ± \(error), not \(exact)")
  }

  @Test func aShardIsAFunctionOfItsArguments() {
    let model = tinyModel(.tiny, diffusion(levels: 17))
    let weights = normals(model.parameters.layout.count, scale: 0.3)
    let shape = Shape(3, 4, 4, 1)
    let x0 = images(shape, levels: 17)
    func work(_ seed: UInt64) -> ShardGradient {
      ShardGradient(model, flips: true, seed: seed, shards: 4)
    }
    let first = run(work(1), shape, x0, weights: weights, step: 5, shard: 3)
    let again = run(work(1), shape, x0, weights: weights, step: 5, shard: 3)
    #expect(first.loss == again.loss && bits(first.gradient) == bits(again.gradient))
    #expect(first.loss != run(work(1), shape, x0, weights: weights, step: 6, shard: 3).loss)
    #expect(first.loss != run(work(1), shape, x0, weights: weights, step: 5, shard: 2).loss)
    #expect(first.loss != run(work(2), shape, x0, weights: weights, step: 5, shard: 3).loss)
  }

  /// Flipping swaps left and right, per image, for about half of the images.
  @Test func flipsMirrorTheRows() {
    let model = tinyModel(
      .tiny, images: ImageShape(height: 2, width: 5, channels: 3), diffusion(levels: nil))
    let shape = Shape(1, 2, 5, 3)
    let weights = [Float](repeating: 0.1, count: model.parameters.layout.count)
    let x0 = (0..<shape.count).map { Float($0) / 15 - 1 }
    var mirrored: [Float] = []
    for row in 0..<2 {
      for column in (0..<5).reversed() {
        mirrored += (0..<3).map { x0[(row * 5 + column) * 3 + $0] }
      }
    }
    let work = ShardGradient(model, flips: true, seed: 2, shards: 4)
    var flips = 0
    for step in 0..<64 {
      let image = Tensor(shape, x0, in: pool)
      var gradient = weights
      gradient.withUnsafeMutableBufferPointer { gradient in
        _ = weights.withUnsafeBufferPointer {
          work.compute(
            into: gradient.baseAddress!, Batch(images: image), step: step, shard: 0,
            weights: $0.baseAddress!, pool: pool)
        }
      }
      let result = Array(image.scalars)
      #expect(result == x0 || result == mirrored)
      if result == mirrored { flips += 1 }
    }
    #expect((20...44).contains(flips))
  }

  /// Dropout draws other masks at other steps, and the same at the same.
  @Test func dropoutIsReproducible() {
    var extents = UNetConfiguration.tiny
    extents.dropout = 0.5
    let (with, without) = (
      tinyModel(extents, diffusion(levels: 17)), tinyModel(.tiny, diffusion(levels: 17))
    )
    let weights = normals(with.parameters.layout.count, scale: 0.3)
    let shape = Shape(2, 4, 4, 1)
    let x0 = images(shape, levels: 17)
    let losses = [with, with, without].map {
      run(ShardGradient($0, flips: false, seed: 1, shards: 4), shape, x0, weights: weights).loss
    }
    #expect(losses[0] == losses[1] && losses[0] != losses[2])
  }

  /// Blocks that are computed again give the same bits, whatever they are blocks of.
  @Test(
    arguments: [
      ["dropout=0.3"], ["dropout=0.1", "variance=learned", "objective=hybrid"], ["model=vdm"],
      ["model=vae", "latents=[2]", "latent_network=convolutional", "dropout=0.3"],
    ])
  func memoryChangesNoBit(_ settings: [String]) throws {
    var configuration = Configuration()
    for setting in settings + ["channels=16", "batch=12"] {
      try configuration.apply(assignment: setting)
    }
    let plan = try TrainingPlan(configuration, rankCount: 1)
    let model = plan.objective
    let weights = model.parameters.initialWeights(seed: 3).enumerated().map {
      $0.element + 0.05 * Float($0.offset % 7 - 3)
    }
    let shape = Shape(3, 8, 8, 1)
    let x0 = images(shape, levels: 17)
    let pools = [BufferPool(), BufferPool()]
    let gradients = zip([MemoryUse.normal, .less], pools).map { memory, pool in
      let work = ShardGradient(model, flips: true, seed: 5, shards: 4, memory: memory)
      var gradient = [Float](repeating: .nan, count: weights.count)
      let losses = gradient.withUnsafeMutableBufferPointer { gradient in
        weights.withUnsafeBufferPointer {
          work.compute(
            into: gradient.baseAddress!, Batch(images: Tensor(shape, x0, in: pool)), step: 1,
            shard: 2, weights: $0.baseAddress!, pool: pool)
        }
      }
      return gradient + losses.terms.map { Float($0) }
    }
    #expect(gradients[0].allSatisfy(\.isFinite) && gradients[0] == gradients[1])
    #expect(pools[1].allocatedBytes < pools[0].allocatedBytes)
  }
}
