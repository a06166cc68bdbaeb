// Models that explain images by latents: autoencoders, and variational ones of one or many layers.

import Layers
import Tensors

/// An autoencoder, or a variational autoencoder of one or many layers (Kingma, Welling 2014; Sønderby et
/// al. 2016): a chain of latents, and what its decoder says of an image.
///
/// Training, evaluation and generation are an extension in a file each.
public struct LatentVariableModel: Objective {
  /// What becomes of images whose scalars are probabilities of white.
  public enum Binarization: String, CaseIterable, Sendable {
    /// They are taken as they are.
    case none
    /// Each is drawn once for good.
    case fixed = "static"
    /// Each is drawn anew at each visit.
    case dynamic
  }

  /// The networks.
  public let chain: LatentChain
  /// What the decoder's output says of an image.
  public let distribution: ImageDistribution
  /// What becomes of images before they are encoded.
  public let binarization: Binarization
  /// The factor β of the divergence in training (Higgins et al. 2017).
  let divergenceWeight: Double
  /// The number of steps over which β grows from 0 (Sønderby et al. 2016).
  let warmupSteps: Int
  /// log σ of all images, where it is learned.
  let logDeviation: Parameter?
  /// Those of the networks, and the deviation where it is learned.
  public let parameters: ParameterRegistry

  /// A model of images.
  ///
  /// - Parameters:
  ///   - configuration: The extents of the chain, without a defect; those of an autoencoder are a point.
  ///   - divergenceWeight: β; 1 is the bound.
  ///   - warmupSteps: The steps over which it grows.
  public init(
    _ configuration: LatentConfiguration, images: ImageShape, _ distribution: ImageDistribution,
    binarization: Binarization = .none, divergenceWeight: Double = 1, warmupSteps: Int = 0
  ) {
    var configuration = configuration
    configuration.emitsDeviation = distribution.hasDeviation && distribution.deviation == .image
    var registry = ParameterRegistry()
    chain = LatentChain(configuration, images: images, &registry)
    logDeviation =
      distribution.hasDeviation && distribution.deviation == .shared
      ? registry.addLogDeviation("log_deviation", distribution.sigma) : nil
    parameters = registry
    (self.distribution, self.binarization) = (distribution, binarization)
    (self.divergenceWeight, self.warmupSteps) = (divergenceWeight, warmupSteps)
  }

  /// Whether codes are points, so that there is no distribution of images.
  public var isAutoencoder: Bool { chain.configuration.isPoint }

  /// The number of layers of latents.
  public var layers: Int { chain.latents.count }

  /// The words that say how the weights are read.
  public var facts: ModelFacts? {
    ModelFacts(
      name: "latent",
      texts: [
        "decoder": distribution.kind.rawValue, "deviation": distribution.deviation.rawValue,
        "inference": isAutoencoder ? "point" : chain.configuration.inference.rawValue,
        "latents": chain.latents.map { "\($0.count)" }.joined(separator: ","),
      ], tables: [:])
  }

  /// The images as the model sees them: as they are, or 0 and 1.
  ///
  /// - Parameters:
  ///   - images: (n, h, w, c) in [−1, 1].
  ///   - stream: The random numbers of an image where pixels are drawn.
  func observed(
    _ images: Tensor, _ pool: BufferPool, _ stream: (_ image: Int) -> RandomStream
  ) -> Tensor {
    guard distribution.kind == .bernoulli else { return images }
    let seen = Tensor(images.shape, in: pool)
    for n in 0..<images.shape.n {
      let (source, target) = (images.image(n), seen.image(n))
      guard binarization != .none else {
        for i in source.indices { target[i] = source[i] > 0 ? 1 : 0 }
        continue
      }
      // u of [−1, 1) is below x with the probability (x + 1)/2.
      stream(n).fillUniform(target, limit: 1)
      for i in source.indices { target[i] = target[i] < source[i] ? 1 : 0 }
    }
    return seen
  }

  /// The images of a batch as the model sees them.
  func observed(_ batch: Batch, _ draws: Draws, _ pool: BufferPool) -> Tensor {
    observed(batch.images, pool) { n in
      guard binarization == .fixed else { return draws.stream(.binarization, image: n) }
      precondition(!batch.numbers.isEmpty, "What is drawn for good belongs to a numbered image.")
      return draws.fixedStream(.binarization, number: batch.numbers[n])
    }
  }

  /// log σ of each image, (n, 1, 1, 1); nil where it is fixed, or there is none.
  package func logDeviation(_ decoded: LatentChain.Decoded, _ pass: Pass) -> Variable? {
    if let emitted = decoded.logDeviation { return emitted }
    let n = decoded.mean.shape.n
    return logDeviation.map { pass.repeated($0, shape: Shape(n, 1, 1, 1)) }
  }
}
