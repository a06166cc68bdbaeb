// Models with latents: their losses and gradients, what they evaluate, and what they draw.

import Diffusion
import Foundation
import Layers
import Models
import Sampling
import Tensors
import TestSupport
import Testing

@Suite struct LatentVariableModelTests {
  private let pool = BufferPool()

  /// A model of 4 × 4 grey images of 17 levels.
  private func model(
    latents: [Int] = [3], _ kind: ImageDistribution.Kind = .discretizedLogistic,
    deviation: ImageDistribution.Deviation = .shared,
    binarization: LatentVariableModel.Binarization = .none, weight: Double = 1, warmup: Int = 0,
    _ change: (inout LatentConfiguration) -> Void = { _ in }
  ) -> LatentVariableModel {
    var chain = LatentConfiguration()
    (chain.latents, chain.hidden, chain.depth) = (latents, [5], 1)
    chain.convolution.channels = 4
    (chain.convolution.multipliers, chain.convolution.blocks) = ([1, 2], 1)
    (chain.convolution.groups, chain.convolution.dropout) = (2, 0)
    change(&chain)
    return LatentVariableModel(
      chain, images: ImageShape(height: 4, width: 4, channels: 1),
      ImageDistribution(kind, deviation: deviation, sigma: 0.3, levels: 17),
      binarization: binarization, divergenceWeight: weight, warmupSteps: warmup)
  }

  private func weights(_ model: LatentVariableModel) -> [Float] {
    normals(model.parameters.layout.count, seed: 3, scale: 0.3)
  }

  private func losses(
    _ model: LatentVariableModel, _ batch: Batch, _ draws: Draws, _ weights: [Float],
    records: Bool = true
  ) -> (losses: Losses, gradient: [Float]) {
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

  private let training = Draws(seed: 2, step: 7, shard: 1, of: 4)

  // MARK: Training

  /// Every kind of model: the gradient of all weights against differences of the loss, with the same noise.
  @Test func gradientsAreThoseOfTheLoss() {
    let models = [
      model(), model(.normal, deviation: .image), model(.discretizedNormal, deviation: .image),
      model(.bernoulli, binarization: .dynamic), model(weight: 0.3),
      model(latents: [3, 2]) { $0.activation = .tanh },
      model(latents: [3, 2, 2]) { ($0.inference, $0.hidden) = (.topDown, [5, 4, 3]) },
      model { $0.isPoint = true }, model(latents: [2]) { $0.network = .convolutional },
      model(latents: [2], deviation: .image) { ($0.network, $0.form) = (.convolutional, .map) },
    ]
    let batch = greyImages(3, in: pool)
    for (index, model) in models.enumerated() {
      var weights = weights(model)
      let gradient = losses(model, batch, training, weights).gradient
      func loss() -> Double {
        losses(model, batch, training, weights, records: false).losses.terms.reduce(0, +)
      }
      let scale = gradient.reduce(1e-3) { max($0, Double(abs($1))) }
      for i in stride(from: 0, to: weights.count, by: max(1, weights.count / 80)) {
        let (step, kept): (Float, Float) = (1 / 128, weights[i])
        weights[i] = kept + step
        let above = loss()
        weights[i] = kept - step
        let below = loss()
        weights[i] = kept
        let numeric = (above - below) / (2 * Double(step))
        #expect(
          abs(numeric - Double(gradient[i])) < 2e-2 * scale,
          "model \(index), weight \(i): \(gradient[i]), \(numeric) by differences")
      }
    }
  }

  /// The divergence is weighted by β, which grows over the first steps; outside training the loss is the
  /// bound.
  @Test func theDivergenceIsWeighted() {
    let batch = greyImages(4, in: pool)
    func terms(_ model: LatentVariableModel, _ draws: Draws) -> [Double] {
      losses(model, batch, draws, weights(model)).losses.terms
    }
    func at(_ step: Int) -> Draws { Draws(seed: 1, step: step, shard: 0, of: 1) }
    let plain = model()
    for (weight, warmup, step, expected) in [
      (1.0, 0, 0, 1.0), (0.25, 0, 5, 0.25), (1, 10, 0, 0), (1, 10, 4, 0.4), (2, 10, 4, 0.8),
      (2, 10, 400, 2),
    ] {
      let (bound, weighted) = (
        terms(plain, at(step)), terms(model(weight: weight, warmup: warmup), at(step))
      )
      #expect(weighted[0] == bound[0])
      #expect(abs(weighted[1] - expected * bound[1]) < 1e-12 * bound[1])
    }
    let outside = Draws(seed: 1, firstImage: 0)
    #expect(terms(model(weight: 9, warmup: 10), outside) == terms(plain, outside))
    #expect(model(weight: 0.5).notes.count == 1 && plain.notes.isEmpty)
  }

