// Variational diffusion models from settings.

import Layers
import Models

extension ModelFamily {
  /// A UNet that is told the noise level, and a noise schedule that can be learned.
  static let vdm = ModelFamily(
    name: "vdm", help: "variational diffusion (Kingma et al. 2021)"
  ) { configuration in
    guard let images = configuration.data.shape, let levels = configuration.data.levels else {
      preconditionFailure("The facts of the images are filled in first.")
    }
    let settings = try configuration.vdm.resolved(levels: levels)
    return VariationalDiffusion(
      network: try configuration.makeUNet(
        of: images, fourierExponents: settings.fourierExponents),
      from: settings.first, to: settings.last, learning: configuration.vdm.learning,
      levels: levels == 0 ? nil : levels, steps: configuration.vdm.steps,
      conditionDrop: configuration.conditioning.drop)
  }
}
