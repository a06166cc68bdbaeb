// The count of the network's arithmetic against sums by hand.

import Layers
import Tensors
import TestSupport
import Testing

@Suite struct MultiplyAddsTests {
  /// What a pass over `count` images counts, an image.
  private func counts(
    _ configuration: UNetConfiguration, _ images: ImageShape, count: Int = 1
  ) -> [OperationProfile.Kind: Int] {
    let network = UNet(configuration, images: images)
    let weights = normals(network.parameters.layout.count, scale: 0.01)
    let (pool, profile) = (BufferPool(), OperationProfile())
    let shape = Shape(count, images.height, images.width, images.channels)
    weights.withUnsafeBufferPointer {
      let pass = Pass(pool: pool, weights: $0.baseAddress!, profile: profile)
      _ = network(
        Variable(Tensor(shape, normals(shape.count), in: pool)),
        Conditioning(times: Array(repeating: 7, count: count)), pass)
    }
    let counts = profile.work.mapValues(\.multiplyAdds).filter { $0.value > 0 }
    #expect(counts.values.allSatisfy { $0 % count == 0 })
    return counts.mapValues { $0 / count }
  }

  /// Ho's network: 36.3 GFLOP a training image in convolutions and linear layers, and 1.0 in the
  /// products of attention.
  @Test func cifar10() {
    let counts = counts(UNetConfiguration(), ImageShape(height: 32, width: 32, channels: 3))
    let training = counts.mapValues { 6e-9 * Double($0) }
    let attention = training[.attention] ?? 0
    // Six blocks: five on 16×16 pixels and one on 4×4, 256 channels.
    #expect(counts[.attention] == 2 * 256 * (5 * 256 * 256 + 16 * 16))
    #expect(abs(training.values.reduce(0, +) - attention - 36.324) < 0.001)
    #expect(abs(training.values.reduce(0, +) - 37.331) < 0.001)
  }

  @Test func twoResolutionsByHand() {
    var configuration = UNetConfiguration()
    (configuration.channels, configuration.multipliers) = (4, [1, 2])
    (configuration.blocks, configuration.attention, configuration.groups) = (1, [4], 2)
    let counts = counts(
      configuration, ImageShape(height: 8, width: 4, channels: 1), count: 3)
    let (p0, p1) = (32, 8)

    #expect(counts[.downsampling] == p1 * 9 * 4 * 4)
    // The two convolutions of each block, those around all of them, and that of the upsampling.
    let down = p0 * 2 * 9 * 4 * 4 + p1 * 9 * (4 * 8 + 8 * 8)
    let middle = p1 * 4 * 9 * 8 * 8
    let up1 = p1 * 9 * (16 * 8 + 8 * 8) + p1 * 9 * (12 * 8 + 8 * 8)
    let up0 = p0 * 9 * (12 * 4 + 4 * 4) + p0 * 9 * (8 * 4 + 4 * 4)
    let ends = p0 * 9 * (1 * 4 + 4 * 1)
    #expect(counts[.convolution3x3] == down + middle + up1 + up0 + ends + p0 * 9 * 8 * 8)
    // The embedding and its projections, the shortcuts, and four layers around each attention.
    let time = 4 * 16 + 16 * 16 + 16 * (3 * 4 + 5 * 8)
    let shortcuts = p1 * (4 + 16 + 12) * 8 + p0 * (12 + 8) * 4
    #expect(counts[.linear] == time + shortcuts + 4 * 4 * p1 * 8 * 8)
    #expect(counts[.attention] == 4 * 2 * p1 * p1 * 8)
  }
}
