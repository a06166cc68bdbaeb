// Images encoded as noise, and decoded again: how much of an image its x_T holds.

import Diffusion
import Layers
import Sampling
import Tensors

/// DDIM from x_0 to x_T and back (Song, Meng, Ermon 2021, section 5.4), without noise.
///
/// Nothing is clipped unless the user says so: a clipped x̂_0 cannot be gone back to. What keeps the
/// errors of a network that predicts the noise small is that there is an image in x_t: where hardly
/// anything is left of it at T, images are encoded as an earlier x_t (`SampledProcess.lastSeenStep`).
struct Reconstruction: Generation {
  private let model: DenoisingDiffusion
  private let encoding: DDIMEncoding
  private let decoding: any Sampler
  private let options: GenerationOptions
  /// That images are not encoded up to T, where it is so.
  private let limit: [String]

  /// - Throws: `GenerationError` for another sampler, and what DDIM throws.
  init(_ model: DenoisingDiffusion, _ options: GenerationOptions) throws {
    if let chosen = options.sampler, chosen != "ddim" {
      throw GenerationError.samplerOfTask(task: "encode", needs: "ddim", chosen: chosen)
    }
    var sampler = options.samplerOptions
    guard sampler.eta ?? 0 == 0 else {
      throw SamplerError.invalid(
        option: "eta", needs: "0 with --encode", value: "\(sampler.eta ?? 0)")
    }
    sampler.eta = 0
    let schedule = model.diffusion.schedule
    let last = model.process.lastSeenStep
    if sampler.grid == nil, last < schedule.steps {
      // More steps than there are is a fault that is told of the whole chain.
      _ = try TimestepGrid.trailing.steps(sampler.steps, of: schedule)
      sampler.grid = .list(
        try TimestepGrid.trailing.steps(
          sampler.steps.map { min($0, last) }, of: model.process.prefix(last).schedule
        ).reversed())
      sampler.steps = nil
      limit = [
        "Images are encoded up to step \(last) of \(schedule.steps): beyond, hardly anything is left of "
          + "them, and a network that predicts the noise would amplify its errors."
      ]
    } else {
      limit = []
    }
    var decoder = options
    decoder.samplerOptions = sampler
    decoding = try model.sampler(decoder, of: model.process, default: "ddim")
    encoding = try DDIMEncoding(
      schedule: schedule, grid: sampler.grid ?? .trailing, steps: sampler.steps)
    (self.model, self.options) = (model, options)
  }

  private var clipping: Clipping { options.clipping ?? .none }
  var evaluations: Int? { decoding.evaluations.map { $0 + encoding.evaluations } }
  var notes: [String] { decoding.notes + limit }
  var facts: [String: Fact] {
    decoding.facts.merging(clipping.facts) { $1 }
      .merging(options.guidance.facts) { $1 }
  }

  /// x_T, which `--init` reads, and the mean square of what is lost, in [−1, 1].
  var extras: [ExtraArray] {
    let images = model.network.images
    return [
      ExtraArray("x_T", [images.height, images.width, images.channels]),
      ExtraArray("squared_error", []),
    ]
  }

  func draw(
    _ images: Range<Int>, given: Tensor?, _ makePass: () -> Pass,
    observe: (Observation) -> Void
  ) throws -> Drawn {
    guard let given else { preconditionFailure("A reconstruction is one of a given image.") }
    let pool = makePass().pool
    let x = model.images(images.count, pool)
    _ = x.scalars.update(from: given.scalars)
    let noise = SampleNoise(seed: options.seed, images: images)
    let latents = try model.denoising(images, options, clipping, makePass, observe: observe) {
      denoise in
      encoding.run(x, denoise: denoise)
      let latents = Array(x.scalars)
      try decoding.run(x, noise, pool, denoise: denoise)
      return latents
    }
    let errors = (0..<images.count).map { n in
      let squares = zip(x.image(n), given.image(n)).reduce(0.0) { sum, pair in
        let error = Double(pair.0) - Double(pair.1)
        return sum + error * error
      }
      return Float(squares / Double(x.shape.imageCount))
    }
    return Drawn(x, extras: [latents, errors])
  }
}
