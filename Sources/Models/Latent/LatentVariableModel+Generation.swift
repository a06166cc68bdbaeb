// Images from a model with latents: from its prior, through its latents, and of given images.

import Foundation
import Layers
import Sampling
import Tensors

extension LatentVariableModel: Generator {
  /// Images of latents that are drawn, walked through, or inferred of given images.
  ///
  /// - Throws: `LatentError`, and `GuidanceError` where something is said of the images.
  public func generation(_ options: GenerationOptions) throws -> any Generation {
    if !options.conditions.isEmpty { throw GuidanceError.notConditional }
    if options.guidance.scale != 1 { throw GuidanceError.nothingToGuide }
    if let option = options.samplerOptions.names.sorted().first {
      throw LatentError.foreignOption(option)
    }
    if options.clipping != nil { throw LatentError.foreignOption("no-clip or --dynamic-threshold") }
    guard let shown = Shown(rawValue: options.sampler ?? Shown.mean.rawValue) else {
      throw LatentError.unknownSampler(options.sampler ?? "")
    }
    switch options.task {
    case .reconstruction: return LatentReconstruction(self, seed: options.seed, shown)
    case .images(.drawn), .images(.between), .walk:
      guard !isAutoencoder else { throw LatentError.noPrior }
      if case .walk(let walk) = options.task {
        let count = chain.latents.last!.count
        for latent in [walk.across, walk.down] where !(0..<count).contains(latent) {
          throw LatentError.missingLatent(latent + 1, count: count)
        }
      }
      return PriorImages(model: self, options: options, shown: shown)
    case .images(.given): throw LatentError.foreignOption("init")
    case .variation: throw LatentError.foreignOption("from")
    case .inpainting: throw LatentError.foreignOption("inpaint")
    }
  }

  /// The names of the samplers of models with latents.
  public static let samplers = Shown.allCases.map(\.rawValue)

  /// How what is decoded is shown.
  enum Shown: String, CaseIterable {
    /// The decoder's mean.
    case mean
    /// A draw of its distribution.
    case draw
  }

  /// The images of z_1.
  func images(
    of z: Variable, numbers: Range<Int>, seed: UInt64, _ shown: Shown, _ pass: Pass
  ) -> Tensor {
    let decoded = chain.decode(z, pass)
    let deviations = logDeviation(decoded, pass)?.value
    let images = Tensor(decoded.mean.shape, in: pass.pool)
    _ = images.scalars.update(from: decoded.mean.value.scalars)
    for (n, number) in numbers.enumerated() {
      switch shown {
      case .mean: distribution.showMean(images.image(n))
      case .draw:
        distribution.show(
          images.image(n), logDeviation: deviations.map { Double($0.pointer[n]) },
          RandomStream(seed: seed, purpose: .reverse, shard: number))
      }
    }
    return images
  }
}

/// A plane through the latents: two of them cross the quantiles of their distribution, and all others
/// are 0 (Kingma, Welling 2014, figure 4).
public struct LatentWalk: Equatable, Sendable {
  /// The latent of the last layer that grows to the right, counted from 0.
  public var across: Int
  /// The one that grows downward.
  public var down: Int
  /// The images in a row, and in a column.
  public var side: Int

  /// A walk through two latents.
  public init(across: Int, down: Int, side: Int) {
    (self.across, self.down, self.side) = (across, down, side)
  }

  /// Fills z_L of the image of a number.
  func fill(_ z: UnsafeMutableBufferPointer<Float>, image: Int) {
    z.update(repeating: 0)
    let cell = image % (side * side)
    func quantile(_ place: Int) -> Float {
      Float(normalQuantile((Double(place) + 0.5) / Double(side)))
    }
    z[down] = quantile(cell / side)
    z[across] = quantile(cell % side)
  }
}

/// x with Φ(x) = p for the standard normal, p in (0, 1), by Newton's method on its distribution function.
func normalQuantile(_ p: Double) -> Double {
  precondition(p > 0 && p < 1, "A quantile is that of a probability between 0 and 1.")
  // Φ is concave beyond 0, so that from 0 on the steps never lead beyond the root.
  guard p >= 0.5 else { return -normalQuantile(1 - p) }
  var x = 0.0
  for _ in 0..<200 {
    let step =
      (p - 1 + 0.5 * erfc(x * 0.5.squareRoot())) * (2 * Double.pi).squareRoot() * exp(0.5 * x * x)
    x += step
    if step < 1e-12 { break }
  }
  return x
}