  /// What the metrics show: the divergence of each layer without its weight, and the latents that are active.
  @Test func layersAreCounted() {
    let model = model(latents: [3, 2], weight: 0.5)
    let batch = greyImages(6, in: pool)
    var weights = weights(model)
    let range = model.parameters.layout.entries.first { $0.name == "posterior_1/W" }!.range
    // The first of three latents is not told of the image: its column of (5, 6) is 0.
    for row in 0..<5 { weights[range.lowerBound + 6 * row] = 0 }
    let losses = losses(model, batch, training, weights).losses
    #expect(abs(losses.sums[0].reduce(0, +) / 6 * 0.5 - losses.terms[1]) < 1e-12)
    let active = model.figures(losses.sums)["active_units"]!
    #expect(active.count == 2 && active[0] <= 2)
    let silent = model.figures([[0, 0], [6, 6, 6, 6, 6, 6] + [6, 6, 6.12, 6, 9]])
    #expect(silent["active_units"] == [1, 1])
  }

  /// Pixels are drawn with the probability that they say; for good, or anew at each visit.
  @Test func binarization() {
    let scalars = (0..<16).map { Float($0 % 5) / 2 - 1 }
    let image = Tensor(Shape(1, 4, 4, 1), scalars, in: pool)
    func costs(_ binarization: LatentVariableModel.Binarization, step: Int, number: Int) -> Double {
      let model = model(.bernoulli, binarization: binarization) { $0.isPoint = true }
      var weights = [Float](repeating: 0, count: model.parameters.layout.count)
      // Logits that tell pixels apart whatever the code.
      let range = model.parameters.layout.entries.first { $0.name == "decoder/out/b" }!.range
      for (i, place) in range.enumerated() { weights[place] = Float(i) }
      return losses(
        model, Batch(images: image, numbers: [number]),
        Draws(seed: 1, step: step, shard: 0, of: 1), weights
      ).losses.terms[0]
    }
    let fixed = Set((0..<20).map { costs(.fixed, step: $0, number: 3) })
    #expect(fixed.count == 1)
    #expect(Set((0..<20).map { costs(.fixed, step: 0, number: $0) }).count > 10)
    let dynamic = (0..<4000).map { costs(.dynamic, step: $0, number: 3) }
    #expect(Set(dynamic).count > 10)
    // E[softplus(l) − x l].
    let expected = scalars.enumerated().reduce(0.0) { sum, pixel in
      let (l, p) = (Double(pixel.offset), (Double(pixel.element) + 1) / 2)
      return sum + log1p(exp(-l)) + l - p * l
    }
    let mean = dynamic.reduce(0, +) / 4000
    let squares = dynamic.reduce(0) { $0 + pow($1 - mean, 2) }
    #expect(abs(mean - expected) < 4 * (squares / 4000 / 3999).squareRoot())
  }

  /// An image is evaluated and drawn alike, whatever is beside it, and at every draw with its own noise.
  @Test func anImageIsByItself() throws {
    for model in [
      model(), model(latents: [3, 2]), model(latents: [3, 2]) { $0.inference = .topDown },
    ] {
      let weights = weights(model)
      let images = greyImages(24, in: pool).images
      let evaluation = try model.evaluation(EvaluationOptions())
      func measure(_ first: Int, from start: Int) throws -> [[Double]] {
        let group = Tensor(
          Shape(8, 4, 4, 1), (0..<8).flatMap { Array(images.image(start + $0)) }, in: pool)
        return try weights.withUnsafeBufferPointer { weights in
          try evaluation.measure(Batch(images: group), Draws(seed: 4, firstImage: first)) {
            Pass(pool: pool, weights: weights.baseAddress!)
          } progress: {
          }
        }
      }
      let (a, b) = (try measure(0, from: 0), try measure(4, from: 4))
      #expect(Array(a[4...]) == Array(b[..<4]))
      #expect(a[0].count == evaluation.width && a[0] != a[1])
    }
  }

