// Networks and runs that are small enough for many of them in a second.

import Diffusion
import Layers
import MPI
import Models
import Tensors
import TestSupport
import Training

extension UNetConfiguration {
  /// One resolution of four channels: about a thousand parameters.
  static var tiny: Self {
    var network = UNetConfiguration()
    network.channels = 4
    network.multipliers = [1]
    network.blocks = 1
    network.attention = []
    network.groups = 2
    network.dropout = 0
    return network
  }
}

extension Configuration {
  /// A tiny network on the embedded digits.
  static var tiny: Configuration {
    var configuration = Configuration()
    configuration.network = .tiny
    configuration.diffusion.steps = 10
    configuration.training.batch = 48
    configuration.training.steps = 6
    configuration.optimizer.warmupSteps = 2
    return configuration
  }
}

/// A process of 5 steps and 17 grey levels.
let tinyProcess = GaussianDiffusion(
  schedule: NoiseSchedule(.linear(from: 0.05, to: 0.5), steps: 5), levels: 17)

/// A tiny network with a process, trained towards something.
func tinyModel(
  _ network: UNetConfiguration = .tiny,
  images: ImageShape = ImageShape(height: 4, width: 4, channels: 1),
  _ diffusion: GaussianDiffusion = tinyProcess, _ target: DenoisingDiffusion.Target = .simple
) -> DenoisingDiffusion {
  DenoisingDiffusion(
    network: UNet(
      network, images: images,
      outputChannels: images.channels * (diffusion.variance == .learned ? 2 : 1)),
    diffusion: diffusion, target: target)
}

/// The facts of images, as a dataset would have them filled in.
func facts(of images: ImageShape, levels: Int?) -> DataSettings {
  var settings = DataSettings()
  (settings.height, settings.width, settings.imageChannels) = (
    images.height, images.width, images.channels
  )
  (settings.levels, settings.valueRange) = (levels ?? 0, levels == nil ? [-2, 6] : [])
  return settings
}

/// A tiny model of 4×4 images with random weights, of which none is zero.
///
/// - Parameters:
///   - diffusion: The process.
///   - weights: The weights; nil: random ones.
func tinyTrained(
  _ diffusion: GaussianDiffusion = tinyProcess, weights: ((Int) -> Float)? = nil
) -> TrainedModel {
  var model = tinyModel(.tiny, diffusion)
  // Γ, for samplers that need it.
  let norms = Array(repeating: 0.9, count: diffusion.schedule.steps)
  model.adopt(
    ModelFacts(
      name: "diffusion", texts: [:],
      tables: [DenoisingDiffusion.noiseNormTable(weights: "average"): norms]),
    weights: "average")
  let count = model.parameters.layout.count
  return TrainedModel(
    model, weights: weights.map { (0..<count).map($0) } ?? normals(count, seed: 3, scale: 0.3),
    facts(of: model.network.images, levels: diffusion.levels))
}

extension Communicator {
  /// This rank without the others; collective.
  func alone() throws -> Communicator { try split(color: rank) }
}

/// The bit patterns of floats: equal bits are more than equal numbers.
func bits(_ values: some Sequence<Float>) -> [UInt32] { values.map(\.bitPattern) }
