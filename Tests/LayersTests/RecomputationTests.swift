// Blocks that are computed again: the same bits from less memory, and the same figures of work.

import Layers
import Tensors
import TestSupport
import Testing

@Suite struct RecomputationTests {
  /// What a pass forward and backward has given.
  private struct Outcome {
    var bits: [Float] = []
    /// What is final of the gradient after each operation.
    var offsets: [Int] = []
    var bytes = 0
    var work: [OperationProfile.Kind: OperationProfile.Work] = [:]
    var multiplyAdds: Int { work.values.reduce(0) { $0 + $1.multiplyAdds } }
  }

  /// Four images through a network with attention and dropout, forward and backward, twice over one pool.
  private func run(
    _ condition: ConditionKind, recomputes: Bool, width: Int = 8, parameters: Bool = true,
    _ change: (inout UNetConfiguration) -> Void = { _ in }
  ) -> Outcome {
    var configuration = UNetConfiguration()
    (configuration.channels, configuration.multipliers) = (16, [1, 2])
    (configuration.attention, configuration.groups) = ([width / 2], 4)
    configuration.dropout = 0.3
    change(&configuration)
    let network = UNet(
      configuration, images: ImageShape(height: width, width: width, channels: 1),
      condition: condition)
    let conditions: [Condition] =
      switch condition {
      case .none: []
      case .classes: [.label(2), .none, .label(0), .label(2)]
      case .text: [.tokens([7, 1, 300]), .none, .tokens([3]), .tokens([9, 9, 9, 2])]
      case .encodedText(let width):
        [
          .none, .encoded(encoded(length: 3, width: width)),
          .encoded(encoded(length: 1, width: width)), .none,
        ]
      }
    let weights = normals(network.parameters.layout.count, scale: 0.1)
    var gradient = [Float](repeating: .nan, count: weights.count)
    let (pool, profile) = (BufferPool(), OperationProfile())
    let shape = Shape(4, width, width, 1)
    var outcome = Outcome()
    for _ in 0..<2 {
      profile.reset()
      outcome.offsets = []
      gradient.withUnsafeMutableBufferPointer { gradient in
        let pass = Pass(
          pool: pool, weights: weights, gradient: parameters ? gradient.baseAddress! : nil,
          dropoutStreams: (0..<4).map { RandomStream(seed: 3, purpose: .dropout, position: $0) },
          recomputes: recomputes, profile: profile)
        let x = Variable.input(Tensor(shape, normals(shape.count), in: pool))
        let y = network(
          x, Conditioning(times: [3, 0, 999, 41.5], conditions: conditions), pass)
        outcome.bits = Array(y.value.scalars)
        pass.meanSquaredError(y, Tensor(shape, normals(shape.count, index: 1), in: pool))
        pass.backward { outcome.offsets.append($0) }
        outcome.bits += Array(x.gradient!.scalars)
      }
      if parameters { outcome.bits += gradient }
    }
    (outcome.bytes, outcome.work) = (pool.allocatedBytes, profile.work)
    return outcome
  }

  private func encoded(length: Int, width: Int) -> EncodedText {
    EncodedText(
      sequence: normals(length * width, index: length),
      summary: normals(width, index: 20 + length))
  }

  private static let text = ConditionKind.text(
    {
      var encoder = TextEncoderConfiguration(vocabulary: 301)
      (encoder.width, encoder.layers, encoder.heads, encoder.context) = (16, 1, 2, 8)
      return encoder
    }())

  @Test(arguments: [.none, .classes(3), text, .encodedText(width: 16)] as [ConditionKind])
  func bitsAreThoseOfMoreMemory(_ condition: ConditionKind) {
    let (kept, again) = (run(condition, recomputes: false), run(condition, recomputes: true))
    #expect(kept.bits.allSatisfy(\.isFinite) && again.bits == kept.bits)
    // One operation of the backward pass for each block; the sum of what is final the same at its end.
    #expect(again.offsets.count < kept.offsets.count / 2)
    #expect(again.offsets == again.offsets.sorted(by: >) && again.offsets.last == 0)
  }

