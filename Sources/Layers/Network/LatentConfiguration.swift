// A few numbers describe a chain of latent layers; not all combinations can be built.

import Tensors

/// The extents of a chain of latent layers between images and a last code.
public struct LatentConfiguration: Equatable, Sendable {
  /// What lies between an image and the first layer.
  public enum Network: String, CaseIterable, Sendable {
    /// Linear layers.
    case mlp
    /// Residual blocks of convolutions.
    case convolutional
  }

  /// What the latents of an image are.
  public enum Form: String, CaseIterable, Sendable {
    /// One vector for the image.
    case vector
    /// A vector for each pixel of the smallest map.
    case map
  }

  /// In which order the layers are inferred from an image.
  public enum Inference: String, CaseIterable, Sendable {
    /// q(z_1|x), q(z_2|z_1), …: each layer from a draw of the one below it.
    case bottomUp = "bottom_up"
    /// q(z_L|x), q(z_{L−1}|z_L, x), …: each layer from the image and draws of those above it.
    case topDown = "top_down"
  }

  /// What lies between an image and z_1.
  public var network = Network.mlp
  /// What the latents of an image are.
  public var form = Form.vector
  /// The scalars of z_1, z_2, …, of each pixel where they are maps.
  public var latents = [16]
  /// The channels of the linear layers on the way to z_1, to z_2, …, and back.
  public var hidden = [128]
  /// The number of linear layers on each of these ways; 0: all maps are linear.
  public var depth = 2
  /// What stands between linear layers.
  public var activation = Activation.silu
  /// In which order the layers are inferred.
  public var inference = Inference.bottomUp
  /// Whether a code is a point and no distribution.
  public var isPoint = false
  /// Whether the decoder emits a deviation for each image.
  public var emitsDeviation = false
  /// The extents of a convolutional network; its attention is of no use here.
  public var convolution = UNetConfiguration()

  /// One layer of 16 scalars.
  public init() {}

  /// The most layers.
  public static let mostLayers = 16

  /// The extents of z_1, z_2, ….
  public func latentShapes(of images: ImageShape) -> [ImageShape] {
    let halvings = form == .map ? convolution.multipliers.count - 1 : 0
    return latents.map { width in
      form == .vector
        ? ImageShape(height: 1, width: 1, channels: width)
        : ImageShape(
          height: images.height >> halvings, width: images.width >> halvings, channels: width)
    }
  }

  /// Why no chain for images can have these extents, as a sentence; nil where one can.
  public func defect(of images: ImageShape) -> String? {
    guard !latents.isEmpty, latents.allSatisfy({ $0 > 0 }) else {
      return "There must be at least one layer of latents, each of at least one."
    }
    guard latents.count <= Self.mostLayers else {
      return "There can be at most \(Self.mostLayers) layers of latents, not \(latents.count)."
    }
    guard hidden.count == 1 || hidden.count == latents.count else {
      return
        "hidden needs one width, or one for each of the \(latents.count) layers of latents, not "
        + "\(hidden.count)."
    }
    guard hidden.allSatisfy({ $0 > 0 }), depth >= 0 else {
      return "Linear layers have at least one channel."
    }
    if network == .convolutional {
      var network = convolution
      network.attention = []
      if let defect = network.defect(of: images) { return defect }
    }
    if form == .map {
      guard network == .convolutional else {
        return "Latents that are maps need latent_network=convolutional."
      }
      guard latents.count == 1 else {
        return "Latents that are maps have one layer, not \(latents.count)."
      }
    }
    for (index, shape) in latentShapes(of: images).enumerated() where shape.count > images.count {
      return
        "z_\(index + 1) has \(shape.count) scalars, more than the \(images.count) of an image: set "
        + "fewer latents."
    }
    return nil
  }

  /// The channels of the linear layers on the way to z_l, l = 1, 2, ….
  func hiddenWidth(ofLayer layer: Int) -> Int { hidden.count == 1 ? hidden[0] : hidden[layer - 1] }
}
