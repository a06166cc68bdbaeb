// Networks and runs that are small enough for many of them in a second.

import Diffusion
import Layers
import MPI
import Tensors
import TestSupport
import Training

extension UNetConfiguration {
  /// One level of four channels: about a thousand parameters.
  static func tiny(height: Int = 8, width: Int = 8, imageChannels: Int = 1) -> Self {
    var network = UNetConfiguration()
    (network.height, network.width, network.imageChannels) = (height, width, imageChannels)
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
    configuration.network = .tiny()
    configuration.diffusionSteps = 10
    configuration.batch = 48
    configuration.steps = 6
    configuration.warmupSteps = 2
    return configuration
  }
}

/// A tiny network with random weights, of which none is zero.
///
/// - Parameters:
///   - network: Its extents.
///   - diffusion: The process; by default one of 5 steps and 17 grey levels.
///   - weights: The weights; nil: random ones.
func tinyDenoiser(
  _ network: UNetConfiguration = .tiny(height: 4, width: 4),
  diffusion: GaussianDiffusion = GaussianDiffusion(
    schedule: NoiseSchedule(.linear(from: 0.05, to: 0.5), steps: 5), levels: 17),
  weights: ((Int) -> Float)? = nil
) -> Denoiser {
  let unet = UNet(network)
  let count = unet.parameters.layout.count
  return Denoiser(
    network: unet, diffusion: diffusion,
    weights: weights.map { AlignedFloats(count: count, $0) }
      ?? AlignedFloats(normals(count, seed: 3, scale: 0.3)))
}

extension Communicator {
  /// This rank without the others; collective.
  func alone() throws -> Communicator { try split(color: rank) }
}

/// The bit patterns of floats: equal bits are more than equal numbers.
func bits(_ values: some Sequence<Float>) -> [UInt32] { values.map(\.bitPattern) }
