// Drawing images from a denoising diffusion model.

import Diffusion
import Layers
import Sampling
import Tensors

extension DenoisingDiffusion: Generator {
  /// The reverse process by one of the samplers.
  public func generation(_ options: GenerationOptions) throws -> any Generation {
    let kind = try options.sampler.map(SamplerKind.init(named:)) ?? SamplerKind.all[0]
    let process = SampledProcess(
      schedule: diffusion.schedule, variance: diffusion.variance, levels: diffusion.levels,
      noiseNorms: noiseNorms)
    return Chain(
      model: self, sampler: try kind.sampler(of: process, options.samplerOptions),
      options: options)
  }

  /// What the network sees in x_t.
  ///
  /// - Parameters:
  ///   - t: The step of all images, 1 … T.
  ///   - clipping: Whether x̂_0 is forced into [−1, 1].
  private func denoise(_ xt: Tensor, t: Int, clipping: Bool, _ pass: Pass) -> Denoised {
    let output = output(xt, t: Array(repeating: t, count: xt.shape.n), pass)
    let x0 = Tensor(xt.shape, in: pass.pool)
    for n in 0..<xt.shape.n {
      var image = x0.image(n).mutableSpan
      diffusion.predictedX0(
        t: t, xt: xt.image(n).span, output: output.mean.value.image(n).span, clipping: clipping,
        into: &image)
    }
    return Denoised(x0: x0, variance: output.variance?.value)
  }

  /// Images by one sampler.
  private struct Chain: Generation {
    let model: DenoisingDiffusion
    let sampler: any Sampler
    let options: GenerationOptions

    var evaluations: Int? { sampler.evaluations }
    var notes: [String] { sampler.notes }
    var facts: [String: Fact] {
      var facts = sampler.facts
      facts["clipping"] = .integer(options.clipping ? 1 : 0)
      facts["init"] = .integer(options.starts == nil ? 0 : 1)
      return facts
    }

    func draw(_ images: Range<Int>, _ makePass: () -> Pass, progress: () -> Void) -> Tensor {
      let (pool, extents) = (makePass().pool, model.network.images)
      let x = Tensor(
        Shape(images.count, extents.height, extents.width, extents.channels), in: pool)
      let noise = SampleNoise(seed: options.seed, images: images, starts: options.starts)
      noise.fillStart(x)
      sampler.run(x, noise, pool) { xt, t in
        guard let step = Int(exactly: t) else {
          preconditionFailure("A table of β knows whole steps only.")
        }
        let denoised = model.denoise(xt, t: step, clipping: options.clipping, makePass())
        progress()
        return denoised
      }
      return x
    }
  }
}
