// Variations of images: some noise is added, and taken away again by a sampler.

import Diffusion
import Layers
import Sampling
import Tensors

/// SDEdit (Meng et al. 2022, section 3): x_t = √ᾱ_t x_0 + √(1−ᾱ_t) z of a given image at a step t of the
/// user's choice, and from there the reverse process. It is the whole of the chain up to t, so that
/// every sampler and every grid can be taken.
struct Variation: Generation {
  private let model: DenoisingDiffusion
  private let sampler: any Sampler
  private let noiseLevel: Int
  private let options: GenerationOptions

  /// - Throws: `GenerationError` for a level that is no step, and what the sampler throws.
  init(_ model: DenoisingDiffusion, noiseLevel: Int, _ options: GenerationOptions) throws {
    let steps = model.diffusion.schedule.steps
    guard (1...steps).contains(noiseLevel) else {
      throw GenerationError.invalidNoiseLevel(noiseLevel, steps: steps)
    }
    sampler = try model.sampler(options, of: model.process.prefix(noiseLevel))
    (self.model, self.noiseLevel, self.options) = (model, noiseLevel, options)
  }

  private var clipping: Clipping { options.clipping ?? .range }
  var evaluations: Int? { sampler.evaluations }
  var notes: [String] { sampler.notes }

  var facts: [String: Fact] {
    sampler.facts.merging(clipping.facts) { $1 }
      .merging(options.guidance.facts) { $1 }
      .merging(["noise_level": .integer(noiseLevel)]) { $1 }
  }

  func draw(
    _ images: Range<Int>, given: Tensor?, _ makePass: () -> Pass,
    observe: (Observation) -> Void
  ) throws -> Drawn {
    guard let given else { preconditionFailure("A variation is one of a given image.") }
    let pool = makePass().pool
    let x = model.images(images.count, pool)
    let noise = SampleNoise(seed: options.seed, images: images)
    noise.fillStart(x)
    let level = model.diffusion.schedule.forwardCoefficients(noiseLevel)
    for k in x.scalars.indices {
      x.pointer[k] = Float(
        level.x0 * Double(given.pointer[k]) + level.noise * Double(x.pointer[k]))
    }
    try model.denoising(images, options, clipping, makePass, observe: observe) { denoise in
      try sampler.run(x, noise, pool, denoise: denoise)
    }
    return Drawn(x)
  }
}

/// The faults that a user's options can cause here.
public enum GenerationError: Error, Equatable, CustomStringConvertible {
  /// A noise level that is no step of the chain.
  case invalidNoiseLevel(Int, steps: Int)
  /// A task that needs one sampler, and another was chosen.
  case samplerOfTask(task: String, needs: String, chosen: String)
  /// A walk through latents of a model that has none.
  case noLatents

  /// What is wrong and what to do, in one line.
  public var description: String {
    switch self {
    case .invalidNoiseLevel(let level, let steps):
      "--noise-level needs a step from 1 to \(steps), not \(level)."
    case .samplerOfTask(let task, let needs, let chosen):
      "--\(task) needs the sampler \(needs), not \(chosen): leave --sampler out."
    case .noLatents:
      "--walk goes through the latents of a model=vae or hierarchical_vae; this one has none: go from "
        + "one image to another with --interpolate."
    }
  }
}
