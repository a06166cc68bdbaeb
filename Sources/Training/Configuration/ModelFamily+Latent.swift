// Models with latents from settings: autoencoders, and variational ones of one and of many layers.

import Layers
import Models
import Storage
import Tensors

extension ModelFamily {
  /// Codes that are points.
  static let autoencoder = ModelFamily(
    name: "autoencoder", help: "codes of images, without a distribution of them"
  ) { try latentVariableModel(of: $0, layers: 1...1, isPoint: true) }

  /// Codes of one layer (Kingma, Welling 2014).
  static let vae = ModelFamily(
    name: "vae", help: "variational autoencoder (Kingma, Welling 2014)"
  ) { try latentVariableModel(of: $0, layers: 1...1) }

  /// Codes of several layers.
  static let hierarchicalVAE = ModelFamily(
    name: "hierarchical_vae", help: "many layers of latents (Sønderby et al. 2016)"
  ) { try latentVariableModel(of: $0, layers: 2...LatentConfiguration.mostLayers) }

  private static func latentVariableModel(
    of configuration: Configuration, layers: ClosedRange<Int>, isPoint: Bool = false
  ) throws -> any Objective {
    guard let images = configuration.data.shape, let format = configuration.data.format else {
      preconditionFailure("The facts of the images are filled in first.")
    }
    let settings = configuration.latent
    guard configuration.conditioning.condition == .none else {
      throw ConfigurationError(
        source: "condition", reason: "is for models of diffusion: set condition=none.")
    }
    guard configuration.latentDiffusion.path == nil else {
      throw ConfigurationError(source: "latent", reason: "is for model=ddpm: leave it out.")
    }
    guard layers ~= settings.latents.count else {
      throw ConfigurationError(
        source: "latents",
        reason: layers.upperBound == 1
          ? "needs one number for model=\(configuration.run.model), not \(settings.latents.count); "
            + "several layers are model=hierarchical_vae."
          : "needs 2 to \(layers.upperBound) numbers for model=hierarchical_vae, not "
            + "\(settings.latents.count); one layer is model=vae.")
    }
    try settings.requireImages(of: format)
    var chain = LatentConfiguration()
    (chain.network, chain.form) = (settings.network, settings.form)
    (chain.latents, chain.hidden) = (settings.latents, settings.hidden)
    (chain.depth, chain.activation) = (settings.hiddenLayers, settings.activation)
    (chain.inference, chain.isPoint) = (settings.inference, isPoint)
    chain.convolution = configuration.network
    if let defect = chain.defect(of: images) {
      throw ConfigurationError(source: "latents", reason: defect)
    }
    let model = LatentVariableModel(
      chain, images: images,
      ImageDistribution(
        settings.decoder, deviation: settings.decoderDeviation, sigma: settings.decoderSigma,
        levels: format.levels), binarization: settings.binarization,
      divergenceWeight: settings.divergenceWeight, warmupSteps: settings.warmupSteps)
    guard model.parameters.layout.count <= Int(Int32.max) else {
      throw ConfigurationError(
        source: "latents",
        reason:
          "and the layers beside them have \(model.parameters.layout.count) parameters; \(Int32.max) "
          + "are possible.")
    }
    return model
  }
}

extension LatentSettings {
  /// Requires images that the decoder can be of.
  fileprivate func requireImages(of format: PixelFormat) throws(ConfigurationError) {
    guard decoder == .bernoulli else {
      if binarization != .none {
        throw ConfigurationError(
          source: "binarization", reason: "is of no use without decoder=bernoulli.")
      }
      if decoder != .normal, format.levels == nil {
        throw ConfigurationError(
          source: "decoder",
          reason:
            "\(decoder.rawValue) is of images with grey levels, but these are continuous: set "
            + "decoder=normal.")
      }
      return
    }
    switch format {
    case .levels(2): break
    case .levels(let levels):
      if binarization == .none {
        throw ConfigurationError(
          source: "decoder",
          reason:
            "bernoulli is of black and white images, but these have \(levels) grey levels: set "
            + "binarization=dynamic or binarization=static, or another decoder.")
      }
    case .range(let range):
      guard range == 0...1 else {
        throw ConfigurationError(
          source: "decoder",
          reason: "bernoulli is of images in [0, 1], but these are in [\(range.lowerBound), "
            + "\(range.upperBound)]: set decoder=normal.")
      }
      if binarization == .none {
        throw ConfigurationError(
          source: "decoder",
          reason: "bernoulli is of black and white images, but these are continuous: set "
            + "binarization=dynamic or binarization=static.")
      }
    }
  }
}

extension PixelFormat {
  /// The grey levels; nil of continuous images.
  fileprivate var levels: Int? { if case .levels(let levels) = self { levels } else { nil } }
}
