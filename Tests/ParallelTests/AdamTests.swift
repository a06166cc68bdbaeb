// Adam against torch.optim.Adam and AdamW, closed forms, and itself in parts.

import Foundation
import Parallel
import Tensors
import TestSupport
import Testing

@Suite struct AdamTests {
  /// What `Fixtures/record_adam.py` recorded.
  private struct Recording: Decodable {
    struct Step: Decodable {
      let gradient: [Float]
      let rate: Double
      let norm: Double
    }
    let limit: Double
    let emaDecay: Double
    let initial: [Float]
    let steps: [Step]
    let weights: [Float]
    let first: [Float]
    let second: [Float]
    let average: [Float]
  }

  private func isClose(_ x: [Float], _ y: [Float], tolerance: Float) -> Bool {
    x.count == y.count
      && zip(x, y).allSatisfy { abs($0 - $1) <= tolerance * max(abs($0), abs($1)) }
  }

  private func apply(
    _ step: AdamStep, to weights: AlignedFloats, _ gradient: [Float], pieces: Int = 1
  ) {
    let gradient = AlignedFloats(gradient)
    for bucket in 0..<step.bucketCount {
      for piece in (0..<pieces).reversed() {
        step.apply(
          bucket: bucket, piece: piece, of: pieces, weights: weights, gradient: gradient)
      }
    }
  }

