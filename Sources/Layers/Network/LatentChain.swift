// The networks of a chain of latent layers: what is inferred of an image, and what is generated.

import Tensors

/// A chain x – z_1 – z_2 – … – z_L, whose neighbours are told of each other by networks.
///
/// Generation is a Markov chain: z_L ~ N(0, I), then p(z_l | z_{l+1}) down to p(x | z_1). Inference goes
/// up by itself, q(z_l | z_{l−1}), or comes down from the last layer with what the image says of each,
/// q(z_l | z_{l+1}, x) (Sønderby et al. 2016). With one layer both are a VAE (Kingma, Welling 2014), and
/// with a point for a code an autoencoder.
public struct LatentChain: Sendable {
  /// The extents.
  public let configuration: LatentConfiguration
  /// The extents of an image.
  public let images: ImageShape
  /// The extents of z_1, z_2, ….
  public let latents: [ImageShape]
  /// From x, and from below each layer, to the features from which it is inferred.
  private let encoder: ImageEncoder
  private let steps: [DenseLayers]
  /// From features to the layer; a point has the means only.
  private let posteriors: [NormalLayer]
  private let point: LinearLayer?
  /// p(z_l | z_{l+1}), for l = 1 … L − 1.
  private let priors: [(layers: DenseLayers, normal: NormalLayer)]
  private let decoder: ImageDecoder
  private let deviation: (layers: DenseLayers, output: LinearLayer)?

  /// A chain for images, whose `configuration` must have no defect.
  public init(
    _ configuration: LatentConfiguration, images: ImageShape,
    _ registry: inout ParameterRegistry
  ) {
    if let defect = configuration.defect(of: images) { preconditionFailure(defect) }
    (self.configuration, self.images) = (configuration, images)
    let latents = configuration.latentShapes(of: images)
    self.latents = latents
    let (widths, depth) = (configuration.latents, configuration.depth)
    func dense(_ name: String, inputs: Int, layer: Int) -> DenseLayers {
      DenseLayers(
        name, &registry, inputs: inputs, width: configuration.hiddenWidth(ofLayer: layer),
        count: depth, activation: configuration.activation)
    }
    encoder = ImageEncoder("encoder_1", &registry, configuration, images: images)
    var features = encoder.outputs
    var (steps, posteriors) = ([DenseLayers](), [NormalLayer]())
    point =
      configuration.isPoint
      ? LinearLayer("code", &registry, inputs: features, outputs: widths[0]) : nil
    for layer in 1...widths.count where !configuration.isPoint {
      if layer > 1 {
        let isUp = configuration.inference == .bottomUp
        steps.append(
          dense("encoder_\(layer)", inputs: isUp ? widths[layer - 2] : features, layer: layer))
        features = steps.last!.outputs
      }
      posteriors.append(
        NormalLayer(
          "posterior_\(layer)", &registry, inputs: features, width: widths[layer - 1]))
    }
    (self.steps, self.posteriors) = (steps, posteriors)
    // In the order of generation, which is that of the forward pass.
    priors = (1..<widths.count).reversed().map { layer in
      let layers = dense("generator_\(layer)", inputs: widths[layer], layer: layer + 1)
      let normal = NormalLayer(
        "prior_\(layer)", &registry, inputs: layers.outputs, width: widths[layer - 1])
      return (layers, normal)
    }.reversed()
    if configuration.emitsDeviation {
      let layers = dense("deviation", inputs: latents[0].count, layer: 1)
      deviation = (
        layers, LinearLayer("deviation/out", &registry, inputs: layers.outputs, outputs: 1)
      )
    } else {
      deviation = nil
    }
    decoder = ImageDecoder("decoder", &registry, configuration, images: images)
  }

  /// One layer of an image's way through the chain.
  public struct Layer {
    /// z_l, (n, h, w, k).
    public let z: Variable
    /// What it was drawn from; nil for a point.
    public let posterior: DiagonalNormal?
    /// p(z_l | z_{l+1}) of the z_{l+1} that was drawn; nil for N(0, I).
    public let prior: DiagonalNormal?
  }

