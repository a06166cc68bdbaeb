// Guidance: images that follow what they are said to show more closely than the data do.

import Diffusion
import Layers
import Sampling
import Tensors

/// How strongly images follow what they are said to show (Ho, Salimans 2022).
///
/// Where x̂_0(c) is what the network sees when it is told c, and x̂_0(∅) when it is told nothing, samplers
/// are given
///
///     x̂_0(∅) + s (x̂_0(c) − x̂_0(∅)),
///
/// equation 6 with s = 1 + w; ε̂ and v̂ are affine in x̂_0 with the same x_t, so that guiding any of them is
/// the same.
public struct Guidance: Sendable {
  /// s: 1 leaves the network's x̂_0(c) as it is, 0 takes x̂_0(∅).
  public var scale = 1.0
  /// The noise levels σ̃ = √((1−ᾱ)/ᾱ) at which images are guided, above the first and up to the second;
  /// nil: all (Kynkäänniemi et al. 2024).
  public var interval: ClosedRange<Double>?
  /// φ, how far the standard deviation of what the network predicts is brought back to that of its own
  /// prediction for c (Lin et al. 2023, section 3.4); 0: not at all.
  public var rescaling = 0.0
  /// A model whose x̂_0(c) takes the place of x̂_0(∅): an earlier state of the network, or a smaller one
  /// (Karras et al. 2024b); nil: the network itself.
  public var guide: Guide?

  /// None: s = 1.
  public init() {}

  /// s at a noise level.
  func scale(at noiseLevel: Double) -> Double {
    guard let interval else { return scale }
    return noiseLevel > interval.lowerBound && noiseLevel <= interval.upperBound ? scale : 1
  }

  /// For the files that hold images; none where nothing is guided.
  var facts: [String: Fact] {
    guard scale != 1 else { return [:] }
    var facts = ["guidance": Fact.number(scale), "guidance_rescale": .number(rescaling)]
    if let interval {
      facts["guidance_interval"] = .text("\(interval.lowerBound),\(interval.upperBound)")
    }
    return facts
  }
}

/// A model that guides another one, with its weights.
public struct Guide: Sendable {
  let model: DenoisingDiffusion
  let makePass: @Sendable (BufferPool) -> Pass

  /// A model of the same images and the same process.
  ///
  /// - Parameter makePass: Makes a pass over its weights.
  public init(_ model: DenoisingDiffusion, makePass: @escaping @Sendable (BufferPool) -> Pass) {
    (self.model, self.makePass) = (model, makePass)
  }
}

extension DenoisingDiffusion {
  /// Requires that images can be shown and guided as a user says.
  ///
  /// - Throws: `GuidanceError`.
  func requireGuidance(_ options: GenerationOptions) throws(GuidanceError) {
    let guidance = options.guidance
    for condition in options.conditions { try require(condition) }
    guard guidance.scale != 1 else { return }
    if let guide = guidance.guide {
      let (own, other) = (diffusion.schedule.betas, guide.model.diffusion.schedule.betas)
      guard own.count == other.count, zip(own, other).allSatisfy({ abs($0 - $1) <= 1e-9 * $0 })
      else { throw .guideOfAnotherProcess }
      guard guide.model.network.images == network.images else { throw .guideOfOtherImages }
      guard guide.model.network.condition == .none || guide.model.network.condition == condition
      else { throw .guideOfOtherConditions }
      // One that predicts the mean knows whole steps only, where samplers may ask between them.
      guard guide.model.diffusion.prediction != .mean || diffusion.prediction == .mean else {
        throw .guideOfMeans
      }
      return
    }
    if network.condition == .none { throw .nothingToGuide }
    if options.conditions.allSatisfy({ $0 == .none }) { throw .nothingIsSaid }
    // Without a drop, the network has never been told nothing.
    if conditionDrop == 0 { throw .neverDropped }
  }

