// Denoising diffusion models: training by the noise, the bound, and sampling, of one network.

import Diffusion
import Layers
import Sampling
import Tensors

/// A denoising diffusion probabilistic model (Ho, Jain, Abbeel 2020): the network, the process, and
/// what the network is trained towards.
public struct DenoisingDiffusion: Objective, Likelihood, Generator {
  /// The network that is told x_t and t.
  public let network: UNet
  /// The process, and what the network's output means in it.
  public let diffusion: GaussianDiffusion
  private let target: Target

  /// A model of some images.
  public init(network: UNet, diffusion: GaussianDiffusion, target: Target) {
    self.network = network
    self.diffusion = diffusion
    self.target = target
  }

  /// β_1 … β_T, and the words for prediction and variance.
  public var facts: ModelFacts? {
    ModelFacts(
      name: "diffusion",
      texts: [
        "prediction": diffusion.prediction.rawValue, "variance": diffusion.variance.rawValue,
      ], tables: ["betas": diffusion.schedule.betas])
  }

  /// The network's raw output for noisy images, (n, h, w, c).
  ///
  /// - Parameter times: The timestep of each image, 0 … T − 1.
  public func output(_ xt: Tensor, times: [Int], _ pass: Pass) -> Tensor {
    network(Variable(xt), times: times.map(Double.init), pass).value
  }

  /// The same on the tape.
  ///
  /// - Parameter t: The step of each image, 1 … T.
  private func output(_ xt: Tensor, t: [Int], _ pass: Pass) -> Variable {
    network(Variable(xt), times: t.map { Double(diffusion.schedule.timestep($0)) }, pass)
  }

  /// Writes x_t = √ᾱ_t x_0 + √(1−ᾱ_t) ε of one image (Ho, Jain, Abbeel 2020, equation 4).
  private func diffuse(
    _ x0: UnsafeMutableBufferPointer<Float>, t: Int, _ stream: RandomStream,
    into xt: UnsafeMutableBufferPointer<Float>, _ pool: BufferPool
  ) {
    let noise = Tensor(Shape(1, 1, 1, x0.count), in: pool)
    stream.fillNormal(noise.scalars)
    var result = xt.mutableSpan
    diffusion.forward(t: t, x0: x0.span, noise: noise.scalars.span, into: &result)
  }
}

// MARK: Training

extension DenoisingDiffusion {
  /// The bins of t for the loss by timestep: t of the k-th is in T k/8 + 1 … T (k+1)/8.
  private static let bins = 8

  /// Those of the network.
  public var parameters: ParameterRegistry { network.parameters }

  /// Those of the target.
  public var terms: [String] { target.terms }

  /// That of the target.
  public var unit: String? { target.unit }

  /// The loss, and the number of images, of each bin of t.
  public var sums: [SumVector] {
    [
      SumVector("loss_by_timestep", count: Self.bins),
      SumVector("images_by_timestep", count: Self.bins),
    ]
  }

  /// Noises the images, each to a step t of its own, and compares what the network says of them.
  public func loss(_ batch: Batch, _ draws: Draws, _ pass: Pass) -> Losses {
    let (x0, xt) = (batch.images, Tensor(batch.images.shape, in: pass.pool))
    let steps = pass.profile.measure(.batch) {
      (0..<batch.count).map { n in
        let t =
          1 + draws.stream(.timestep, image: n).integer(below: diffusion.schedule.steps)
        diffuse(
          x0.image(n), t: t, draws.stream(.noise, image: n), into: xt.image(n), pass.pool)
        return t
      }
    }
    let output = output(xt, t: steps, pass)
    return pass.loss(of: output) { gradients in
      var losses = Losses(
        terms: Array(repeating: 0, count: terms.count),
        sums: sums.map { Array(repeating: 0, count: $0.count) })
      for (n, t) in steps.enumerated() {
        let image = NoisedImage(
          t: t, x0: x0.image(n), xt: xt.image(n), output: output.value.image(n),
          gradient: gradients.first?.image(n))
        let (values, factor) = target.loss(image, diffusion)
        if let gradient = image.gradient {
          let scale = Float(factor / Double(batch.count))
          for i in gradient.indices { gradient[i] *= scale }
        }
        for (term, value) in values.enumerated() { losses.terms[term] += value }
        let bin = (t - 1) * Self.bins / diffusion.schedule.steps
        losses.sums[0][bin] += values.reduce(0, +)
        losses.sums[1][bin] += 1
      }
      for term in terms.indices { losses.terms[term] /= Double(batch.count) }
      return losses
    }
  }
}

// MARK: Evaluation

extension DenoisingDiffusion {
  /// L_0, L_1, …, L_T (Ho, Jain, Abbeel 2020, equation 5).
  public var boundTerms: [String] { (0...diffusion.schedule.steps).map { "L_\($0)" } }

  /// Each term for one x_t of its own; only L_T needs none.
  public func bound(_ batch: Batch, _ draws: Draws, _ makePass: () -> Pass) -> [[Double]] {
    let x0 = batch.images
    var terms = (0..<batch.count).map { _ in [Double]() }
    for t in 1...diffusion.schedule.steps {
      let pass = makePass()
      let xt = Tensor(x0.shape, in: pass.pool)
      for n in 0..<batch.count {
        diffuse(
          x0.image(n), t: t, draws.stream(.noise, image: n, index: t), into: xt.image(n),
          pass.pool)
      }
      let output = output(xt, t: Array(repeating: t, count: batch.count), pass).value
      for n in 0..<batch.count {
        terms[n].append(
          diffusion.boundTerm(
            t: t, x0: x0.image(n).span, xt: xt.image(n).span, output: output.image(n).span))
      }
    }
    for n in 0..<batch.count {
      terms[n].append(diffusion.terminalTerm(x0: x0.image(n).span))
    }
    return terms
  }
}

// MARK: Generation

extension DenoisingDiffusion {
  /// The reverse process by one of the samplers.
  public func generation(_ options: GenerationOptions) throws -> any Generation {
    let kind = try options.sampler.map(SamplerKind.init(named:)) ?? SamplerKind.all[0]
    return Chain(
      model: self,
      sampler: try kind.sampler(
        of: diffusion.schedule, variance: diffusion.variance, options.samplerOptions),
      options: options)
  }

  /// What the network sees in x_t.
  ///
  /// - Parameters:
  ///   - t: The step of all images, 1 … T.
  ///   - clipping: Whether x̂_0 is forced into [−1, 1].
  private func denoise(_ xt: Tensor, t: Int, clipping: Bool, _ pass: Pass) -> Denoised {
    let output = output(xt, t: Array(repeating: t, count: xt.shape.n), pass).value
    let x0 = Tensor(xt.shape, in: pass.pool)
    for n in 0..<xt.shape.n {
      var image = x0.image(n).mutableSpan
      diffusion.predictedX0(
        t: t, xt: xt.image(n).span, output: output.image(n).span, clipping: clipping,
        into: &image)
    }
    return Denoised(x0: x0)
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
