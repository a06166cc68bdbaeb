// Images of which a part is painted anew.

import Diffusion
import Layers
import Sampling
import Tensors

/// Given images, painted anew where a mask says so (`Inpainting`).
struct InpaintedImages: Generation {
  private let model: DenoisingDiffusion
  private let inpainting: Inpainting
  private let options: GenerationOptions

  /// - Throws: `GenerationError` for another sampler, and what the reverse process throws.
  init(
    _ model: DenoisingDiffusion, mask: [Bool], repeats: Int, _ options: GenerationOptions
  ) throws {
    precondition(mask.count == model.network.images.count, "A mask covers an image.")
    let ancestral = SamplerKind.all[0]
    if let chosen = options.sampler, chosen != ancestral.name {
      throw GenerationError.samplerOfTask(task: "inpaint", needs: ancestral.name, chosen: chosen)
    }
    // Options of other samplers are refused as ancestral refuses them.
    _ = try ancestral.sampler(of: model.process, options.samplerOptions)
    inpainting = try Inpainting(
      of: model.process, options.samplerOptions, mask: mask, repeats: repeats)
    (self.model, self.options) = (model, options)
  }

  private var clipping: Clipping { options.clipping ?? .range }
  var evaluations: Int? { inpainting.evaluations }
  var notes: [String] { inpainting.notes }
  var facts: [String: Fact] {
    inpainting.facts.merging(clipping.facts) { $1 }
      .merging(options.guidance.facts) { $1 }
  }

  func draw(
    _ images: Range<Int>, given: Tensor?, _ makePass: () -> Pass,
    observe: (Observation) -> Void
  ) throws -> Drawn {
    guard let given else { preconditionFailure("Painting needs a given image.") }
    let pool = makePass().pool
    let x = model.images(images.count, pool)
    let noise = SampleNoise(seed: options.seed, images: images)
    noise.fillStart(x)
    model.denoising(images, options, clipping, makePass, observe: observe) { denoise in
      inpainting.run(x, known: given, noise, pool, denoise: denoise)
    }
    return Drawn(x)
  }
}