  /// x̂_0 of noisy images as the network sees it, told and guided, before it is clipped; and the raw output
  /// for the variance, which is not guided.
  ///
  /// - Parameters:
  ///   - conditions: What each image is to show; empty: nothing.
  ///   - makePass: Makes a pass over the weights for one evaluation.
  func guidedEstimate(
    _ xt: Tensor, _ t: [Double], _ times: ContinuousTime, _ conditions: [Condition],
    _ guidance: Guidance, _ makePass: () -> Pass
  ) -> Denoised {
    let scales = t.map { t in
      guidance.interval == nil ? guidance.scale : guidance.scale(at: noiseLevel(t, times))
    }
    let isPlain = scales.allSatisfy { $0 == 1 }
    let pass = makePass()
    // With s = 0 the network is asked once, for x̂_0(∅).
    if !isPlain, guidance.guide == nil, scales.allSatisfy({ $0 == 0 }) {
      let own = estimate(xt, t, times, [], pass)
      return Denoised(x0: own.x0(xt, pass.pool), variance: own.variance)
    }
    let own = estimate(xt, t, times, conditions, pass)
    let x0 = own.x0(xt, pass.pool)
    guard !isPlain else { return Denoised(x0: x0, variance: own.variance) }
    let reference: Estimate
    if let guide = guidance.guide {
      reference = guide.model.estimate(
        xt, t, times, guide.model.network.condition == .none ? [] : conditions,
        guide.makePass(pass.pool))
    } else {
      reference = estimate(xt, t, times, [], makePass())
    }
    for n in 0..<xt.shape.n where scales[n] != 1 {
      guide(x0.image(n), xt.image(n), own, reference, n, scales[n], guidance.rescaling)
    }
    return Denoised(x0: x0, variance: own.variance)
  }

  /// Writes the guided x̂_0 of one image.
  private func guide(
    _ x0: UnsafeMutableBufferPointer<Float>, _ xt: UnsafeMutableBufferPointer<Float>,
    _ own: Estimate, _ reference: Estimate, _ n: Int, _ scale: Double, _ rescaling: Double
  ) {
    let (raw, conversion) = (own.raw.image(n), own.conversions[n])
    let (other, otherConversion) = (reference.raw.image(n), reference.conversions[n])
    var guided = x0.indices.map { i in
      let noisy = Double(xt[i])
      let without = otherConversion(Double(other[i]), xt: noisy)
      return without + scale * (conversion(Double(raw[i]), xt: noisy) - without)
    }
    if rescaling > 0 {
      // What the network predicts when it says the guided x̂_0.
      let prediction = guided.indices.map { i in
        (guided[i] - conversion.xt * Double(xt[i])) / conversion.scale
      }
      let deviation = standardDeviation(prediction)
      if deviation > 0 {
        let factor =
          1 - rescaling + rescaling * standardDeviation(raw.map(Double.init)) / deviation
        for i in guided.indices {
          guided[i] = conversion(factor * prediction[i], xt: Double(xt[i]))
        }
      }
    }
    for i in x0.indices { x0[i] = Float(guided[i]) }
  }

  /// σ̃ at a step or between two.
  private func noiseLevel(_ t: Double, _ times: ContinuousTime) -> Double {
    let forward = times.forwardCoefficients(t)
    return forward.noise / forward.x0
  }

  /// What one evaluation of a network says of noisy images.
  private struct Estimate {
    /// The raw output for the mean.
    let raw: Tensor
    /// From it to x̂_0, of each image.
    let conversions: [AffineConversion]
    /// The raw output for the variance.
    let variance: Tensor?

    func x0(_ xt: Tensor, _ pool: BufferPool) -> Tensor {
      let x0 = Tensor(xt.shape, in: pool)
      for n in 0..<xt.shape.n {
        let (noisy, raw, toX0) = (xt.image(n), raw.image(n), conversions[n])
        var image = x0.image(n).mutableSpan
        for i in image.indices { image[i] = Float(toX0(Double(raw[i]), xt: Double(noisy[i]))) }
      }
      return x0
    }
  }

  private func estimate(
    _ xt: Tensor, _ t: [Double], _ times: ContinuousTime, _ conditions: [Condition], _ pass: Pass
  ) -> Estimate {
    let conditioning = Conditioning(times: t.map(times.timestep), conditions: conditions)
    let output = split(network(Variable(xt), conditioning, pass), pass)
    return Estimate(
      raw: output.mean.value, conversions: t.map { conversionToX0(at: $0, times) },
      variance: output.variance?.value)
  }