  // MARK: Generation

  private func draw(
    _ model: LatentVariableModel, images: Range<Int> = 0..<8, given: Tensor? = nil,
    _ change: (inout GenerationOptions) -> Void
  ) throws -> Drawn {
    var options = GenerationOptions()
    change(&options)
    let generation = try model.generation(options)
    return try weights(model).withUnsafeBufferPointer { weights in
      try generation.draw(images, given: given) {
        Pass(pool: pool, weights: weights.baseAddress!)
      } observe: { _ in
      }
    }
  }

  /// From the prior: image i is one of its own, the seed's, and within the levels where it is a draw.
  @Test func imagesOfThePrior() throws {
    for kind in ImageDistribution.Kind.allCases {
      let model = model(latents: [3, 2], kind, binarization: kind == .bernoulli ? .dynamic : .none)
      let many = try draw(model, images: 0..<16) { $0.seed = 5 }.images
      #expect(
        Array(try draw(model, images: 8..<16) { $0.seed = 5 }.images.scalars)
          == Array(many.scalars[128...]))
      #expect(
        Array(try draw(model, images: 0..<16) { $0.seed = 6 }.images.scalars) != Array(many.scalars)
      )
      #expect(many.scalars.allSatisfy { abs($0) <= 1 })
      let drawn = try draw(model) { $0.sampler = "draw" }.images
      guard kind != .normal else { continue }
      for scalar in drawn.scalars {
        let level = (Double(scalar) + 1) * 8
        #expect(abs(level - level.rounded()) < 1e-5)
        if kind == .bernoulli { #expect(abs(scalar) == 1) }
      }
    }
  }

  /// Draws of the decoder have its mean.
  @Test func drawsHaveTheMean() throws {
    let model = model(.bernoulli, binarization: .dynamic)
    // The same latents for all images: frames of a way that stands still.
    func images(_ sampler: String) throws -> Tensor {
      try draw(model, images: 0..<800) {
        $0.sampler = sampler
        $0.task = .walk(LatentWalk(across: 0, down: 1, side: 1))
      }.images
    }
    let (mean, drawn) = (try images("mean"), try images("draw"))
    for i in 0..<16 {
      let average = (0..<800).reduce(0.0) { $0 + Double(drawn.image($1)[i]) } / 800
      #expect(abs(average - Double(mean.image(0)[i])) < 4 / 800.0.squareRoot())
    }
  }

  /// Two latents go through their quantiles, and the others stay 0.
  @Test func aWalkThroughTwoLatents() throws {
    var chain = LatentConfiguration()
    (chain.latents, chain.depth) = ([3], 0)
    let model = LatentVariableModel(
      chain, images: ImageShape(height: 1, width: 3, channels: 1),
      ImageDistribution(.normal, deviation: .fixed, sigma: 1, levels: nil))
    var weights = [Float](repeating: 0, count: model.parameters.layout.count)
    let range = model.parameters.layout.entries.first { $0.name == "decoder/out/W" }!.range
    // The image is 0.3 z.
    for i in 0..<3 { weights[range.lowerBound + 4 * i] = 0.3 }
    var options = GenerationOptions()
    options.task = .walk(LatentWalk(across: 2, down: 0, side: 4))
    let generation = try model.generation(options)
    let images = try weights.withUnsafeBufferPointer { weights in
      try generation.draw(0..<16, given: nil) {
        Pass(pool: pool, weights: weights.baseAddress!)
      } observe: { _ in
      }.images
    }
    // Φ⁻¹ of ⅛, ⅜, ⅝ and ⅞.
    let quantiles: [Float] = [-1.150349380376, -0.318639363964, 0.318639363964, 1.150349380376]
    for cell in 0..<16 {
      let image = Array(images.image(cell))
      #expect(abs(image[0] - 0.3 * quantiles[cell / 4]) < 1e-6)
      #expect(image[1] == 0 && abs(image[2] - 0.3 * quantiles[cell % 4]) < 1e-6)
    }
  }

  /// Given images come back with their latents and what was lost.
  @Test func reconstructions() throws {
    let given = greyImages(8, in: pool).images
    for model in [
      model(), model { $0.isPoint = true }, model(latents: [3, 2]) { $0.inference = .topDown },
      model(latents: [2]) { ($0.network, $0.form) = (.convolutional, .map) },
    ] {
      let drawn = try draw(model, given: given) { $0.task = .reconstruction }
      var options = GenerationOptions()
      options.task = .reconstruction
      let extras = try model.generation(options).extras
      #expect(
        extras.map(\.name) == model.chain.latents.indices.map { "z_\($0 + 1)" } + ["squared_error"])
      #expect(zip(extras, drawn.extras).allSatisfy { $0.count * 8 == $1.count })
      for n in 0..<8 {
        let squares = zip(drawn.images.image(n), given.image(n)).reduce(0.0) {
          $0 + pow(Double($1.0) - Double($1.1), 2)
        }
        #expect(abs(Double(drawn.extras.last![n]) - squares / 16) < 1e-6)
      }
    }
  }

  // MARK: Refusals

  @Test func whatCannotBeDone() {
    func refusal(_ model: LatentVariableModel, _ change: (inout GenerationOptions) -> Void)
      -> String
    {
      var options = GenerationOptions()
      change(&options)
      do {
        _ = try model.generation(options)
        return "done"
      } catch {
        return "\(error)"
      }
    }
    let (plain, code) = (model(), model { $0.isPoint = true })
    #expect(refusal(code) { _ in } == "\(LatentError.noPrior)")
    #expect(refusal(plain) { $0.sampler = "ddim" } == "\(LatentError.unknownSampler("ddim"))")
    #expect(
      refusal(plain) { $0.samplerOptions.steps = 3 } == "\(LatentError.foreignOption("steps"))")
    #expect(refusal(plain) { $0.conditions = [.label(1)] } == "\(GuidanceError.notConditional)")
    #expect(
      refusal(plain) { $0.task = .walk(LatentWalk(across: 0, down: 3, side: 2)) }
        == "\(LatentError.missingLatent(4, count: 3))")
    #expect(
      refusal(plain) { $0.task = .variation(noiseLevel: 3) }
        == "\(LatentError.foreignOption("from"))")
    for (model, change, expected) in [
      (code, { _ in }, "\(LatentError.noLikelihood)"),
      (plain, { $0.method = "flow" }, "\(LatentError.foreignOption("method flow"))"),
      (plain, { $0.steps = 3 }, "\(LatentError.foreignOption("steps"))"),
      (plain, { ($0.draws, $0.importanceSamples) = (3, 3) }, "\(LatentError.twoCounts)"),
    ] as [(LatentVariableModel, (inout EvaluationOptions) -> Void, String)] {
      var options = EvaluationOptions()
      change(&options)
      do {
        _ = try model.evaluation(options)
        Issue.record("\(expected) is not refused.")
      } catch {
        #expect("\(error)" == expected)
      }
    }
    var options = GenerationOptions()
    options.task = .walk(LatentWalk(across: 0, down: 1, side: 2))
    #expect(throws: GenerationError.noLatents) { try tinyModel().generation(options) }
  }

  /// Extents that no chain can have are told in a sentence.
  @Test func defects() {
    let images = ImageShape(height: 4, width: 4, channels: 1)
    for (change, words) in [
      ({ $0.latents = [17] }, "more than the 16"), ({ $0.latents = [] }, "at least one layer"),
      ({ ($0.latents, $0.hidden) = ([3, 2], [4, 4, 4]) }, "one for each of the 2"),
      ({ $0.form = .map }, "convolutional"),
      (
        {
          ($0.network, $0.form, $0.latents) = (.convolutional, .map, [1, 1])
          ($0.convolution.multipliers, $0.convolution.groups) = ([1], 4)
        }, "one layer"
      ),
      ({ $0.network = .convolutional }, "halve"),
      ({ $0.latents = Array(repeating: 1, count: 17) }, "at most 16"),
    ] as [((inout LatentConfiguration) -> Void, String)] {
      var configuration = LatentConfiguration()
      configuration.latents = [3]
      change(&configuration)
      #expect(configuration.defect(of: images)?.contains(words) == true, "\(words)")
    }
  }
}
