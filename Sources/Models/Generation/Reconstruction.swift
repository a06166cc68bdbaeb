// Images encoded as noise, and decoded again: how much of an image its x_T holds.

import Diffusion
import Layers
import Sampling
import Tensors

/// DDIM from x_0 to x_T and back (Song, Meng, Ermon 2021, section 5.4), without noise.
///
/// Nothing is clipped unless the user says so: a clipped x̂_0 cannot be gone back to. What keeps the
/// errors of a network that predicts the noise small is that there is an image in x_t: where λ_T is below
/// −5.1 (Lu et al. 2022b, appendix D, for cosine schedules), images are encoded as an earlier x_t.
struct Reconstruction: Generation {
  private let model: DenoisingDiffusion
  private let encoding: DDIMEncoding
  private let decoding: any Sampler
  private let options: GenerationOptions
  /// That images are not encoded up to T, where it is so.
  private let limit: [String]

  /// λ below which hardly anything is left of an image.
  private static let lowestLogSNR = -5.1

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
    let last = Self.lastStep(of: model)
    if sampler.grid == nil, last < schedule.steps {
      sampler.grid = .list(
        try TimestepGrid.trailing.steps(
          sampler.steps, of: model.process.prefix(last).schedule
        ).reversed())
      sampler.steps = nil
      limit = [
        "Images are encoded up to step \(last) of \(schedule.steps): beyond, hardly anything is left of "
          + "them, and a network that predicts the noise would amplify its errors. /x_T is decoded with "
          + "--grid and the list of the attribute grid."
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

  /// The last step that images are encoded at: T for a network that sees x_0 or v.
  private static func lastStep(of model: DenoisingDiffusion) -> Int {
    let schedule = model.diffusion.schedule
    guard [.epsilon, .mean].contains(model.diffusion.prediction) else { return schedule.steps }
    return (1...schedule.steps).last { schedule.logSNR($0) >= lowestLogSNR } ?? 1
  }

  private var clipping: Clipping { options.clipping ?? .none }
  var evaluations: Int? { decoding.evaluations.map { $0 + encoding.evaluations } }
  var notes: [String] { decoding.notes + limit }
  var facts: [String: Fact] { decoding.facts.merging(clipping.facts) { $1 } }

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
    let latents = try model.denoising(clipping, makePass, observe: observe) { denoise in
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
