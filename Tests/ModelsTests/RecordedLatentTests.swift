// Models with latents against recorded PyTorch values.

import Foundation
import HDF5
import Layers
import Models
import Tensors
import TestSupport
import Testing

@Suite struct RecordedLatentTests {
  private let pool = BufferPool()

  /// What each part costs each image, and every gradient, of the models that `record_latent.py` describes:
  /// all decoders, both orders of inference, linear layers and convolutions.
  ///
  /// Each array agrees within 1e-4 of its largest scalar.
  @Test(arguments: [
    "vae_bernoulli", "vae_normal", "vae_levels", "vae_logistic", "bottom_up", "top_down",
    "convolutional", "map",
  ])
  func recordedPyTorchValues(_ name: String) throws {
    let path = try #require(
      Bundle.module.path(forResource: "latents", ofType: "h5", inDirectory: "Fixtures"))
    let file = try File.open(path).root()
    let group = try file.group(name)
    let images = try group.dataset("images")
    let shape = Shape(images.shape[0], images.shape[1], images.shape[2], images.shape[3])
    func text(_ name: String) throws -> String { try #require(try group.string(name)) }
    func integers(_ name: String) throws -> [Int] { try #require(try group.integers(name)) }

    var chain = LatentConfiguration()
    chain.latents = try integers("latents")
    chain.hidden = try integers("hidden")
    chain.depth = try #require(try group.integer("depth"))
    chain.activation = try #require(Activation(rawValue: try text("activation")))
    chain.network = try #require(LatentConfiguration.Network(rawValue: try text("network")))
    chain.form = try #require(LatentConfiguration.Form(rawValue: try text("form")))
    chain.inference = try #require(LatentConfiguration.Inference(rawValue: try text("inference")))
    (chain.convolution.channels, chain.convolution.multipliers) = (4, [1, 2])
    (chain.convolution.blocks, chain.convolution.groups) = (1, 2)
    chain.convolution.dropout = 0
    let levels = try #require(try group.integer("levels"))
    let model = LatentVariableModel(
      chain, images: ImageShape(height: shape.h, width: shape.w, channels: shape.c),
      ImageDistribution(
        try #require(ImageDistribution.Kind(rawValue: try text("decoder"))),
        deviation: try #require(ImageDistribution.Deviation(rawValue: try text("deviation"))),
        sigma: 0.4, levels: levels == 0 ? nil : levels))

    let layout = model.parameters.layout
    var places: [String: Range<Int>] = [:]
    var next = 0
    for (name, count) in zip(
      try text("names").split(separator: "\n").map(String.init),
      try group.dataset("counts").values(as: Int64.self))
    {
      places[name] = next..<next + Int(count)
      next += Int(count)
    }
    #expect(Set(places.keys) == Set(layout.entries.map(\.name)))
    let recorded = try group.dataset("weights").values(as: Float.self)
    let slopes = try group.dataset("gradients").values(as: Float.self)
    var weights = [Float](repeating: 0, count: layout.count)
    for entry in layout.entries {
      let place = try #require(places[entry.name])
      try #require(place.count == entry.range.count, "\(entry.name)")
      weights.replaceSubrange(entry.range, with: recorded[place])
    }

    let noise = try chain.latents.indices.map {
      try group.dataset("noise_\($0 + 1)").values(as: Float.self)
    }
    let x = Tensor(shape, try images.values(as: Float.self), in: pool)
    var gradient = [Float](repeating: .nan, count: layout.count)
    let costs = gradient.withUnsafeMutableBufferPointer { gradient in
      weights.withUnsafeBufferPointer { weights in
        let pass = Pass(
          pool: pool, weights: weights.baseAddress!, gradient: gradient.baseAddress!)
        let weight = 1 / Double(shape.n)
        let layers = model.chain.infer(
          Variable(x),
          .given { layer, epsilon in _ = epsilon.scalars.update(from: noise[layer - 1]) }, pass)
        let decoded = model.chain.decode(layers[0].z, pass)
        let reconstruction = model.distribution.cost(
          of: x, mean: decoded.mean, logDeviation: model.logDeviation(decoded, pass),
          weight: weight, pass)
        let divergences = layers.indices.map {
          model.divergences(
            layers[$0], isLast: $0 == layers.count - 1, weight: weight, pass)
        }
        pass.backward()
        return [reconstruction] + divergences
      }
    }
    let names = ["reconstruction"] + chain.latents.indices.map { "layer_\($0 + 1)" }
    for (name, cost) in zip(names, costs) {
      let expected = try group.dataset(name).values(as: Double.self)
      let scale = expected.reduce(1e-3) { max($0, abs($1)) }
      for (a, b) in zip(cost, expected) { #expect(abs(a - b) < 1e-4 * scale, "\(name)") }
    }
    for entry in layout.entries {
      let expected = slopes[places[entry.name]!]
      let scale = expected.reduce(1e-3) { max($0, abs($1)) }
      for (a, b) in zip(gradient[entry.range], expected) {
        #expect(abs(a - b) < 1e-4 * scale, "\(entry.name)")
      }
    }
  }
}
