// Drawing images from a denoising diffusion model.

import Diffusion
import Layers
import Sampling
import Tensors

extension DenoisingDiffusion: Generator {
  /// The reverse process by one of the samplers, for one of the tasks.
  public func generation(_ options: GenerationOptions) throws -> any Generation {
    try requireGuidance(options)
    switch options.task {
    case .images(let start):
      var name = SamplerKind.all[0].name
      if case .between = start { name = "ddim" }
      return SampledImages(
        model: self, sampler: try sampler(options, of: process, default: name), options: options)
    case .variation(let level):
      return try Variation(self, noiseLevel: level, options)
    case .reconstruction: return try Reconstruction(self, options)
    case .inpainting(let mask, let repeats):
      return try InpaintedImages(self, mask: mask, repeats: repeats, options)
    case .walk: throw GenerationError.noLatents
    }
  }

  /// What a sampler may know of this model.
  var process: SampledProcess {
    SampledProcess(
      schedule: diffusion.schedule, variance: diffusion.variance, levels: diffusion.levels,
      noiseNorms: noiseNorms, hasRealTimes: diffusion.prediction != .mean,
      predictsNoise: [.epsilon, .mean].contains(diffusion.prediction))
  }

  /// The sampler that a user has named.
  ///
  /// - Parameter name: The task's default.
  func sampler(
    _ options: GenerationOptions, of process: SampledProcess,
    default name: String = SamplerKind.all[0].name
  ) throws -> any Sampler {
    try SamplerKind(named: options.sampler ?? name).sampler(of: process, options.samplerOptions)
  }

  /// Images for a whole group, unfilled.
  func images(_ count: Int, _ pool: BufferPool) -> Tensor {
    let extents = network.images
    return Tensor(
      Shape(count, extents.height, extents.width, extents.channels), in: pool)
  }

  /// What the network sees in noisy images, guided and then clipped.
  ///
  /// - Parameters:
  ///   - images: Their numbers.
  ///   - makePass: Makes a pass over the weights for one evaluation.
  ///   - observe: Called after each evaluation.
  func denoiser(
    _ images: Range<Int>, _ options: GenerationOptions, _ clipping: Clipping,
    _ makePass: @escaping () -> Pass, observe: @escaping (Observation) -> Void
  ) -> Denoise {
    let times = ContinuousTime(diffusion.schedule)
    let conditions =
      options.conditions.isEmpty ? [] : images.map { options.condition(ofImage: $0) }
    return { xt, t in
      let seen = guidedEstimate(xt, t, times, conditions, options.guidance, makePass)
      for n in 0..<xt.shape.n {
        var image = seen.x0.image(n).mutableSpan
        clipping.apply(to: &image)
      }
      observe(Observation(xt: xt, t: t, x0: seen.x0))
      return seen
    }
  }
}

/// Images from noise, by one sampler.
private struct SampledImages: Generation {
  let model: DenoisingDiffusion
  let sampler: any Sampler
  let options: GenerationOptions

  private var clipping: Clipping { options.clipping ?? .range }

  private var start: SampleStart {
    if case .images(let start) = options.task { start } else { .drawn }
  }

  var evaluations: Int? { sampler.evaluations }
  var notes: [String] {
    guard case .between = start, sampler.facts["sampler"] == .text("ancestral") else {
      return sampler.notes
    }
    return sampler.notes + [
      "Each frame has noise of its own in the steps of ancestral: choose ddim for frames that "
        + "change little by little."
    ]
  }

  var facts: [String: Fact] {
    sampler.facts.merging(clipping.facts) { $1 }.merging(start.facts) { $1 }
      .merging(options.guidance.facts) { $1 }
  }

  func draw(
    _ images: Range<Int>, given: Tensor?, _ makePass: () -> Pass,
    observe: (Observation) -> Void
  ) throws -> Drawn {
    let pool = makePass().pool
    let x = model.images(images.count, pool)
    let noise = SampleNoise(seed: options.seed, images: images, start: start)
    noise.fillStart(x)
    try model.denoising(images, options, clipping, makePass, observe: observe) { denoise in
      try sampler.run(x, noise, pool, denoise: denoise)
    }
    return Drawn(x)
  }
}

extension DenoisingDiffusion {
  /// Gives what the network sees in noisy images to a body.
  func denoising<Result>(
    _ images: Range<Int>, _ options: GenerationOptions, _ clipping: Clipping,
    _ makePass: () -> Pass, observe: (Observation) -> Void, _ body: (Denoise) throws -> Result
  ) rethrows -> Result {
    try withoutActuallyEscaping(makePass) { makePass in
      try withoutActuallyEscaping(observe) { observe in
        try body(denoiser(images, options, clipping, makePass, observe: observe))
      }
    }
  }
}

extension Clipping {
  /// For the files that hold images.
  var facts: [String: Fact] {
    var facts = ["clipping": Fact.integer(self == .none ? 0 : 1)]
    if case .dynamic(let share) = self { facts["dynamic_threshold"] = .number(share) }
    return facts
  }
}

extension SampleStart {
  /// For the files that hold images.
  fileprivate var facts: [String: Fact] {
    switch self {
    case .drawn: ["init": .integer(0)]
    case .given: ["init": .integer(1)]
    case .between(let first, let second, let frames):
      [
        "init": .integer(0), "interpolate": .text("\(first),\(second)"),
        "frames": .integer(frames),
      ]
    }
  }
}
