// An autoencoder that learns no more, between images and the latents that another model is of.

import Layers
import Tensors

/// The way from images to latents and back, by a trained autoencoder or VAE of one layer.
///
/// Latents are shifted and scaled so that each channel has mean 0 and variance 1 over the data, as the noise
/// of a diffusion has (Rombach et al. 2022, appendix G).
public struct LatentCoder: Sendable {
  /// What an image is encoded as.
  public enum Code: String, CaseIterable, Sendable {
    /// The mean of its posterior.
    case mean
    /// A draw of it, at each visit another.
    case sample
  }

  private let model: LatentVariableModel
  private let makePass: @Sendable (BufferPool) -> Pass
  private let code: Code
  /// What is taken from a latent of each channel, and what the rest is divided by.
  private let moments: [(mean: Double, deviation: Double)]

  /// A coder of some latents.
  ///
  /// - Parameters:
  ///   - moments: The mean and the standard deviation of each channel.
  ///   - makePass: Makes a pass over the autoencoder's weights.
  public init(
    _ model: LatentVariableModel, _ code: Code, moments: [(mean: Double, deviation: Double)],
    makePass: @escaping @Sendable (BufferPool) -> Pass
  ) {
    precondition(
      model.layers == 1 && moments.count == model.chain.latents[0].channels,
      "A coder has one layer, and moments of each of its channels.")
    (self.model, self.code, self.moments, self.makePass) = (model, code, moments, makePass)
  }

  /// The extents of an image's latents.
  public var latents: ImageShape { model.chain.latents[0] }

  /// The latents of images, shifted and scaled, (n, h, w, k).
  public func encode(_ batch: Batch, _ draws: Draws, _ pool: BufferPool) -> Tensor {
    var noise = LatentChain.Noise.none
    if code == .sample, !model.isAutoencoder {
      noise = .given { layer, epsilon in
        for n in 0..<batch.count {
          draws.stream(.latent, image: n, index: layer).fillNormal(epsilon.image(n))
        }
      }
    }
    let seen = model.observed(batch, draws, pool)
    let z = model.chain.infer(Variable(seen), noise, makePass(pool))[0].z.value
    let scaled = Tensor(z.shape, in: pool)
    for i in 0..<z.shape.count {
      let (mean, deviation) = moments[i % moments.count]
      scaled.pointer[i] = Float((Double(z.pointer[i]) - mean) / deviation)
    }
    return scaled
  }

  /// The images of latents, the decoder's means, (n, h, w, c) in [−1, 1].
  ///
  /// - Parameter numbers: The numbers of the images.
  public func decode(_ latents: Tensor, numbers: Range<Int>, _ pool: BufferPool) -> Tensor {
    let z = Tensor(latents.shape, in: pool)
    for i in 0..<z.shape.count {
      let (mean, deviation) = moments[i % moments.count]
      z.pointer[i] = Float(Double(latents.pointer[i]) * deviation + mean)
    }
    return model.images(of: Variable(z), numbers: numbers, seed: 0, .mean, makePass(pool))
  }
}
