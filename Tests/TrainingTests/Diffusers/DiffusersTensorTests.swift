// The tensors of our UNet under diffusers' names.

import Foundation
import Layers
import Tensors
import Testing
import Training

@Suite struct DiffusersTensorTests {
  private func tensors(
    _ network: UNetConfiguration, _ images: ImageShape, _ condition: ConditionKind = .none
  ) -> [DiffusersTensor] {
    DiffusersTensor.all(
      UNet(network, images: images, condition: condition).parameters.layout,
      levels: network.multipliers.count)
  }

  /// Ho's network has the names and extents of the one that diffusers makes of its configuration.
  @Test func thoseOfCIFAR10() throws {
    let table = try #require(
      Bundle.module.url(forResource: "cifar10-diffusers", withExtension: "txt"))
    let expected = try String(contentsOf: table, encoding: .utf8).split(separator: "\n")
      .map(String.init)
    let own = tensors(UNetConfiguration(), ImageShape(height: 32, width: 32, channels: 3))
    #expect(expected.count == 328)
    #expect(
      own.map { ([$0.name] + $0.shape.map(String.init)).joined(separator: " ") }.sorted()
        == expected.sorted())
    #expect(own.reduce(0) { $0 + $1.shape.reduce(1, *) } == 35_746_307)
  }

  /// Each scalar is where a loop over all extents finds it, and back again.
  @Test func scalarsChangePlaces() throws {
    var network = UNetConfiguration()
    (network.channels, network.multipliers, network.groups) = (4, [1, 2], 2)
    (network.blocks, network.attention) = (1, [4])
    let all = tensors(network, ImageShape(height: 8, width: 8, channels: 3), .classes(3))
    for tensor in all {
      let (ours, theirs) = (tensor.entry.shape, tensor.shape)
      let values = (0..<tensor.entry.range.count).map { Float($0) }
      // A slice, as of the whole buffer.
      let exported = tensor.exported(([-1] + values)[1...])
      #expect(tensor.imported(exported) == values, "\(tensor.name)")
      guard ours.count == 4 || (ours.count == 2 && !tensor.name.hasPrefix("class")) else {
        #expect(exported == values && ours == theirs, "\(tensor.name)")
        continue
      }
      let (h, w) = ours.count == 4 ? (ours[0], ours[1]) : (1, 1)
      let (c, o) = (ours[ours.count - 2], ours[ours.count - 1])
      #expect(Array(theirs.prefix(2)) == [o, c] && theirs.reduce(1, *) == values.count)
      for y in 0..<h {
        for x in 0..<w {
          for i in 0..<c {
            for j in 0..<o {
              #expect(
                exported[((j * c + i) * h + y) * w + x] == values[((y * w + x) * c + i) * o + j])
            }
          }
        }
      }
    }
    let shapes = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0.shape) })
    #expect(shapes.count == all.count)
    #expect(shapes["class_embedding.weight"] == [4, 16])
    #expect(shapes["up_blocks.1.resnets.0.conv_shortcut.weight"] == [4, 12, 1, 1])
    #expect(shapes["mid_block.attentions.0.to_out.0.weight"] == [8, 8])
    let old = all.first { $0.name == "down_blocks.1.attentions.0.to_out.0.bias" }
    #expect(old?.oldName == "down_blocks.1.attentions.0.proj_attn.bias")
    #expect(all.first { $0.name == "conv_in.weight" }?.oldName == nil)
  }

  @Test func matricesMayBeConvolutionsOfOnePixel() throws {
    let all = tensors(UNetConfiguration(), ImageShape(height: 32, width: 32, channels: 3))
    func fits(_ name: String, _ shape: [Int]) throws -> Bool {
      try #require(all.first { $0.name == name }).fits(shape)
    }
    for shape in [[256, 256], [256, 256, 1, 1]] {
      #expect(try fits("mid_block.attentions.0.to_q.weight", shape))
    }
    #expect(try fits("down_blocks.1.resnets.0.conv_shortcut.weight", [256, 128]))
    #expect(try !fits("down_blocks.1.resnets.0.conv_shortcut.weight", [128, 256]))
    #expect(try !fits("conv_in.bias", [128, 1]))
  }
}
