// Denoising diffusion models from settings.

import Models
import Tensors

extension ModelFamily {
  /// A UNet that denoises (Ho, Jain, Abbeel 2020).
  static let ddpm = ModelFamily(
    name: "ddpm", help: "denoising diffusion (Ho et al. 2020)"
  ) { configuration in
    guard let images = configuration.data.shape, let levels = configuration.data.levels else {
      preconditionFailure("The facts of the images are filled in first.")
    }
    let latent = configuration.latentDiffusion
    guard latent.path != nil else {
      return try denoiser(of: images, levels: levels, configuration)
    }
    guard let latents = latent.shape, latent.shift.count == latents.channels,
      latent.scale.count == latents.channels
    else {
      throw ConfigurationError(
        source: "latent_extents", reason: "latent_shift and latent_scale do not fit each other.")
    }
    return LatentDiffusion(try denoiser(of: latents, levels: 0, configuration)) {
      try latent.coder()
    }
  }

  /// A UNet that denoises images, or what stands for them.
  ///
  /// - Parameter levels: Their grey levels; 0 where they are continuous.
  private static func denoiser(
    of images: ImageShape, levels: Int, _ configuration: Configuration
  ) throws -> DenoisingDiffusion {
    let settings = configuration.diffusion
    let process = try settings.process(levels: levels)
    return DenoisingDiffusion(
      network: try configuration.makeUNet(
        of: images, outputs: process.variance == .learned ? 2 : 1),
      diffusion: process, target: settings.objective, weighting: settings.lossWeighting,
      timesteps: settings.timesteps, conditionDrop: configuration.conditioning.drop)
  }
}