/// Images of latents that come from the prior.
private struct PriorImages: Generation {
  let model: LatentVariableModel
  let options: GenerationOptions
  let shown: LatentVariableModel.Shown

  let evaluations: Int? = 1
  let notes: [String] = []

  var facts: [String: Fact] {
    var facts: [String: Fact] = ["sampler": .text(shown.rawValue), "init": .integer(0)]
    switch options.task {
    case .images(.between(let first, let second, let frames)):
      facts["interpolate"] = .text("\(first),\(second)")
      facts["frames"] = .integer(frames)
    case .walk(let walk):
      facts["walk"] = .text("\(walk.across + 1),\(walk.down + 1)")
      facts["frames"] = .integer(walk.side)
    default: break
    }
    return facts
  }

  /// z_1 … z_L, one after the other, is not told: the seed and the number say it.
  func draw(
    _ images: Range<Int>, given: Tensor?, _ makePass: () -> Pass,
    observe: (Observation) -> Void
  ) throws -> Drawn {
    let pass = makePass()
    let extents = model.chain.latents.last!
    let top = Tensor(
      Shape(images.count, extents.height, extents.width, extents.channels), in: pass.pool)
    var noise = LatentChain.Noise.none
    switch options.task {
    case .walk(let walk):
      for (n, image) in images.enumerated() { walk.fill(top.image(n), image: image) }
    case .images(let start):
      let source = SampleNoise(seed: options.seed, images: images, start: start)
      source.fillStart(top)
      // On the way between two images the layers below go their means, so that it has no jumps.
      if case .drawn = start {
        noise = .given { layer, epsilon in
          for n in 0..<images.count { source.fill(epsilon.image(n), image: n, step: layer) }
        }
      }
    default: preconditionFailure("These images are not made of others.")
    }
    let z = model.chain.generate(from: Variable(top), noise, pass)
    let drawn = model.images(of: z, numbers: images, seed: options.seed, shown, pass)
    observe(Observation(xt: drawn, t: Array(repeating: 1, count: images.count), x0: drawn))
    return Drawn(drawn)
  }
}

/// Given images, encoded and decoded by the means of all layers.
private struct LatentReconstruction: Generation {
  private let model: LatentVariableModel
  private let seed: UInt64
  private let shown: LatentVariableModel.Shown

  init(_ model: LatentVariableModel, seed: UInt64, _ shown: LatentVariableModel.Shown) {
    (self.model, self.seed, self.shown) = (model, seed, shown)
  }

  let evaluations: Int? = 1
  let notes: [String] = []
  var facts: [String: Fact] { ["sampler": .text(shown.rawValue)] }

  /// The latents of each layer, and the mean square of what is lost, in [−1, 1].
  var extras: [ExtraArray] {
    model.chain.latents.enumerated().map { index, shape in
      ExtraArray(
        "z_\(index + 1)",
        shape.height == 1 && shape.width == 1
          ? [shape.channels] : [shape.height, shape.width, shape.channels])
    } + [ExtraArray("squared_error", [])]
  }

  func draw(
    _ images: Range<Int>, given: Tensor?, _ makePass: () -> Pass,
    observe: (Observation) -> Void
  ) throws -> Drawn {
    guard let given else { preconditionFailure("A reconstruction is one of a given image.") }
    let pass = makePass()
    let draws = Draws(seed: seed, firstImage: images.lowerBound)
    let seen = model.observed(
      Batch(images: given, numbers: Array(images)), draws, pass.pool)
    let layers = model.chain.infer(Variable(seen), .none, pass)
    let drawn = model.images(of: layers[0].z, numbers: images, seed: seed, shown, pass)
    observe(Observation(xt: given, t: Array(repeating: 1, count: images.count), x0: drawn))
    let errors = (0..<images.count).map { n in
      let squares = zip(drawn.image(n), given.image(n)).reduce(0.0) { sum, pair in
        let error = Double(pair.0) - Double(pair.1)
        return sum + error * error
      }
      return Float(squares / Double(given.shape.imageCount))
    }
    return Drawn(drawn, extras: layers.map { Array($0.z.value.scalars) } + [errors])
  }
}
