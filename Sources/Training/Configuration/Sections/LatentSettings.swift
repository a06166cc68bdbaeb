// Settings: models with latents, autoencoders and variational ones.

import Layers
import Models
import Tensors

/// The chain of latents, what the decoder says of an image, and what the latents cost.
public struct LatentSettings: SettingsSection {
  /// What lies between an image and the first layer.
  public var network = LatentConfiguration.Network.mlp
  /// The scalars of z_1, z_2, ….
  public var latents = [16]
  /// What the latents of an image are.
  public var form = LatentConfiguration.Form.vector
  /// The channels of the linear layers on the way to each layer.
  public var hidden = [128]
  /// The number of linear layers on each way.
  public var hiddenLayers = 2
  /// What stands between linear layers.
  public var activation = Activation.silu
  /// In which order the layers are inferred.
  public var inference = LatentConfiguration.Inference.bottomUp
  /// The distribution of a scalar.
  public var decoder = ImageDistribution.Kind.discretizedLogistic
  /// Where its deviation comes from.
  public var decoderDeviation = ImageDistribution.Deviation.shared
  /// The deviation, or that before training.
  public var decoderSigma = 0.3
  /// What becomes of images whose brightness is a probability.
  public var binarization = LatentVariableModel.Binarization.none
  /// β.
  public var divergenceWeight = 1.0
  /// The steps over which β grows.
  public var warmupSteps = 0

  /// Those of the embedded digits.
  public init() {}

  /// The keys: the networks, the decoder, the divergence.
  public static let settings: [Setting<Self>] = [
    .choice(
      "latent_network", .model, \.network,
      "between images and latents: mlp (hidden), or convolutional (channels, multipliers, blocks)"),
    .integers("latents", .model, \.latents, "latents of z_1, z_2, ..., a number for each layer"),
    .choice(
      "latent_form", .model, \.form,
      "a vector of latents, or a map of vectors at the smallest resolution"),
    .integers(
      "hidden", .model, \.hidden, "channels of the linear layers: one number, or one for each layer"
    ),
    .integer(
      "hidden_layers", .model, \.hiddenLayers, from: 0, to: 16,
      "linear layers on each way; 0: all maps are linear"),
    .choice("activation", .model, \.activation, "what stands between linear layers"),
    .choice("inference", .model, \.inference, "the order in which layers of latents are inferred"),
    .choice("decoder", .model, \.decoder, "the distribution of a pixel, given the latents"),
    .choice(
      "decoder_deviation", .model, \.decoderDeviation,
      "its deviation: decoder_sigma, learned, or learned for each image"),
    .number(
      "decoder_sigma", .model, \.decoderSigma, 1e-4...100,
      "its deviation, or that before training; images are in [-1, 1]"),
    .choice(
      "binarization", .model, \.binarization,
      "for bernoulli: draw black and white, once for good or at each visit"),
    .number("kl_weight", .training, \.divergenceWeight, 0...1e6, "factor beta of the divergence"),
    .integer(
      "kl_warmup", .training, \.warmupSteps, from: 0, unit: "steps", "steps over which beta grows"),
  ]
}
