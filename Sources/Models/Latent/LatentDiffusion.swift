// Diffusion of latents: a denoiser that never sees an image, between the halves of an autoencoder.

import Layers
import Sampling
import Synchronization
import Tensors

/// A denoising diffusion model of the latents of images (Rombach et al. 2022).
///
/// The autoencoder is no part of the weights. It is opened where it is needed, so that a checkpoint can be
/// looked at without it.
public struct LatentDiffusion: Objective, Generator {
  /// The model of latents.
  public private(set) var diffusion: DenoisingDiffusion
  private let coder: OpenedOnce<LatentCoder>

  /// A model of the latents that a coder makes.
  ///
  /// - Parameters:
  ///   - diffusion: Of latents, which are continuous.
  ///   - open: Reads the coder; called once, where it is needed first.
  public init(
    _ diffusion: DenoisingDiffusion, open: @escaping @Sendable () throws -> LatentCoder
  ) {
    precondition(diffusion.diffusion.levels == nil, "Latents have no grey levels.")
    self.diffusion = diffusion
    coder = OpenedOnce(open)
  }

  /// Opens the autoencoder.
  ///
  /// - Throws: An error of one line where it is not there, or another one.
  public func prepare() throws { _ = try coder.value() }

  /// The loss of the images' latents.
  public func loss(_ batch: Batch, _ draws: Draws, _ pass: Pass) -> Losses {
    let latents = pass.profile.measure(.batch) {
      coder.opened.encode(batch, draws, pass.pool)
    }
    return diffusion.loss(
      Batch(images: latents, conditions: batch.conditions, numbers: batch.numbers), draws, pass)
  }

  /// Latents from noise, or variations of those of given images, decoded.
  ///
  /// - Throws: `LatentError`, what the model of latents throws, and what `prepare` throws.
  public func generation(_ options: GenerationOptions) throws -> any Generation {
    switch options.task {
    case .images(.drawn), .images(.between), .variation: break
    case .images(.given): throw LatentError.imagesOnly("init")
    case .reconstruction: throw LatentError.imagesOnly("encode")
    case .inpainting: throw LatentError.imagesOnly("inpaint")
    case .walk: throw GenerationError.noLatents
    }
    var options = options
    // Latents have no range.
    if options.clipping == nil { options.clipping = Clipping.none }
    return DecodedImages(
      latents: try diffusion.generation(options), coder: try coder.value(), seed: options.seed)
  }

  /// Latents that are decoded, those on the way too where somebody looks.
  private struct DecodedImages: Generation {
    let latents: any Generation
    let coder: LatentCoder
    let seed: UInt64

    var evaluations: Int? { latents.evaluations }
    var facts: [String: Fact] { latents.facts.merging(["latent": .integer(1)]) { $1 } }
    var notes: [String] { latents.notes }

    func draw(
      _ images: Range<Int>, given: Tensor?, _ makePass: () -> Pass,
      observe: (Observation) -> Void
    ) throws -> Drawn {
      let pool = makePass().pool
      let origin = given.map {
        coder.encode(
          Batch(images: $0, numbers: Array(images)),
          Draws(seed: seed, firstImage: images.lowerBound), pool)
      }
      let drawn = try latents.draw(images, given: origin, makePass) { seen in
        observe(
          Observation(xt: seen.xt, t: seen.t, x0: seen.x0) {
            coder.decode($0, numbers: images, pool)
          })
      }
      return Drawn(coder.decode(drawn.images, numbers: images, pool))
    }
  }

  // MARK: What is the denoiser's

  /// Those of the denoiser.
  public var parameters: ParameterRegistry { diffusion.parameters }
  /// That of the denoiser.
  public var condition: ConditionKind { diffusion.condition }
  /// Those of the denoiser.
  public var terms: [String] { diffusion.terms }
  /// That of the denoiser.
  public var unit: String? { diffusion.unit }
  /// Those of the denoiser.
  public var sums: [SumVector] { diffusion.sums }
  /// Those of the denoiser.
  public var notes: [String] { diffusion.notes }
  /// Those of the denoiser.
  public var facts: ModelFacts? { diffusion.facts }
  /// That of the denoiser.
  public var state: [String: [Double]] {
    get { diffusion.state }
    set { diffusion.state = newValue }
  }
  /// Takes over what the denoiser does.
  public mutating func adopt(_ facts: ModelFacts, weights: String) {
    diffusion.adopt(facts, weights: weights)
  }
  /// Those of the denoiser.
  public func choices(_ draws: Draws, count: Int) -> [String: [Int]] {
    diffusion.choices(draws, count: count)
  }
  /// Updates the denoiser's.
  public mutating func absorb(_ sums: [[Double]]) { diffusion.absorb(sums) }
}

/// Something that is opened where it is needed first, and kept.
private final class OpenedOnce<Value: Sendable>: Sendable {
  private let open: @Sendable () throws -> Value
  private let kept = Mutex<Value?>(nil)

  init(_ open: @escaping @Sendable () throws -> Value) { self.open = open }

  func value() throws -> Value {
    try kept.withLock { kept in
      let value = try kept ?? open()
      kept = value
      return value
    }
  }

  /// What has been opened.
  var opened: Value {
    guard let value = kept.withLock({ $0 }) else {
      preconditionFailure("A model is prepared before its first loss.")
    }
    return value
  }
}
