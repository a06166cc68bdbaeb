// Networks that read captions: the promises that they make.

import Dispatch
import Layers
import Synchronization
import Tensors
import TestSupport
import Testing

@Suite struct TextNetworkTests {
  static let images = ImageShape(height: 4, width: 4, channels: 1)

  /// A network of one resolution, with four attention blocks and sixteen channels.
  static func network(_ condition: ConditionKind) -> UNet {
    var configuration = UNetConfiguration()
    (configuration.channels, configuration.multipliers, configuration.blocks) = (16, [1], 1)
    (configuration.attention, configuration.groups) = ([4], 4)
    configuration.dropout = 0
    return UNet(configuration, images: images, condition: condition)
  }

  static var encoder: TextEncoderConfiguration {
    var encoder = TextEncoderConfiguration(vocabulary: 12)
    (encoder.width, encoder.context) = (32, 24)
    return encoder
  }

  /// Random weights, none of them zero.
  static func weights(_ network: UNet) -> [Float] {
    normals(network.parameters.layout.count, scale: 0.2)
  }

  /// Output, and the gradients of input and parameters for a loss that is linear in each image.
  static func run(
    _ network: UNet, _ weights: [Float], _ x: [Float], _ conditions: [Condition],
    pool: BufferPool = BufferPool()
  ) -> (output: [Float], input: [Float], parameters: [Float]) {
    let shape = Shape(x.count / 16, 4, 4, 1)
    var gradient = [Float](repeating: .nan, count: weights.count)
    return gradient.withUnsafeMutableBufferPointer { gradient in
      let pass = Pass(pool: pool, weights: weights, gradient: gradient.baseAddress!)
      let input = Variable.input(Tensor(shape, x, in: pool))
      let times = (0..<shape.n).map { 1.5 * Double($0) }
      let y = network(input, Conditioning(times: times, conditions: conditions), pass)
      pass.loss(of: y) { _ = $0[0].scalars.update(from: normals(x.count, index: 9)) }
      pass.backward()
      return (Array(y.value.scalars), Array(input.gradient!.scalars), Array(gradient))
    }
  }