  /// What z_l is made of: a draw of its distribution, or its mean.
  public enum Noise {
    /// The means.
    case none
    /// ε of layer l = 1, 2, …, which is filled.
    case given((_ layer: Int, _ noise: Tensor) -> Void)
  }

  /// Infers z_1 … z_L of images.
  ///
  /// - Parameter x: (n, h, w, c).
  /// - Returns: The layers, z_1 first.
  public func infer(_ x: Variable, _ noise: Noise, _ pass: Pass) -> [Layer] {
    if let point {
      return [Layer(z: point(encoder(x, pass), pass), posterior: nil, prior: nil)]
    }
    switch configuration.inference {
    case .bottomUp: return inferUp(x, noise, pass)
    case .topDown: return inferDown(x, noise, pass)
    }
  }

  private func inferUp(_ x: Variable, _ noise: Noise, _ pass: Pass) -> [Layer] {
    var drawn: [(z: Variable, posterior: DiagonalNormal)] = []
    for layer in 1...latents.count {
      let features =
        layer == 1 ? encoder(x, pass) : steps[layer - 2](drawn.last!.z, pass)
      let posterior = posteriors[layer - 1](features, pass)
      drawn.append((draw(posterior, noise, layer: layer, pass), posterior))
    }
    var layers: [Layer] = []
    for layer in (1...latents.count).reversed() {
      let (z, posterior) = drawn[layer - 1]
      layers.append(
        Layer(
          z: z, posterior: posterior,
          prior: layers.last.map { prior(ofLayer: layer, below: $0.z, pass) }))
    }
    return layers.reversed()
  }

  private func inferDown(_ x: Variable, _ noise: Noise, _ pass: Pass) -> [Layer] {
    var features = encoder(x, pass)
    var seen = [posteriors[0](features, pass)]
    for layer in 2...max(2, latents.count) where layer <= latents.count {
      features = steps[layer - 2](features, pass)
      seen.append(posteriors[layer - 1](features, pass))
    }
    var layers: [Layer] = []
    for layer in (1...latents.count).reversed() {
      let prior = layers.last.map { self.prior(ofLayer: layer, below: $0.z, pass) }
      let posterior = prior.map { pass.merge(seen[layer - 1], $0) } ?? seen[layer - 1]
      layers.append(
        Layer(z: draw(posterior, noise, layer: layer, pass), posterior: posterior, prior: prior))
    }
    return layers.reversed()
  }

  /// p(z_l | z_{l+1}).
  private func prior(ofLayer layer: Int, below z: Variable, _ pass: Pass) -> DiagonalNormal {
    let (layers, normal) = priors[layer - 1]
    return normal(layers(z, pass), pass)
  }

  private func draw(
    _ normal: DiagonalNormal, _ noise: Noise, layer: Int, _ pass: Pass
  ) -> Variable {
    guard case .given(let fill) = noise else { return normal.mean }
    let epsilon = Tensor(normal.mean.shape, in: pass.pool)
    fill(layer, epsilon)
    return pass.draw(normal, noise: epsilon)
  }

  /// Generates z_1 from z_L.
  ///
  /// - Parameters:
  ///   - top: z_L, (n, h, w, k).
  ///   - noise: That of the layers below.
  public func generate(from top: Variable, _ noise: Noise, _ pass: Pass) -> Variable {
    (1..<latents.count).reversed().reduce(top) { z, layer in
      draw(prior(ofLayer: layer, below: z, pass), noise, layer: layer, pass)
    }
  }

  /// What a decoder says of an image.
  public struct Decoded {
    /// (n, h, w, c): the mean of each scalar, or its logit.
    public let mean: Variable
    /// log σ of each image, (n, 1, 1, 1); nil where the decoder does not emit it.
    public let logDeviation: Variable?
  }

  /// p(x | z_1).
  public func decode(_ z: Variable, _ pass: Pass) -> Decoded {
    let spread = deviation.map { layers, output in
      let flat = pass.reshape(z, to: Shape(z.shape.n, 1, 1, z.shape.imageCount))
      return pass.bound(output(layers(flat, pass), pass), to: logDeviationRange)
    }
    return Decoded(mean: decoder(z, pass), logDeviation: spread)
  }
}