  /// Residual blocks that change the resolution and are told the time as a scale and a shift.
  @Test func bitsOfOtherBlocks() {
    func run(recomputes: Bool) -> [Float] {
      self.run(.classes(3), recomputes: recomputes) {
        ($0.residualResize, $0.scaleShift, $0.headChannels) = (true, true, 8)
      }.bits
    }
    #expect(run(recomputes: true) == run(recomputes: false))
  }

  /// Where only the input's gradient is wanted, too.
  @Test func bitsOfTheInputsGradient() {
    let kept = run(.none, recomputes: false, parameters: false)
    #expect(run(.none, recomputes: true, parameters: false).bits == kept.bits)
  }

  @Test func memoryIsLessAndWorkIsTheNetworks() throws {
    let (kept, again) = (
      run(.none, recomputes: false, width: 16), run(.none, recomputes: true, width: 16)
    )
    // Four mebibytes of scratch memory are in both.
    #expect(again.bytes < kept.bytes * 8 / 10, "\(again.bytes) \(kept.bytes)")
    // The arithmetic is counted once, and the time of the second forward pass is told.
    #expect(
      again.work.mapValues(\.multiplyAdds).filter { $0.value > 0 }
        == kept.work.mapValues(\.multiplyAdds).filter { $0.value > 0 })
    let recomputation = try #require(again.work[.recomputation])
    #expect(recomputation.forward > 0 && recomputation.multiplyAdds == 0)
    #expect(kept.work[.recomputation] == nil)
    #expect(try #require(again.work[.convolution3x3]).backward > 0)
  }

  /// What backward calls final is: no later operation adds to it.
  @Test func gradientIsFinalFromTheTail() {
    let count = 3 * 4
    let weights = normals(count)
    var gradient = [Float](repeating: .nan, count: count)
    let pool = BufferPool()
    var final: [[Float]] = []
    gradient.withUnsafeMutableBufferPointer { gradient in
      let pass = Pass(
        pool: pool, weights: weights, gradient: gradient.baseAddress!, recomputes: true)
      let shape = Shape(1, 1, 2, 4)
      // A table that both blocks read is final after the first one only.
      func table(_ i: Int) -> Variable {
        pass.repeated(Parameter(range: 4 * i..<4 * i + 4), shape: shape)
      }
      let a = pass.recomputed { pass.activate(pass.add(table(0), table(1))) }
      let b = pass.recomputed {
        pass.recomputed { pass.add(pass.activate(table(2)), pass.add(a, table(1))) }
      }
      pass.loss(of: b) { _ = $0[0].scalars.update(from: normals(8, index: 1)) }
      pass.backward { final.append(Array(gradient[$0...])) }
    }
    #expect(final.map(\.count) == [0, 4, 12])
    for part in final { #expect(part.elementsEqual(gradient.suffix(part.count))) }
    #expect(gradient.allSatisfy { $0.isFinite })
  }

  /// A block that nothing of the loss comes from has a gradient of zero.
  @Test func aBlockThatNobodyReads() {
    let weights: [Float] = [2, 3]
    var gradient: [Float] = [.nan, .nan]
    let pool = BufferPool()
    gradient.withUnsafeMutableBufferPointer { gradient in
      let pass = Pass(
        pool: pool, weights: weights, gradient: gradient.baseAddress!, recomputes: true)
      let shape = Shape(1, 1, 1, 1)
      let read = pass.recomputed { pass.repeated(Parameter(range: 0..<1), shape: shape) }
      _ = pass.recomputed { pass.activate(pass.repeated(Parameter(range: 1..<2), shape: shape)) }
      pass.loss(of: read) { $0[0].pointer[0] = 5 }
      pass.backward()
    }
    #expect(gradient == [5, 0])
  }

  /// Without a gradient nothing is kept, and nothing is done backward.
  @Test func withoutAGradientABlockIsItsOperations() {
    let (pool, profile) = (BufferPool(), OperationProfile())
    let pass = Pass(pool: pool, weights: [Float](), recomputes: true, profile: profile)
    let x = Variable(Tensor(Shape(1, 1, 1, 3), [1, 2, 3], in: pool))
    var runs = 0
    let y = pass.recomputed {
      runs += 1
      return pass.add(x, x)
    }
    pass.backward { _ in Issue.record("Nothing was to be recorded.") }
    #expect(Array(y.value.scalars) == [2, 4, 6] && runs == 1)
  }
}
