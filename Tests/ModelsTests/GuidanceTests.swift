// Images that are told what they show: what the network is told of them, and guidance.

import Diffusion
import Foundation
import Layers
import Models
import Sampling
import Tensors
import TestSupport
import Testing

@Suite struct GuidanceTests {
  private let pool = BufferPool()
  private let model = tinyModel(condition: .classes(3), conditionDrop: 0.1)

  /// x̂_0 of each image at each evaluation of DDIM, and the images.
  private func draw(
    _ model: DenoisingDiffusion? = nil, weights: [Float]? = nil, images: Range<Int> = 8..<16,
    _ change: (inout GenerationOptions) -> Void
  ) throws -> (x0: [[Float]], images: [Float], generation: any Generation) {
    let model = model ?? self.model
    var options = GenerationOptions()
    (options.seed, options.sampler, options.clipping) = (3, "ddim", Clipping.none)
    change(&options)
    let generation = try model.generation(options)
    var seen: [[Float]] = []
    let drawn = try (weights ?? model.randomWeights()).withUnsafeBufferPointer { weights in
      try generation.draw(images, given: nil) {
        Pass(pool: pool, weights: weights.baseAddress!)
      } observe: {
        seen.append(Array($0.x0.scalars))
      }
    }
    return (seen, Array(drawn.images.scalars), generation)
  }

  private func guidance(
    _ scale: Double, _ change: (inout Guidance) -> Void = { _ in }
  ) -> Guidance {
    var guidance = Guidance()
    guidance.scale = scale
    change(&guidance)
    return guidance
  }

  // MARK: What is told

  /// Image i shows the i-th condition, and again from the first, wherever it is drawn.
  @Test func imagesShowConditionsInTurn() throws {
    let conditions: [Condition] = [.label(2), .none, .label(0)]
    let all = try draw(images: 0..<16) { $0.conditions = conditions }.images
    #expect(try draw { $0.conditions = conditions }.images == Array(all[128...]))
    for (place, condition) in conditions.enumerated() {
      let one = try draw(images: 0..<16) { $0.conditions = [condition] }.images
      for image in stride(from: place, to: 16, by: 3) {
        #expect(one[image * 16..<(image + 1) * 16] == all[image * 16..<(image + 1) * 16])
      }
    }
    #expect(try draw { $0.conditions = [.none] }.images == draw { _ in }.images)
    #expect(try draw { $0.conditions = [.label(1)] }.images != draw { _ in }.images)
  }

  // MARK: Guidance

  /// A mixture of two normals at ±1 with deviation 0.3, ᾱ = ½, x = 0.4, told +1: ε̂ of the class, ε̂ of the
  /// mixture, and three times the way from the one to the other.
  @Test func twoNormals() throws {
    let (told, mixed) = (-0.398453738579, 0.081444955867)
    let (variance, x, abar) = (0.09, 0.4, 0.5)
    func epsilon(mean: Double) -> Double {
      (1 - abar).squareRoot() * (x - abar.squareRoot() * mean) / (abar * variance + 1 - abar)
    }
    let distance = { mean in
      exp(-pow(x - abar.squareRoot() * mean, 2) / 2 / (abar * variance + 1 - abar))
    }
    let posterior = distance(1) / (distance(1) + distance(-1))
    #expect(abs(posterior - 0.738455211527) < 1e-12)
    #expect(abs(epsilon(mean: 1) - told) < 1e-12)
    #expect(
      abs(posterior * epsilon(mean: 1) + (1 - posterior) * epsilon(mean: -1) - mixed) < 1e-12)

