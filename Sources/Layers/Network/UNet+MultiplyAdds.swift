// How much arithmetic the network is, whatever algorithm computes it.

import Tensors

extension UNet {
  /// The multiply-adds of the forward pass of one image, by kind of work.
  ///
  /// Those of convolutions, linear layers and the two products of attention, computed by definition:
  /// every weight meets every pixel of its layer's output. Winograd's algorithm does with fewer, and
  /// normalisations, activations and biases are not counted. Backward computes two products for
  /// each one of forward.
  public var multiplyAdds: [OperationProfile.Kind: Int] {
    var counts: [OperationProfile.Kind: Int] = [:]
    for entry in parameters.layout.entries {
      let path = entry.name.split(separator: "/").map(String.init)
      guard path.last == "W" else { continue }
      let pixels = outputPixels(path)
      let kind: OperationProfile.Kind =
        entry.shape.count == 2
        ? .linear : path.contains("downsample") ? .downsampling : .convolution3x3
      counts[kind, default: 0] += entry.shape.reduce(pixels, *)
      // Queries (s, c) times keys, then s × s weights times values (s, c), all heads together.
      if path.dropLast().last == "q" {
        counts[.attention, default: 0] += 2 * pixels * pixels * entry.shape[1]
      }
    }
    return counts
  }

  /// The pixels of the map that a layer makes, from the path of its weights.
  private func outputPixels(_ path: [String]) -> Int {
    if path[0] == "temb" || path.contains("temb_proj") { return 1 }
    var resolution: Int
    switch path[0] {
    case "conv_in", "conv_out": resolution = 0
    case "mid": resolution = configuration.multipliers.count - 1
    default:
      guard let number = path[0].split(separator: "_").last.flatMap({ Int($0) }) else {
        preconditionFailure("The layer \(path.joined(separator: "/")) belongs to no resolution.")
      }
      resolution = number
    }
    if path.contains("downsample") { resolution += 1 }
    if path.contains("upsample") { resolution -= 1 }
    return (configuration.height >> resolution) * (configuration.width >> resolution)
  }
}