  /// From the network's raw output to x̂_0, at a step or between two.
  private func conversionToX0(at t: Double, _ times: ContinuousTime) -> AffineConversion {
    if let step = Int(exactly: t) {
      return diffusion.prediction.conversion(to: .x0, at: step, of: diffusion.schedule)
    }
    guard
      let conversion = diffusion.prediction.conversion(to: .x0, for: times.forwardCoefficients(t))
    else { preconditionFailure("A network that predicts the mean knows whole steps only.") }
    return conversion
  }
}

/// Over all scalars of an image.
private func standardDeviation(_ values: [Double]) -> Double {
  let mean = values.reduce(0, +) / Double(values.count)
  let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
  return (squares / Double(values.count)).squareRoot()
}

extension DenoisingDiffusion {
  /// Requires that the network can be told something.
  private func require(_ condition: Condition) throws(GuidanceError) {
    switch (network.condition, condition) {
    case (_, .none): break
    case (.none, _): throw .notConditional
    case (.classes(let count), .label(let label)):
      guard 0..<count ~= label else { throw .unknownClass(label, classes: count) }
    case (.text(let encoder), .tokens(let tokens)):
      guard 1...encoder.context ~= tokens.count else {
        throw .captionOfOtherLength(tokens.count, most: encoder.context)
      }
      guard tokens.allSatisfy({ 0..<encoder.vocabulary ~= $0 }) else { throw .otherVocabulary }
    case (.encodedText(let width), .encoded(let text)):
      guard text.summary.count == width else { throw .otherVocabulary }
    case (.classes, _), (.text, _), (.encodedText, _): throw .toldOtherwise
    }
  }
}

/// The faults that a user's wishes can have here.
public enum GuidanceError: Error, Equatable, CustomStringConvertible {
  /// A model that is not told what images show.
  case notConditional
  /// A class that the model does not have.
  case unknownClass(Int, classes: Int)
  /// A caption of more tokens than the model reads, or of none.
  case captionOfOtherLength(Int, most: Int)
  /// A caption in the tokens, or by the encoder, of another model.
  case otherVocabulary
  /// A class for a model that reads captions, or the other way round.
  case toldOtherwise
  /// Guidance of a model that is not told what images show, without another model.
  case nothingToGuide
  /// Guidance where nothing is said.
  case nothingIsSaid
  /// Guidance of a model that has always been told.
  case neverDropped
  /// A guide with other variances β.
  case guideOfAnotherProcess
  /// A guide of images of other extents.
  case guideOfOtherImages
  /// A guide that is told other things.
  case guideOfOtherConditions
  /// A guide that predicts the mean, of a model that does not.
  case guideOfMeans

  /// What is wrong and what to do, in one line.
  public var description: String {
    switch self {
    case .notConditional:
      "The model was trained without a condition and is not told what images show: leave --class "
        + "and --prompt out, or train with condition=class or condition=text."
    case .unknownClass(let label, let classes):
      "There is no class \(label): the model has the classes 0 to \(classes - 1)."
    case .captionOfOtherLength(let length, let most):
      "A caption has \(length) tokens; the model reads 1 to \(most): say it in other words."
    case .otherVocabulary:
      "The caption was encoded for another model: encode it with the vocabulary of this one."
    case .toldOtherwise:
      "The model is told other things: a class is for a model of classes, and a caption for one of "
        + "captions."
    case .nothingToGuide:
      "The model was trained without a condition, so there is nothing to guide to: leave --guidance "
        + "out, or guide with an earlier checkpoint (--guide-with)."
    case .nothingIsSaid:
      "--guidance needs to know where to: say which --class, or a --prompt."
    case .neverDropped:
      "The model was trained with label_drop 0 or caption_drop 0 and was always told what images show: "
        + "train with 0.1, or guide with an earlier checkpoint (--guide-with)."
    case .guideOfAnotherProcess:
      "The guide has another schedule of variances: choose an earlier checkpoint of the same run."
    case .guideOfOtherImages:
      "The guide's images have other extents: choose an earlier checkpoint of the same run."
    case .guideOfMeans:
      "The guide predicts the mean of a step, which the model does not: choose another checkpoint."
    case .guideOfOtherConditions:
      "The guide is told other things: choose an earlier checkpoint of the same run."
    }
  }
}