    let schedule = NoiseSchedule(.list([0.2, 0.375]), steps: 2)
    let pixel = ImageShape(height: 1, width: 1, channels: 1)
    func constant() -> DenoisingDiffusion {
      tinyModel(prediction: .epsilon, levels: nil, schedule: schedule, images: pixel)
    }
    let (model, other) = (constant(), constant())
    let guide = other.constantWeights([Float(mixed)])
    let x0 = try guide.withUnsafeBufferPointer { guide in
      nonisolated(unsafe) let pointer = guide.baseAddress!
      return try draw(model, weights: model.constantWeights([Float(told)]), images: 0..<8) {
        $0.task = .images(from: .given([Float](repeating: Float(x), count: 8)))
        $0.guidance = guidance(3) {
          $0.guide = Guide(other) { Pass(pool: $0, weights: pointer) }
        }
      }.x0[0]
    }
    for value in x0 {
      let epsilon = (x - abar.squareRoot() * Double(value)) / (1 - abar).squareRoot()
      #expect(abs(epsilon - -1.358251127170) < 1e-6)
    }
  }

  /// The first x̂_0 is that of no class and s times the way to that of the class, whatever the network
  /// predicts; s = 1 and s = 0 take one evaluation, and give the bits of the class and of no class.
  @Test(arguments: [Prediction.epsilon, .v, .x0, .mean])
  func fromNoClassToTheClass(_ prediction: Prediction) throws {
    let model = tinyModel(
      prediction: prediction, condition: .classes(3), conditionDrop: 0.1)
    func first(_ scale: Double) throws -> [Float] {
      try draw(model) {
        $0.sampler = "ancestral"
        ($0.conditions, $0.guidance) = ([.label(1)], guidance(scale))
      }.x0[0]
    }
    let told = try draw(model) { ($0.sampler, $0.conditions) = ("ancestral", [.label(1)]) }.x0[0]
    let untold = try draw(model) { $0.sampler = "ancestral" }.x0[0]
    #expect(try first(1) == told && first(0) == untold && told != untold)
    for (value, (c, n)) in zip(try first(2.5), zip(told, untold)) {
      let expected = Double(n) + 2.5 * (Double(c) - Double(n))
      #expect(abs(Double(value) - expected) < 1e-5 * max(1, abs(expected)))
    }
  }

  /// Classes that are not told apart are not guided to.
  @Test func equalClassesAreNotGuidedTo() throws {
    var weights = model.randomWeights()
    for i in model.range("class_embedding/W") { weights[i] = 0.25 }
    let plain = try draw(weights: weights) { $0.conditions = [.label(1)] }.images
    let guided = try draw(weights: weights) {
      ($0.conditions, $0.guidance) = ([.label(1)], guidance(7))
    }.images
    for (a, b) in zip(plain, guided) { #expect(abs(a - b) < 1e-5 * max(1, abs(a))) }
  }

  /// Outside of the interval of noise, and at its lower end, nothing is guided; at its upper end it is.
  @Test func theIntervalIsOpenBelow() throws {
    let schedule = model.diffusion.schedule
    func level(_ t: Int) -> Double {
      let forward = schedule.forwardCoefficients(t)
      return forward.noise / forward.x0
    }
    let plain = try draw { $0.conditions = [.label(1)] }.x0
    func guided(_ interval: ClosedRange<Double>) throws -> [[Float]] {
      try draw {
        $0.conditions = [.label(1)]
        $0.guidance = guidance(3) { $0.interval = interval }
      }.x0
    }
    // T = 8: the evaluations are at t = 8, 7, …
    let late = try guided(level(5)...level(6))
    #expect(late[0] == plain[0] && late[1] == plain[1] && late[2] != plain[2])
    let early = try guided(level(8)...1e9)
    #expect(early == plain)
    #expect(try guided(level(7)...level(8))[0] != plain[0])
  }

  /// With φ = 1 the prediction has the deviation that the network's own has; with φ = 0 it is left.
  @Test func theDeviationIsBroughtBack() throws {
    func prediction(_ scale: Double, _ rescaling: Double) throws -> [[Double]] {
      let x0 = try draw {
        $0.conditions = [.label(1)]
        $0.guidance = guidance(scale) { $0.rescaling = rescaling }
      }.x0[0]
      // v = (√ᾱ x_T − x̂_0)/√(1−ᾱ) of the same x_T.
      let start = Tensor(Shape(8, 4, 4, 1), in: pool)
      SampleNoise(seed: 3, images: 8..<16).fillStart(start)
      let forward = model.diffusion.schedule.forwardCoefficients(8)
      return (0..<8).map { n in
        (0..<16).map { k in
          (forward.x0 * Double(start.image(n)[k]) - Double(x0[n * 16 + k])) / forward.noise
        }
      }
    }
    func deviation(_ values: [Double]) -> Double {
      let mean = values.reduce(0, +) / 16
      return (values.reduce(0) { $0 + pow($1 - mean, 2) } / 16).squareRoot()
    }
    let (own, guided) = (try prediction(1, 0), try prediction(4, 0))
    let (whole, half) = (try prediction(4, 1), try prediction(4, 0.5))
    for n in 0..<8 {
      #expect(abs(deviation(whole[n]) - deviation(own[n])) < 1e-4 * deviation(own[n]))
      #expect(deviation(guided[n]) != deviation(own[n]))
      for k in 0..<16 { #expect(abs(half[n][k] - (whole[n][k] + guided[n][k]) / 2) < 1e-4) }
    }
  }

  /// A model of captions is told captions, that it can read.
  @Test func captionsAreChecked() throws {
    var encoder = TextEncoderConfiguration(vocabulary: 9)
    (encoder.width, encoder.context) = (16, 3)
    let reader = tinyModel(condition: .text(encoder))
    let frozen = tinyModel(condition: .encodedText(width: 5))
    let text = EncodedText(sequence: [1, 2, 3, 4, 5], summary: [1, 2, 3, 4, 5])
    let other = EncodedText(sequence: [1, 2], summary: [1, 2])
    for (model, condition, expected) in [
      (reader, .tokens([0, 8, 2]), nil), (reader, .none, nil), (frozen, .encoded(text), nil),
      (reader, .tokens([]), .captionOfOtherLength(0, most: 3)),
      (reader, .tokens([1, 2, 3, 4]), .captionOfOtherLength(4, most: 3)),
      (reader, .tokens([9]), .otherVocabulary), (reader, .tokens([-1]), .otherVocabulary),
      (frozen, .encoded(other), .otherVocabulary), (reader, .label(0), .toldOtherwise),
      (reader, .encoded(text), .toldOtherwise), (frozen, .tokens([1]), .toldOtherwise),
      (self.model, .tokens([1]), .toldOtherwise), (tinyModel(), .tokens([1]), .notConditional),
    ] as [(DenoisingDiffusion, Condition, GuidanceError?)] {
      var options = GenerationOptions()
      options.conditions = [.none, condition]
      var error: GuidanceError?
      do { _ = try model.generation(options) } catch let fault as GuidanceError { error = fault }
      #expect(error == expected, "\(condition)")
    }
  }

  /// What is said of images to be drawn must be something that the model can be told.
  @Test func wishesAreChecked() throws {
    func error(
      _ model: DenoisingDiffusion, _ conditions: [Condition], _ guidance: Guidance = Guidance()
    ) -> GuidanceError? {
      var options = GenerationOptions()
      (options.conditions, options.guidance) = (conditions, guidance)
      return #expect(throws: GuidanceError.self) { try model.generation(options) }
    }
    let plain = tinyModel()
    #expect(error(plain, [.label(0)]) == .notConditional)
    #expect(error(plain, [], guidance(2)) == .nothingToGuide)
    #expect(error(model, [.label(3)]) == .unknownClass(3, classes: 3))
    #expect(error(model, [.label(-1)]) == .unknownClass(-1, classes: 3))
    #expect(error(model, [.label(0), .none, .label(3)]) == .unknownClass(3, classes: 3))
    #expect(error(model, [], guidance(2)) == .nothingIsSaid)
    #expect(error(tinyModel(condition: .classes(3)), [.label(0)], guidance(2)) == .neverDropped)
    func guided(by other: DenoisingDiffusion) -> Guidance {
      guidance(2) { $0.guide = Guide(other) { _ in preconditionFailure("Nothing is drawn.") } }
    }
    let longer = tinyModel(schedule: NoiseSchedule(.linear(from: 0.05, to: 0.4), steps: 9))
    #expect(error(plain, [], guided(by: longer)) == .guideOfAnotherProcess)
    let larger = tinyModel(images: ImageShape(height: 8, width: 4, channels: 1))
    #expect(error(plain, [], guided(by: larger)) == .guideOfOtherImages)
    #expect(error(plain, [], guided(by: tinyModel(prediction: .mean))) == .guideOfMeans)
    #expect(
      error(model, [.label(0)], guided(by: tinyModel(condition: .classes(4))))
        == .guideOfOtherConditions)
  }

  // MARK: Training

  /// Each training image is left without its class with the probability that was set, and no other.
  @Test func classesAreDropped() {
    let weights = model.randomWeights()
    let table = model.range("class_embedding/W")
    func rows(_ model: DenoisingDiffusion, _ draws: Draws) -> [Bool] {
      let batch = Batch(images: greyImages(1, in: pool).images, conditions: [.label(1)])
      let gradient = losses(model, batch, draws, weights: weights, in: pool).gradient
      return (0..<4).map { row in
        gradient[table.lowerBound + row * 16..<table.lowerBound + (row + 1) * 16]
          .contains { $0 != 0 }
      }
    }
    let half = tinyModel(condition: .classes(3), conditionDrop: 0.5)
    var dropped = 0
    for step in 0..<400 {
      let rows = rows(half, Draws(seed: 1, step: step, shard: 0, of: 1))
      #expect(rows == [false, true, false, false] || rows == [false, false, false, true])
      if rows[3] { dropped += 1 }
    }
    // Four standard deviations of 400 coins.
    #expect(abs(dropped - 200) <= 40)
    let never = tinyModel(condition: .classes(3))
    let always = tinyModel(condition: .classes(3), conditionDrop: 1)
    let draws = Draws(seed: 1, step: 0, shard: 0, of: 1)
    #expect(rows(never, draws)[1] && rows(always, draws)[3])
    // Outside training all is told.
    #expect(rows(always, Draws(seed: 1, firstImage: 0))[1])
  }

  /// Two captions of two images, learned by heart: the prompt selects the image, whichever the noise.
  @Test func aPromptSelectsTheImage() throws {
    var encoder = TextEncoderConfiguration(vocabulary: 4)
    (encoder.width, encoder.context) = (16, 3)
    // Nothing of an image is left at T, where noise could select it too.
    let model = tinyModel(
      levels: nil, schedule: NoiseSchedule(.cosine, steps: 8), condition: .text(encoder),
      conditionDrop: 0.1)
    let captions: [Condition] = [.tokens([0, 2, 1]), .tokens([0, 3, 1])]
    let batch = Batch(
      images: Tensor(
        Shape(8, 4, 4, 1), (0..<8 * 16).map { $0 / 16 % 2 == 0 ? -1 : 1 }, in: pool),
      conditions: (0..<8).map { captions[$0 % 2] })
    var weights = model.parameters.initialWeights(seed: 1)
    var (mean, square) = (weights.map { _ in Float(0) }, weights.map { _ in Float(0) })
    for step in 0..<600 {
      let draws = Draws(seed: 1, step: step, shard: 0, of: 1)
      let gradient = losses(model, batch, draws, weights: weights, in: pool).gradient
      for i in weights.indices {
        mean[i] += 0.1 * (gradient[i] - mean[i])
        square[i] += 0.02 * (gradient[i] * gradient[i] - square[i])
        weights[i] -= 0.005 * mean[i] / (square[i].squareRoot() + 1e-6)
      }
    }
    let images = try draw(model, weights: weights) { $0.conditions = captions }.images
    for n in 0..<8 {
      let brightness = images[n * 16..<(n + 1) * 16].reduce(0, +) / 16
      #expect(abs(brightness - (n % 2 == 0 ? -1 : 1)) < 0.4, "image \(n)")
    }
  }

  // MARK: Evaluation

  /// Told, untold and both are the same numbers, and what the condition tells is their difference.
  @Test func whatTheConditionTells() throws {
    let weights = model.randomWeights()
    let batch = Batch(
      images: greyImages(8, in: pool).images, conditions: (0..<8).map { .label($0 % 3) })
    func results(_ condition: EvaluatedCondition?) throws -> EvaluationResults {
      var options = EvaluationOptions()
      (options.condition, options.variances) = (condition, [.fixedSmall])
      let evaluation = try model.evaluation(options)
      let numbers = try weights.withUnsafeBufferPointer { weights in
        try evaluation.measure(batch, Draws(seed: 2, firstImage: 0)) {
          Pass(pool: pool, weights: weights.baseAddress!)
        } progress: {
        }
      }
      return evaluation.results(
        of: Measurements(Array(numbers.joined()), width: evaluation.width))
    }
    let (both, given, dropped) = (
      try results(nil), try results(.given), try results(.dropped)
    )
    #expect(both.estimates.map(\.name) == ["fixed_small", "fixed_small, not told"])
    #expect(both.estimates[0].totals == given.estimates[0].totals)
    #expect(both.estimates[1].totals == dropped.estimates[0].totals)
    #expect(given.estimates[0].totals != dropped.estimates[0].totals)
    let table = try #require(both.tables.last)
    let told = zip(dropped.estimates[0].totals, given.estimates[0].totals).map(-)
    #expect(abs(table.rows[0][0] - told.reduce(0, +) / 8 / M_LN2) < 1e-9)
    #expect(table.columns == ["bits", "± s.e."])
    var options = EvaluationOptions()
    options.condition = .given
    #expect(throws: EvaluationError.notConditional) { try tinyModel().evaluation(options) }
  }
}
