// Diffusion of latents against the denoiser and the autoencoder that it is made of.

import Diffusion
import Foundation
import Layers
import Models
import Sampling
import Tensors
import TestSupport
import Testing

@Suite struct LatentDiffusionTests {
  private let pool = BufferPool()
  private let images = ImageShape(height: 4, width: 4, channels: 1)

  private func autoencoder(isPoint: Bool = false) -> LatentVariableModel {
    var chain = LatentConfiguration()
    (chain.latents, chain.hidden, chain.depth) = ([2], [5], 1)
    (chain.network, chain.form, chain.isPoint) = (.convolutional, .map, isPoint)
    (chain.convolution.channels, chain.convolution.multipliers) = (4, [1, 2])
    (chain.convolution.blocks, chain.convolution.groups) = (1, 2)
    chain.convolution.dropout = 0
    return LatentVariableModel(
      chain, images: images,
      ImageDistribution(.discretizedLogistic, deviation: .fixed, sigma: 0.3, levels: 17))
  }

  /// A coder over weights that live as long as the tests.
  private func coder(
    _ model: LatentVariableModel, _ code: LatentCoder.Code,
    moments: [(mean: Double, deviation: Double)] = [(0.5, 2), (-1, 0.25)]
  ) -> LatentCoder {
    let weights = AlignedFloats(normals(model.parameters.layout.count, seed: 3, scale: 0.3))
    return LatentCoder(model, code, moments: moments) {
      Pass(pool: $0, weights: UnsafePointer(weights.elements.baseAddress!))
    }
  }

  /// The loss and its gradient are those of the denoiser on the encoded images.
  @Test(arguments: [LatentCoder.Code.mean, .sample])
  func theLossIsThatOfTheLatents(_ code: LatentCoder.Code) throws {
    let denoiser = tinyModel(
      levels: nil, images: ImageShape(height: 2, width: 2, channels: 2))
    let coder = coder(autoencoder(), code)
    let model = LatentDiffusion(denoiser) { coder }
    try model.prepare()
    let batch = greyImages(4, in: pool)
    let draws = Draws(seed: 1, step: 2, shard: 0, of: 1)
    let latents = Batch(images: coder.encode(batch, draws, pool))
    let weights = denoiser.randomWeights()
    func run(_ objective: any Objective, _ batch: Batch) -> (Losses, [Float]) {
      var gradient = [Float](repeating: .nan, count: weights.count)
      let losses = gradient.withUnsafeMutableBufferPointer { gradient in
        weights.withUnsafeBufferPointer { weights in
          let pass = Pass(
            pool: pool, weights: weights.baseAddress!, gradient: gradient.baseAddress!)
          let losses = objective.loss(batch, draws, pass)
          pass.backward()
          return losses
        }
      }
      return (losses, gradient)
    }
    let (own, other) = (run(model, batch), run(denoiser, latents))
    #expect(own.0 == other.0 && own.1 == other.1)
    // A draw is another at each visit, a mean is not.
    let later = coder.encode(batch, Draws(seed: 1, step: 3, shard: 0, of: 1), pool)
    #expect((Array(later.scalars) == Array(latents.images.scalars)) == (code == .mean))
  }

  /// Latents are shifted and scaled channel by channel, and decoded from where they were.
  @Test func momentsAreTakenAwayAndGivenBack() {
    let model = autoencoder(isPoint: true)
    let (plain, scaled) = (
      coder(model, .mean, moments: [(0, 1), (0, 1)]), coder(model, .mean)
    )
    let batch = greyImages(8, in: pool)
    let draws = Draws(seed: 1, firstImage: 0)
    let (z, s) = (plain.encode(batch, draws, pool), scaled.encode(batch, draws, pool))
    for i in 0..<z.shape.count {
      let expected = i % 2 == 0 ? (z.pointer[i] - 0.5) / 2 : (z.pointer[i] + 1) * 4
      #expect(abs(s.pointer[i] - expected) < 1e-5)
    }
    let (a, b) = (
      plain.decode(z, numbers: 0..<8, pool), scaled.decode(s, numbers: 0..<8, pool)
    )
    for (a, b) in zip(a.scalars, b.scalars) { #expect(abs(a - b) < 1e-5) }
  }

  /// Images are the decoded latents of the denoiser, unclipped; those on the way can be looked at.
  @Test func imagesAreDecodedLatents() throws {
    let denoiser = tinyModel(
      levels: nil, images: ImageShape(height: 2, width: 2, channels: 2))
    let coder = coder(autoencoder(), .mean)
    let model = LatentDiffusion(denoiser) { coder }
    let weights = denoiser.randomWeights(scale: 1)
    func draw(_ generation: any Generation) throws -> Drawn {
      try weights.withUnsafeBufferPointer { weights in
        try generation.draw(0..<8, given: nil) {
          Pass(pool: pool, weights: weights.baseAddress!)
        } observe: { _ in
        }
      }
    }
    var options = GenerationOptions()
    options.sampler = "ddim"
    let images = try draw(model.generation(options)).images
    options.clipping = Clipping.none
    let latents = try draw(denoiser.generation(options)).images
    #expect(latents.scalars.contains { abs($0) > 1 })
    let expected = coder.decode(latents, numbers: 0..<8, pool)
    #expect(Array(images.scalars) == Array(expected.scalars))
    let way = Trajectory(try model.generation(options), shape: [4, 4, 1], frames: 3)
    let extras = try draw(way).extras
    #expect(extras[2].count == 8 * 3 * 16)
    // The last x̂_0 of image 0 is the image.
    #expect(Array(extras[2][32..<48]) == Array(images.image(0)))
  }

  /// What goes through pixels, and a coder that is not there.
  @Test func refusals() {
    struct Gone: Error {}
    let denoiser = tinyModel(levels: nil, images: ImageShape(height: 2, width: 2, channels: 2))
    let model = LatentDiffusion(denoiser) { throw Gone() }
    #expect(throws: Gone.self) { try model.prepare() }
    #expect(throws: Gone.self) { try model.generation(GenerationOptions()) }
    for (task, error) in [
      (.reconstruction, LatentError.imagesOnly("encode")),
      (.inpainting(mask: [], repeats: 1), .imagesOnly("inpaint")),
      (.images(from: .given([])), .imagesOnly("init")),
    ] as [(GenerationTask, LatentError)] {
      var options = GenerationOptions()
      options.task = task
      #expect(throws: error) { try model.generation(options) }
    }
  }
}
