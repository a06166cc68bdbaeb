// Networks that are told what images show.

import Layers
import Tensors
import TestSupport
import Testing

@Suite struct ConditioningTests {
  private let pool = BufferPool()
  private static let images = ImageShape(height: 8, width: 8, channels: 1)

  private static func network(_ condition: ConditionKind = .none) -> UNet {
    var configuration = UNetConfiguration()
    (configuration.channels, configuration.multipliers) = (16, [1, 2])
    (configuration.attention, configuration.groups) = ([4], 4)
    return UNet(configuration, images: images, condition: condition)
  }

  /// The output for two images, and, where wanted, the gradient of the sum of its squares.
  private func run(
    _ network: UNet, _ weights: [Float], _ conditions: [Condition],
    gradient: UnsafeMutablePointer<Float>? = nil
  ) -> [Float] {
    weights.withUnsafeBufferPointer { weights in
      let pass = Pass(pool: pool, weights: weights.baseAddress!, gradient: gradient)
      let shape = Shape(2, 8, 8, 1)
      let y = network(
        Variable(Tensor(shape, normals(shape.count), in: pool)),
        Conditioning(times: [3, 7], conditions: conditions), pass)
      if gradient != nil {
        pass.meanSquaredError(y, Tensor(shape, normals(shape.count, index: 1), in: pool))
        pass.backward()
      }
      return Array(y.value.scalars)
    }
  }

  /// Classes change neither the other initial weights nor, before training, what the network says.
  @Test func untrainedClassesDoNotShow() {
    let (plain, told) = (Self.network(), Self.network(.classes(3)))
    let (own, all) = (
      plain.parameters.initialWeights(seed: 4), told.parameters.initialWeights(seed: 4)
    )
    let table = told.parameters.layout.entries.first { $0.name == "class_embedding/W" }!
    #expect(table.shape == [4, 64] && all[table.range].allSatisfy { $0 == 0 })
    #expect(all[..<table.range.lowerBound] + all[table.range.upperBound...] == own[...])
    // The table is an embedding, and does not decay.
    #expect(!told.parameters.decaying.contains { $0.overlaps(table.range) })
    // Weights that say something: the last layer's initial ones are nearly zero.
    let weights = normals(own.count, scale: 0.1)
    let toldWeights =
      Array(weights[..<table.range.lowerBound]) + [Float](repeating: 0, count: table.range.count)
      + Array(weights[table.range.lowerBound...])
    let expected = run(plain, weights, [])
    #expect(run(told, toldWeights, [.label(2), .label(0)]) == expected)
    #expect(run(told, toldWeights, []) == expected)
  }

  /// Each image follows its own class, and to be told nothing of some is to be told nothing.
  @Test func eachImageFollowsItsClass() {
    let network = Self.network(.classes(3))
    let weights = normals(network.parameters.layout.count, scale: 0.1)
    let both = run(network, weights, [.label(2), .none])
    #expect(both[..<64] == run(network, weights, [.label(2), .label(1)])[..<64])
    #expect(both[64...] == run(network, weights, [])[64...])
    #expect(both[..<64] != run(network, weights, [])[..<64])
    #expect(run(network, weights, [.none, .none]) == run(network, weights, []))
  }

  /// A row learns from its own images alone, and the last from those of no class.
  @Test func rowsLearnFromTheirImages() {
    let network = Self.network(.classes(3))
    let table = network.parameters.layout.entries.first { $0.name == "class_embedding/W" }!.range
    let weights = normals(network.parameters.layout.count, scale: 0.1)
    func learning(_ conditions: [Condition]) -> [Bool] {
      var gradient = [Float](repeating: .nan, count: weights.count)
      _ = gradient.withUnsafeMutableBufferPointer {
        run(network, weights, conditions, gradient: $0.baseAddress!)
      }
      return (0..<4).map { row in
        let range = table.lowerBound + row * 64..<table.lowerBound + (row + 1) * 64
        return gradient[range].contains { $0 != 0 }
      }
    }
    #expect(learning([.label(1), .label(1)]) == [false, true, false, false])
    #expect(learning([.label(0), .none]) == [true, false, false, true])
    #expect(learning([]) == [false, false, false, true])
  }

  /// Rows of a table, some twice and one place without any.
  @Test func lookingUpIsDifferentiated() {
    var registry = ParameterRegistry()
    let table = registry.add("table", [4, 3], .constant(0))
    checkGradient(shapes: [], parameterCount: registry.layout.count) { _, pass in
      pass.lookUp([2, nil, 0, 2, 3, 2], in: table, width: 3, shape: Shape(2, 1, 3, 3))
    }
  }
}