  /// With untrained text a network has the weights and the bits of the one without.
  @Test func untrainedTextChangesNothing() {
    let plain = Self.network(.none)
    let x = normals(4 * 16)
    // The last layer of a network begins as nearly zero, and would hide all others.
    func weights(_ network: UNet) -> [Float] {
      var weights = network.parameters.initialWeights(seed: 3)
      for entry in network.parameters.layout.entries
      where entry.name.hasPrefix("conv_out/") || entry.name.hasSuffix("conv2/W") {
        weights.replaceSubrange(
          entry.range, with: normals(entry.range.count, index: entry.range.count, scale: 0.1))
      }
      return weights
    }
    let plainWeights = weights(plain)
    let expected = Self.run(plain, plainWeights, x, [])
    let text = EncodedText(sequence: normals(3 * 20), summary: normals(20, index: 1))
    for (kind, condition) in [
      (.text(Self.encoder), .tokens([1, 5, 7, 2])),
      (.encodedText(width: 20), .encoded(text)),
    ] as [(ConditionKind, Condition)] {
      let network = Self.network(kind)
      let weights = weights(network)
      let own = network.parameters.layout.entries.filter { entry in
        guard let same = plain.parameters.layout.entries.first(where: { $0.name == entry.name })
        else { return true }
        #expect(weights[entry.range] == plainWeights[same.range], "\(entry.name)")
        return false
      }
      #expect(
        own.count + plain.parameters.layout.entries.count
          == network.parameters.layout.entries.count)
      #expect(own.allSatisfy { $0.name.hasPrefix("text/") || $0.name.contains("/cross_attn_") })
      let result = Self.run(network, weights, x, [condition, .none, condition, .none])
      #expect(result.output == expected.output && result.input == expected.input)
      // But it learns.
      for entry in own where entry.name.hasSuffix("proj_out/W") && !entry.name.hasPrefix("text") {
        #expect(result.parameters[entry.range].contains { $0 != 0 }, "\(entry.name)")
      }
      let pooled = network.parameters.layout.entries.first { $0.name == "text/pooled/W" }
      #expect(pooled.map { result.parameters[$0.range].contains { $0 != 0 } } == true)
    }
  }

  /// An untrained block returns the bits of what it is given.
  @Test func untrainedCrossAttentionReturnsItsInput() {
    var registry = ParameterRegistry()
    var configuration = UNetConfiguration()
    (configuration.groups, configuration.heads) = (4, 2)
    let block = CrossAttentionBlock(
      "block", &registry, configuration, channels: 16, textWidth: 20)
    let (pool, shape) = (BufferPool(), Shape(2, 3, 3, 16))
    let weights = registry.initialWeights(seed: 1)
    let pass = Pass(pool: pool, weights: weights)
    let x = normals(shape.count)
    let sequence = Tensor(Shape(2, 1, 3, 20), normals(120, index: 1), in: pool)
    let text = TextEncoding(
      sequence: Variable(sequence), lengths: [3, 1],
      pooled: Variable(Tensor(Shape(2, 1, 1, 4), [Float](repeating: 0, count: 8), in: pool)))
    let y = block(Variable(Tensor(shape, x, in: pool)), text, pass)
    #expect(Array(y.value.scalars) == x)
    #expect(weights.contains { $0 != 0 && $0 != 1 })
  }

  /// An image's output and gradient have the same bits whatever the other captions say, however long
  /// they are, and whether they are there.
  @Test func captionsAreEachImagesOwn() {
    let network = Self.network(.text(Self.encoder))
    let (weights, x) = (Self.weights(network), normals(8 * 16))
    func caption(_ length: Int, _ seed: Int) -> Condition {
      length == 0
        ? .none : .tokens((0..<length).map { ($0 * 5 + seed * 7 + $0 * $0 * seed) % 12 })
    }
    let own = caption(5, 1)
    let together = Self.run(
      network, weights, x, [own, .none] + (2..<8).map { caption($0, $0) })
    for lengths in [
      [5, 0, 1, 1, 1, 1, 1, 1], [5, 0, 24, 9, 0, 0, 17, 2], [5, 0, 0, 0, 0, 0, 0, 0],
    ] {
      let others = lengths.indices.map { caption(lengths[$0], 20 + $0) }
      let result = Self.run(network, weights, x, [own, .none] + others[2...])
      #expect(result.output[..<32] == together.output[..<32], "\(lengths)")
      #expect(result.input[..<32] == together.input[..<32], "\(lengths)")
      #expect(result.output[32...] != together.output[32...])
    }
    // What an image's own caption says matters to it alone.
    let other = Self.run(
      network, weights, x, [caption(5, 3), .none] + (2..<8).map { caption($0, $0) })
    #expect(other.output[..<16] != together.output[..<16])
    #expect(other.output[16...] == together.output[16...])
    // No caption at all, said in two ways.
    let none = Self.run(network, weights, x, [])
    #expect(none.output == Self.run(network, weights, x, Array(repeating: .none, count: 8)).output)
    #expect(none.output[16..<32] == together.output[16..<32])
  }

  /// Where no image has a caption, the encoder learns nothing, and its gradient is 0, not what was
  /// there before; where each has one, what stands for none learns nothing.
  @Test func whatIsNotUsedLearnsNothing() {
    let network = Self.network(.text(Self.encoder))
    let (weights, x) = (Self.weights(network), normals(2 * 16))
    for (conditions, isUsed) in [
      ([.none, .none], { $0.contains("null") }),
      ([.tokens([3]), .tokens([4, 5])], { !$0.contains("null") }),
    ] as [([Condition], (String) -> Bool)] {
      let gradient = Self.run(network, weights, x, conditions).parameters
      #expect(gradient.allSatisfy { $0.isFinite })
      for entry in network.parameters.layout.entries where entry.name.hasPrefix("text/") {
        guard !entry.name.hasSuffix("/k/b") else { continue }
        let learns = gradient[entry.range].contains { $0 != 0 }
        let expected =
          isUsed(entry.name)
          // The layer that makes the vector of a caption adds its bias to all.
          || entry.name.hasPrefix("text/pooled") && !isUsed("null")
        #expect(learns == expected, "\(entry.name)")
      }
    }
  }

  @Test func gradientsAreThoseOfDifferences() {
    let network = Self.network(.text(Self.encoder))
    let frozen = Self.network(.encodedText(width: 20))
    let text = EncodedText(sequence: normals(3 * 20), summary: normals(20, index: 1))
    for (network, condition) in [(network, Condition.tokens([1, 2, 1])), (frozen, .encoded(text))] {
      checkGradient(
        shapes: [Shape(2, 4, 4, 1)], parameterCount: network.parameters.layout.count,
        step: 1 / 256, tolerance: 2e-2
      ) { x, pass in
        network(x[0], Conditioning(times: [3, 7.25], conditions: [condition, .none]), pass)
      }
    }
  }

  /// Captions that are encoded already, by the encoder of another network, are the same captions.
  @Test func encodedCaptionsAreCaptions() throws {
    let (learning, frozen) = (
      Self.network(.text(Self.encoder)), Self.network(.encodedText(width: 32))
    )
    let (weights, x) = (Self.weights(learning), normals(3 * 16))
    let captions: [[Int]?] = [[1, 5, 7, 2], nil, [3]]
    var registry = ParameterRegistry()
    let encoder = TextEncoder(&registry, Self.encoder, outputs: 64)
    let pool = BufferPool()
    let pass = Pass(pool: pool, weights: weights)
    let encoding = encoder(captions, pass)
    let summary = pass.average(encoding.sequence, lengths: encoding.lengths)
    let conditions: [Condition] = captions.indices.map { n in
      guard captions[n] != nil else { return .none }
      return .encoded(
        EncodedText(
          sequence: Array(encoding.sequence.value.image(n)[..<(encoding.lengths[n] * 32)]),
          summary: Array(summary.value.image(n))))
    }
    var frozenWeights = [Float](repeating: .nan, count: frozen.parameters.layout.count)
    for entry in frozen.parameters.layout.entries {
      let same = try #require(
        learning.parameters.layout.entries.first { $0.name == entry.name })
      frozenWeights.replaceSubrange(entry.range, with: weights[same.range])
    }
    let expected = Self.run(
      learning, weights, x, captions.map { $0.map(Condition.tokens) ?? .none })
    let result = Self.run(frozen, frozenWeights, x, conditions)
    #expect(result.output == expected.output && result.input == expected.input)
    #expect(frozenWeights.allSatisfy { $0.isFinite })
  }

  /// What the backward pass calls final is: no later operation adds to it.
  @Test func gradientIsFinalFromTheTail() {
    let network = Self.network(.text(Self.encoder))
    let weights = Self.weights(network)
    let (pool, shape, count) = (BufferPool(), Shape(2, 4, 4, 1), weights.count)
    var gradient = [Float](repeating: .nan, count: count)
    var final: [Float] = []
    gradient.withUnsafeMutableBufferPointer { gradient in
      let pass = Pass(pool: pool, weights: weights, gradient: gradient.baseAddress!)
      let y = network(
        Variable(Tensor(shape, normals(shape.count), in: pool)),
        Conditioning(times: [3, 4], conditions: [.tokens([1, 2, 3]), .none]), pass)
      pass.meanSquaredError(y, Tensor(shape, normals(shape.count, index: 1), in: pool))
      pass.backward { offset in
        if count - offset > final.count {
          final += gradient[offset..<count - final.count].reversed()
        }
      }
    }
    #expect(final.count == count && final.reversed().elementsEqual(gradient))
  }

  /// Output and gradients have the same bits whoever helps.
  @Test func helpersChangeNothing() {
    let network = Self.network(.text(Self.encoder))
    let (weights, x) = (Self.weights(network), normals(24 * 16))
    let conditions = (0..<24).map { n in
      n % 5 == 0 ? Condition.none : .tokens((0..<n).map { ($0 * n) % 12 })
    }
    let alone = Self.run(network, weights, x, conditions)
    let helpers = Helpers()
    let isDone = Atomic(false)
    DispatchQueue.concurrentPerform(iterations: 4) { thread in
      guard thread == 0 else {
        return helpers.help(while: { !isDone.load(ordering: .acquiring) })
      }
      for _ in 0..<5 {
        let result = Self.run(network, weights, x, conditions, pool: BufferPool(helpers: helpers))
        #expect(result == alone)
      }
      isDone.store(true, ordering: .releasing)
    }
  }

  /// Tables do not decay, nor do vectors.
  @Test func whatDecays() {
    let parameters = Self.network(.text(Self.encoder)).parameters
    let weights = parameters.layout.entries.filter { $0.name.hasSuffix("/W") }
    #expect(parameters.decaying == weights.map(\.range))
  }

  @Test func defectsAreNamed() {
    func defect(_ change: (inout TextEncoderConfiguration) -> Void) -> String? {
      var configuration = TextEncoderConfiguration(vocabulary: 258)
      change(&configuration)
      return configuration.defect
    }
    #expect(defect { _ in } == nil)
    #expect(defect { $0.vocabulary = 0 } != nil)
    #expect(defect { $0.width = 40 }?.contains("not 40") == true)
    #expect(defect { $0.heads = 3 }?.contains("3 heads") == true)
    #expect(defect { $0.layers = 0 } != nil)
    #expect(defect { $0.context = 0 } != nil)

    let images = ImageShape(height: 8, width: 8, channels: 1)
    var network = UNetConfiguration()
    (network.channels, network.multipliers, network.groups) = (16, [1], 4)
    network.attention = []
    let text = ConditionKind.text(TextEncoderConfiguration(vocabulary: 258))
    #expect(network.defect(of: images, condition: text) == nil)
    #expect(
      network.defect(of: images, condition: .text(TextEncoderConfiguration(vocabulary: 0))) != nil)
    #expect(network.defect(of: images, condition: .encodedText(width: 0)) != nil)
    #expect(network.defect(of: images, condition: .classes(0)) != nil)
    network.channels = 24
    #expect(network.defect(of: images) == nil)
    #expect(network.defect(of: images, condition: text)?.contains("multiple of 16") == true)
  }
}
