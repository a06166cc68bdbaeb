// The network of a configuration.

import Layers
import Tensors

extension Configuration {
  /// The UNet that the settings describe.
  ///
  /// - Parameters:
  ///   - images: The extents of what it sees.
  ///   - outputs: The channels of the output for each of an image's.
  ///   - fourierExponents: The exponents of the waves that are seen beside noisy images.
  /// - Throws: `ConfigurationError` for extents that no network can have.
  func makeUNet(
    of images: ImageShape, outputs: Int = 1, fourierExponents: [Int] = []
  ) throws(ConfigurationError) -> UNet {
    let condition = try conditioning.kind()
    if let defect = network.defect(of: images, condition: condition) {
      throw ConfigurationError(source: "network", reason: defect)
    }
    let network = UNet(
      network, images: images, outputChannels: images.channels * outputs, condition: condition,
      fourierExponents: fourierExponents)
    guard network.parameters.layout.count <= Int(Int32.max) else {
      throw ConfigurationError(
        source: "network",
        reason: "has \(network.parameters.layout.count) parameters; \(Int32.max) are possible.")
    }
    return network
  }
}
