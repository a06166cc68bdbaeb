// The two ends of a chain of latent layers: from an image to features, and from z_1 to an image.

import Tensors

/// From images to the features from which z_1 is inferred.
struct ImageEncoder: Sendable {
  private enum Way: Sendable {
    case dense(DenseLayers)
    case convolutional(ConvolutionalEncoder, isMap: Bool)
  }

  private let way: Way
  /// The channels of the features, at each pixel of a map.
  let outputs: Int

  init(
    _ name: String, _ registry: inout ParameterRegistry, _ configuration: LatentConfiguration,
    images: ImageShape
  ) {
    switch configuration.network {
    case .mlp:
      let layers = DenseLayers(
        name, &registry, inputs: images.count, width: configuration.hiddenWidth(ofLayer: 1),
        count: configuration.depth, activation: configuration.activation)
      (way, outputs) = (.dense(layers), layers.outputs)
    case .convolutional:
      let network = ConvolutionalEncoder(
        name, &registry, configuration.convolution, images: images)
      let isMap = configuration.form == .map
      way = .convolutional(network, isMap: isMap)
      outputs = isMap ? network.features.channels : network.features.count
    }
  }

  /// (n, h, w, c) → (n, 1, 1, `outputs`), or (n, h′, w′, `outputs`).
  func callAsFunction(_ x: Variable, _ pass: Pass) -> Variable {
    switch way {
    case .dense(let layers):
      return layers(pass.reshape(x, to: Shape(x.shape.n, 1, 1, x.shape.imageCount)), pass)
    case .convolutional(let network, let isMap):
      let features = network(x, pass)
      guard !isMap else { return features }
      return pass.reshape(features, to: Shape(x.shape.n, 1, 1, outputs))
    }
  }
}

/// From z_1 to images.
struct ImageDecoder: Sendable {
  private enum Way: Sendable {
    case dense(DenseLayers, output: LinearLayer)
    case convolutional(LinearLayer, ConvolutionalDecoder, features: ImageShape)
  }

  private let way: Way
  private let images: ImageShape

  init(
    _ name: String, _ registry: inout ParameterRegistry, _ configuration: LatentConfiguration,
    images: ImageShape
  ) {
    self.images = images
    let latents = configuration.latents[0]
    switch configuration.network {
    case .mlp:
      let layers = DenseLayers(
        name, &registry, inputs: latents, width: configuration.hiddenWidth(ofLayer: 1),
        count: configuration.depth, activation: configuration.activation)
      let output = LinearLayer(
        "\(name)/out", &registry, inputs: layers.outputs, outputs: images.count)
      way = .dense(layers, output: output)
    case .convolutional:
      let network = configuration.convolution
      let halvings = network.multipliers.count - 1
      let features = ImageShape(
        height: images.height >> halvings, width: images.width >> halvings,
        channels: network.channels * network.multipliers.last!)
      let input = LinearLayer(
        "\(name)/in", &registry, inputs: latents,
        outputs: configuration.form == .map ? features.channels : features.count)
      way = .convolutional(
        input, ConvolutionalDecoder(name, &registry, network, images: images), features: features)
    }
  }

  /// (n, 1, 1, k), or (n, h′, w′, k), → (n, h, w, c).
  func callAsFunction(_ z: Variable, _ pass: Pass) -> Variable {
    let n = z.shape.n
    switch way {
    case .dense(let layers, let output):
      return pass.reshape(
        output(layers(z, pass), pass),
        to: Shape(n, images.height, images.width, images.channels))
    case .convolutional(let input, let network, let features):
      let shape = Shape(n, features.height, features.width, features.channels)
      return network(pass.reshape(input(z, pass), to: shape), pass)
    }
  }
}