  /// Several threads that take a piece each leave the bits of one.
  @Test(arguments: [2, 3, 8]) func piecesChangeNothing(pieces: Int) {
    let count = 3 * ParameterPartition.blockLength + 77
    func run(_ pieces: Int) -> [[Float]] {
      let weights = AlignedFloats((0..<count).map { roughNumber($0, stream: 1) })
      let partition = ParameterPartition(count: count, ranks: 1, bucketBytes: 1)
      let adam = Adam(settings: AdamSettings(), weights: weights, partition: partition, rank: 0)
      for step in 2...4 {
        apply(
          adam.beginStep(learningRate: 0.01, gradientScale: 0.5), to: weights,
          (0..<count).map { roughNumber($0, stream: step) }, pieces: pieces)
      }
      return [weights.values, adam.first.values, adam.second.values, adam.ema.values]
    }
    for (one, several) in zip(run(1), run(pieces)) { #expect(difference(one, several) == nil) }
  }

  @Test func agreesWithTorch() throws {
    let url = try #require(Bundle.module.url(forResource: "Fixtures/adam", withExtension: "json"))
    let recording = try JSONDecoder().decode(Recording.self, from: Data(contentsOf: url))
    var settings = AdamSettings()
    settings.emaDecay = recording.emaDecay
    let weights = AlignedFloats(recording.initial)
    let partition = ParameterPartition(count: weights.count, ranks: 1, bucketBytes: 1)
    let adam = Adam(settings: settings, weights: weights, partition: partition, rank: 0)
    for step in recording.steps {
      let norm = step.gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(abs(norm - step.norm) <= 1e-6 * norm)
      let update = adam.beginStep(
        learningRate: step.rate,
        gradientScale: Adam.clipFactor(norm: norm, limit: recording.limit))
      apply(update, to: weights, step.gradient)
    }
    #expect(adam.steps == recording.steps.count)
    #expect(isClose(weights.values, recording.weights, tolerance: 2e-6))
    #expect(isClose(adam.ema.values, recording.average, tolerance: 2e-6))
    #expect(isClose(adam.second.values, recording.second, tolerance: 2e-6))
    // Moments are sums of both signs: measured against the largest.
    let scale = recording.first.map(abs).max()!
    #expect(zip(adam.first.values, recording.first).allSatisfy { abs($0 - $1) <= 1e-6 * scale })
  }

  /// What `Fixtures/record_adamw.py` recorded.
  private struct DecayRecording: Decodable {
    struct Step: Decodable {
      let gradient: [Float]
      let rate: Double
    }
    let weightDecay: Double
    let decaying: [[Int]]
    let initial: [Float]
    let steps: [Step]
    let weights: [Float]
    let first: [Float]
    let second: [Float]
  }

  /// A hundred steps with a warm-up and the cosine schedule, some tensors without decay.
  @Test func weightDecayAgreesWithTorch() throws {
    let url = try #require(Bundle.module.url(forResource: "Fixtures/adamw", withExtension: "json"))
    let recording = try JSONDecoder().decode(DecayRecording.self, from: Data(contentsOf: url))
    var settings = AdamSettings()
    settings.weightDecay = recording.weightDecay
    let weights = AlignedFloats(recording.initial)
    let adam = Adam(
      settings: settings, weights: weights,
      partition: ParameterPartition(count: weights.count, ranks: 1, bucketBytes: 1), rank: 0,
      decaying: recording.decaying.map { $0[0]..<$0[1] })
    #expect(recording.steps.count == 100)
    for step in recording.steps {
      apply(adam.beginStep(learningRate: step.rate, gradientScale: 1), to: weights, step.gradient)
    }
    #expect(isClose(weights.values, recording.weights, tolerance: 1e-6))
    #expect(isClose(adam.second.values, recording.second, tolerance: 1e-6))
    let scale = recording.first.map(abs).max()!
    #expect(zip(adam.first.values, recording.first).allSatisfy { abs($0 - $1) <= 1e-6 * scale })
    // What decays is visibly smaller than it was, for the gradients' mean is near zero.
    for i in 0..<5 { #expect(abs(weights.values[i]) < abs(recording.initial[i]) + 0.05) }
  }

  /// Without weight decay every weight has the bits of Adam's formula, whatever would decay.
  @Test func noDecayIsAdamBitForBit() {
    let count = 77
    let decaying = [0..<5, 8..<40, 40..<51, 70..<77]
    let initial = (0..<count).map { roughNumber($0, stream: 4) }
    let weights = AlignedFloats(initial)
    let adam = Adam(
      settings: AdamSettings(), weights: weights,
      partition: ParameterPartition(count: count, ranks: 1, bucketBytes: 1), rank: 0,
      decaying: decaying)
    var (w, m, v) = (
      initial, [Float](repeating: 0, count: count), [Float](repeating: 0, count: count)
    )
    for t in 1...5 {
      let gradient = (0..<count).map { roughNumber($0, stream: 4 + t) }
      apply(adam.beginStep(learningRate: 0.01, gradientScale: 0.5), to: weights, gradient)
      let stepSize = Float(0.01 / (1 - pow(0.9, Double(t))))
      let correction = Float(1 / (1 - pow(0.999, Double(t))).squareRoot())
      for i in 0..<count {
        let g = gradient[i] * 0.5
        m[i] += (g - m[i]) * Float(1 - 0.9)
        v[i] = v[i] * Float(0.999) + g * g * Float(1 - 0.999)
        w[i] -= m[i] * stepSize / (v[i].squareRoot() * correction + Float(1e-8))
      }
      #expect(difference(weights.values, w) == nil)
    }
  }

  /// Weight decay and the power averages leave the same bits in pieces, and on several ranks.
  @Test(arguments: [(1, 3), (2, 1), (3, 2), (5, 8)])
  func decayAndAveragesInParts(ranks: Int, pieces: Int) {
    let count = 3 * ParameterPartition.blockLength + 21
    var settings = AdamSettings()
    settings.weightDecay = 0.5
    settings.averages = [0.05, 0.1, 0.25].map(PowerAverage.init)
    // Ends at a block, in the middle of a vector, and tensors that are shorter than one.
    let decaying = [0..<4096, 4101..<4104, 4104..<9999, 12000..<12307]
    let initial = (0..<count).map { roughNumber($0, stream: 50) }
    func run(ranks: Int, pieces: Int) -> [[Float]] {
      let partition = ParameterPartition(count: count, ranks: ranks, bucketBytes: 32768)
      let weights = AlignedFloats(initial)
      let averages = settings.averages.map { _ in AlignedFloats(count: count) }
      for rank in 0..<ranks {
        let adam = Adam(
          settings: settings, weights: AlignedFloats(initial), partition: partition, rank: rank,
          decaying: decaying)
        for step in 0..<3 {
          let gradient = (0..<count).map { roughNumber($0, stream: 60 + step) }
          apply(
            adam.beginStep(learningRate: 0.01, gradientScale: 0.3), to: weights, gradient,
            pieces: pieces)
        }
        for (owned, whole) in zip(adam.averages, averages) { owned.copy(to: whole) }
      }
      return [weights.values] + averages.map(\.values)
    }
    let (one, many) = (run(ranks: 1, pieces: 1), run(ranks: ranks, pieces: pieces))
    for (x, y) in zip(one, many) { #expect(difference(x, y) == nil) }
    // 1 − ηλ a step, where it decays and the gradient is the same: the decay is not lost.
    settings.weightDecay = 0
    let without = run(ranks: 1, pieces: 1)
    let ranges = Set(decaying.flatMap { $0 })
    for i in stride(from: 0, to: count, by: 7) {
      #expect((one[0][i] != without[0][i]) == ranges.contains(i), "\(i)")
    }
  }

  /// With t = 1 both corrections cancel the decays: the step is η g/(|g| + ε).
  @Test func theFirstStepInClosedForm() {
    let gradient: [Float] = [3, -0.25, 1e-8, 0, -1e-12]
    let weights = AlignedFloats([1, 1, 1, 1, 1])
    var settings = AdamSettings()
    settings.emaDecay = 0.75
    let partition = ParameterPartition(count: 5, ranks: 1, bucketBytes: 1)
    let adam = Adam(settings: settings, weights: weights, partition: partition, rank: 0)
    apply(adam.beginStep(learningRate: 0.5, gradientScale: 2), to: weights, gradient)
    for (i, g) in gradient.enumerated() {
      let moved = 0.5 * 2 * Double(g) / (2 * abs(Double(g)) + 1e-8)
      #expect(abs(Double(weights.values[i]) - (1 - moved)) < 1e-5)
      #expect(abs(Double(adam.ema.values[i]) - (1 - 0.25 * moved)) < 1e-5)
    }
  }

  @Test func theClipFactor() {
    #expect(Adam.clipFactor(norm: 0.5, limit: 1) == 1)
    #expect(Adam.clipFactor(norm: 0, limit: 1) == 1)
    #expect(abs(Adam.clipFactor(norm: 4, limit: 1) - 0.25) < 1e-6)
  }

  /// The ranks' parts together are what one rank computes, bit for bit.
  @Test(arguments: [2, 3, 5]) func partsEqualTheWhole(ranks: Int) {
    let count = 3 * ParameterPartition.blockLength + 21
    let initial = (0..<count).map { roughNumber($0, stream: 50) }
    func run(ranks: Int) -> [[Float]] {
      let partition = ParameterPartition(count: count, ranks: ranks, bucketBytes: 32768)
      let weights = AlignedFloats(initial)
      let average = AlignedFloats(count: count)
      let second = AlignedFloats(count: count)
      for rank in 0..<ranks {
        let adam = Adam(
          settings: AdamSettings(), weights: AlignedFloats(initial), partition: partition,
          rank: rank)
        for step in 0..<3 {
          let gradient = (0..<count).map { roughNumber($0, stream: 60 + step) }
          let update = adam.beginStep(learningRate: 0.01, gradientScale: 0.3)
          apply(update, to: weights, gradient)
        }
        adam.ema.copy(to: average)
        adam.second.copy(to: second)
      }
      return [weights.values, average.values, second.values]
    }
    let one = run(ranks: 1)
    let many = run(ranks: ranks)
    for (x, y) in zip(one, many) { #expect(difference(x, y) == nil) }
    #expect(one[0] != initial)
  }

  /// Memory is 1/R: the owned parts add up to one copy of each buffer.
  @Test func memoryIsShared() {
    let partition = ParameterPartition(count: 100_000, ranks: 4, bucketBytes: 65536)
    let weights = AlignedFloats(count: 100_000)
    let counts = (0..<4).map { rank in
      Adam(settings: AdamSettings(), weights: weights, partition: partition, rank: rank)
        .first.count
    }
    #expect(counts.reduce(0, +) == 100_000)
    #expect(counts.max()! < 35_000)
  }
}
