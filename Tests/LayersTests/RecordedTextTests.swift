// A network that reads captions against recorded PyTorch values.

import Foundation
import HDF5
import Layers
import Tensors
import TestSupport
import Testing

@Suite struct RecordedTextTests {
  /// Output, loss and every gradient of the network that `record_text.py` describes, and what its
  /// encoder makes of each caption.
  ///
  /// Each array agrees within 1e-4 of its largest scalar.
  @Test func recordedPyTorchValues() throws {
    let root = try File.open(fixture("unet-text.h5")).root()
    let config = try root.group("config")
    func integer(_ name: String) throws -> Int { try #require(try config.integer(name)) }
    var configuration = UNetConfiguration()
    let size = try integer("image_size")
    configuration.channels = try integer("base_channels")
    configuration.multipliers = try #require(try config.integers("multipliers"))
    configuration.blocks = try integer("blocks")
    configuration.attention = try #require(try config.integers("attention"))
    configuration.groups = try integer("groups")
    configuration.dropout = 0
    var encoder = TextEncoderConfiguration(vocabulary: try integer("vocabulary"))
    (encoder.width, encoder.layers) = (try integer("width"), try integer("layers"))
    (encoder.heads, encoder.context) = (try integer("heads"), try integer("context"))
    let network = UNet(
      configuration,
      images: ImageShape(height: size, width: size, channels: try integer("channels")),
      condition: .text(encoder))
    let layout = network.parameters.layout
    var weights = [Float](repeating: 0, count: layout.count)
    for entry in layout.entries {
      let dataset = try root.dataset("model/\(entry.name)")
      #expect(dataset.shape == entry.shape, "\(entry.name)")
      weights.replaceSubrange(entry.range, with: try dataset.values(as: Float.self))
    }
    let rows = try root.dataset("captions").values(as: Int64.self)
    let times = try root.dataset("t").values(as: Int64.self).map { Double($0) }
    let captions = times.indices.map { n in
      let row = rows[n * encoder.context..<(n + 1) * encoder.context].prefix { $0 >= 0 }
      return row.isEmpty ? nil : row.map { Int($0) }
    }
    #expect(captions.contains(nil) && Set(captions.map { $0?.count }).count == times.count)

    let x = try root.dataset("x")
    let shape = Shape(x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    let (noisy, target) = (
      try x.values(as: Float.self), try root.dataset("target").values(as: Float.self)
    )
    let pool = BufferPool()
    var gradient = [Float](repeating: .nan, count: layout.count)
    let (output, loss, inputGradient) = gradient.withUnsafeMutableBufferPointer { gradient in
      let pass = Pass(pool: pool, weights: weights, gradient: gradient.baseAddress!)
      let input = Variable.input(Tensor(shape, noisy, in: pool))
      let conditions = captions.map { $0.map(Condition.tokens) ?? .none }
      let y = network(input, Conditioning(times: times, conditions: conditions), pass)
      let output = Array(y.value.scalars)
      let loss = pass.meanSquaredError(y, Tensor(shape, target, in: pool))
      pass.backward()
      return (output, loss, Array(input.gradient!.scalars))
    }
    try expectClose(output, root.dataset("output").values(), "output")
    let expectedLoss = try root.dataset("loss").values(as: Double.self)[0]
    #expect(abs(loss - expectedLoss) < 1e-4 * expectedLoss)
    try expectClose(inputGradient, root.dataset("input_gradient").values(), "input gradient")
    for entry in layout.entries {
      // The gradient of a key's bias is 0 but for rounding, see `UNetTests`.
      let reference = try root.dataset(
        "gradient/\(entry.name.replacing("/k/b", with: "/q/b"))"
      ).values(as: Float.self)
      try expectClose(
        Array(gradient[entry.range]), root.dataset("gradient/\(entry.name)").values(), entry.name,
        scale: largest(reference))
    }

    // The encoder alone; its parameters come first.
    var registry = ParameterRegistry()
    let alone = TextEncoder(&registry, encoder, outputs: 4 * configuration.channels)
    #expect(registry.layout.entries == Array(layout.entries.prefix(registry.layout.entries.count)))
    let encoding = alone(captions, Pass(pool: pool, weights: weights))
    #expect(encoding.lengths == captions.map { $0?.count ?? 1 })
    let sequences = try root.dataset("sequences").values(as: Float.self)
    for (n, length) in encoding.lengths.enumerated() {
      let start = n * encoder.context * encoder.width
      try expectClose(
        Array(encoding.sequence.value.image(n)[..<(length * encoder.width)]),
        Array(sequences[start..<start + length * encoder.width]), "caption \(n)")
    }
    try expectClose(
      Array(encoding.pooled.value.scalars), root.dataset("pooled").values(), "pooled")
  }

  private func fixture(_ name: String) -> String {
    Bundle.module.bundleURL.appending(path: "Fixtures/\(name)").path
  }

  private func largest(_ values: [Float]) -> Float { values.reduce(0) { max($0, abs($1)) } }

  private func expectClose(
    _ values: [Float], _ expected: [Float], _ name: String, scale: Float? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    try #require(values.count == expected.count, sourceLocation: sourceLocation)
    let scale = scale ?? largest(expected)
    let worst = zip(values, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
    #expect(worst <= 1e-4 * scale, "\(name): \(worst) of \(scale)", sourceLocation: sourceLocation)
  }
}
