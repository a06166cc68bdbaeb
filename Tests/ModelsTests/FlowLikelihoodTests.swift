// The likelihood by the flow of a small network: its trace, its noise, what it refuses.

import Diffusion
import Foundation
import Layers
import Models
import Sampling
import Tensors
import TestSupport
import Testing

@Suite struct FlowLikelihoodTests {
  private let pool = BufferPool()
  private let shape = Shape(8, 4, 4, 1)

  private func model(
    _ prediction: Prediction = .epsilon, levels: Int? = nil, variance: ReverseVariance = .fixedLarge
  ) -> DenoisingDiffusion {
    var network = UNetConfiguration()
    (network.channels, network.multipliers, network.blocks) = (4, [1], 1)
    (network.attention, network.groups, network.dropout) = ([4], 2, 0)
    return DenoisingDiffusion(
      network: UNet(
        network, images: ImageShape(height: 4, width: 4, channels: 1),
        outputChannels: variance == .learned ? 2 : 1),
      diffusion: GaussianDiffusion(
        schedule: NoiseSchedule(.linear(from: 0.01, to: 0.5), steps: 10), prediction: prediction,
        variance: variance, levels: levels),
      target: variance == .learned ? .hybrid : .simple)
  }

  private func weights(_ model: DenoisingDiffusion) -> [Float] {
    normals(model.parameters.layout.count, seed: 3, scale: 0.3)
  }

  private var images: [Float] {
    (0..<shape.count).map { i in Float((i * 7 + i / 5) % 17) / 8 - 1 }
  }

  private func likelihoods(
    _ model: DenoisingDiffusion, _ trace: FlowOptions.Trace, images: [Float]? = nil,
    seed: UInt64 = 1, first: Int = 0, tolerance: Double = 1e-4
  ) throws -> [FlowLikelihood] {
    var options = FlowOptions()
    (options.trace, options.integrator.tolerance) = (trace, tolerance)
    let batch = Batch(images: Tensor(shape, images ?? self.images, in: pool))
    return try weights(model).withUnsafeBufferPointer { buffer in
      try model.flowLikelihood(batch, options, Draws(seed: seed, firstImage: first)) {
        Pass(pool: pool, weights: buffer.baseAddress!)
      }
    }
  }

  /// ε̂ and the quadratic forms of its Jacobian between steps, against outputs that are converted
  /// here by hand, and their differences.
  @Test(arguments: [Prediction.epsilon, .x0, .v], [ReverseVariance.fixedLarge, .learned])
  func estimatesAreThoseOfTheNetwork(prediction: Prediction, variance: ReverseVariance) throws {
    let model = model(prediction, variance: variance)
    let times = try model.probabilityFlow().times
    let weights = weights(model)
    let x = (0..<8).map { normals(16, index: $0).map(Double.init) }
    let t = [1, 1.25, 2.5, 3, 5.75, 7.5, 9.875, 10]
    func network(_ x: [[Double]]) -> [[Double]] {
      weights.withUnsafeBufferPointer { buffer in
        let output = model.network(
          Variable(Tensor(shape, x.joined().map(Float.init), in: pool)),
          Conditioning(times: t.map { $0 - 1 }),
          Pass(pool: pool, weights: buffer.baseAddress!)
        ).value
        return x.indices.map { n in
          let (x0, noise) = times.forwardCoefficients(t[n])
          // The first channel, of one or two.
          return x[n].indices.map { i in
            let output = Double(output.image(n)[i * output.shape.c])
            let x = x[n][i]
            return switch prediction {
            case .v: x0 * output + noise * x
            case .x0: (x - x0 * output) / noise
            default: output
            }
          }
        }
      }
    }
    func estimates(_ directions: [[Double]]?) -> ProbabilityFlow.Estimates {
      weights.withUnsafeBufferPointer {
        model.estimates(
          x, t, directions, shape, times, Pass(pool: pool, weights: $0.baseAddress!))
      }
    }
    let plain = estimates(nil)
    #expect(plain.forms == [])
    for (ours, expected) in zip(plain.epsilon.joined(), network(x).joined()) {
      #expect(abs(ours - expected) < 1e-12 * max(1, abs(expected)))
    }
    for seed in 0..<4 {
      let directions = (0..<8).map { n in
        seed == 0
          ? (0..<16).map { $0 == n ? 1.0 : 0 }
          : RandomStream(seed: UInt64(seed), purpose: .probe, shard: n).signs(count: 16)
      }
      let step = 1.0 / 64
      func shifted(_ by: Double) -> [[Double]] {
        network(zip(x, directions).map { zip($0, $1).map { $0 + by * $1 } })
      }
      let (above, below) = (shifted(step), shifted(-step))
      let ours = estimates(directions)
      #expect(ours.epsilon == plain.epsilon)
      for n in 0..<8 {
        let v = directions[n]
        let changes = zip(above[n], below[n]).map { ($0 - $1) / (2 * step) }
        let form = zip(v, changes).reduce(0) { $0 + $1.0 * $1.1 }
        let size = zip(v, changes).reduce(0) { $0 + abs($1.0 * $1.1) }
        #expect(abs(ours.forms[n] - form) < 1e-2 * max(1, size), "\(ours.forms[n]) for \(form)")
      }
    }
  }

  /// The mean over probes is the exact trace, within its standard error.
  @Test func probesAreUnbiased() throws {
    let model = model()
    let exact = try likelihoods(model, .exact)
    let samples = try (1...30).map { try likelihoods(model, .hutchinson(probes: 1), seed: $0) }
    for n in 0..<8 {
      let values = samples.map { $0[n].nats }
      let mean = values.reduce(0, +) / 30
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 29
      let standardError = (variance / 30).squareRoot()
      #expect(
        abs(mean - exact[n].nats) < 4.5 * standardError,
        "\(mean) ± \(standardError) for \(exact[n].nats)")
      #expect(standardError > 0.001)
    }
    // Many probes at once vary less.
    let many = try likelihoods(model, .hutchinson(probes: 30), seed: 99)
    for n in 0..<8 {
      let single = samples.map { abs($0[n].nats - exact[n].nats) }.max()!
      #expect(abs(many[n].nats - exact[n].nats) < single)
    }
  }

  /// An image has the same bits whatever the others of its group are.
  @Test func imagesAreIndependent() throws {
    let model = model(.v, levels: 17)
    let together = try likelihoods(model, .hutchinson(probes: 2))
    var others = normals(shape.count, seed: 9, scale: 0.3)
    others.replaceSubrange(48..<64, with: images[48..<64])
    let among = try likelihoods(model, .hutchinson(probes: 2), images: others)
    #expect(among[3] == together[3])
    #expect((0..<8).allSatisfy { $0 == 3 || among[$0].nats != together[$0].nats })
    // The same picture under another number has other noise and another direction.
    let renumbered = try likelihoods(model, .hutchinson(probes: 2), first: 8)
    #expect((0..<8).allSatisfy { renumbered[$0].nats != together[$0].nats })
    #expect(try likelihoods(model, .hutchinson(probes: 2)) == together)
  }

  /// Grey levels are continuous images with noise of their bin upon them; what is continuous has
  /// no noise.
  @Test func greyLevelsAreSpread() throws {
    let (levels, draws) = (17, Draws(seed: 1, firstImage: 0))
    let spread = try likelihoods(model(levels: levels), .exact)
    var noisy = images
    var largest: Float = 0
    for n in 0..<8 {
      var noise = [Float](repeating: 0, count: 16)
      noise.withUnsafeMutableBufferPointer {
        draws.stream(.dequantization, image: n).fillUniform($0, limit: 1 / 16)
      }
      for i in 0..<16 {
        noisy[16 * n + i] += noise[i]
        largest = max(largest, abs(noise[i]))
      }
    }
    #expect(largest > 0.06 && largest <= 1 / 16)
    let continuous = try likelihoods(model(), .exact, images: noisy)
    for (a, b) in zip(spread, continuous) { #expect(abs(a.nats - b.nats) < 1e-3) }
    #expect(try likelihoods(model(), .exact) == likelihoods(model(), .exact, seed: 2))
    #expect(try likelihoods(model(levels: levels), .exact, seed: 2) != spread)
  }

  /// A density of ½ a scalar gives each bin of width 2/(K−1) the mass 1/(K−1).
  @Test(arguments: [2, 17, 256]) func whatAUniformDensityCosts(levels: Int) {
    let likelihood = FlowLikelihood(nats: 12 * log(0.5), evaluations: 0)
    let cost = likelihood.cost(dimensions: 12, levels: levels)
    #expect(abs(cost - 12 * log(Double(levels - 1))) < 1e-12)
    #expect(likelihood.cost(dimensions: 12, levels: nil) == 12 * log(2))
  }

  /// The method of the list is the likelihood, and counts what it asks of the network.
  @Test func theMethodIsTheLikelihood() throws {
    let model = model(.v, levels: 17)
    var options = EvaluationOptions()
    (options.method, options.draws, options.tolerance) = ("flow", 2, 1e-3)
    let evaluation = try model.evaluation(options)
    #expect(evaluation.facts["tolerance"] == .number(1e-3) && evaluation.notes == [])
    let expected = try likelihoods(model, .hutchinson(probes: 2), tolerance: 1e-3)
    var passes = 0
    let numbers = try weights(model).withUnsafeBufferPointer { buffer in
      try evaluation.measure(
        Batch(images: Tensor(shape, images, in: pool)), Draws(seed: 1, firstImage: 0),
        { Pass(pool: pool, weights: buffer.baseAddress!) }, progress: { passes += 1 })
    }
    #expect(numbers.map { $0[0] } == expected.map { $0.cost(dimensions: 16, levels: 17) })
    #expect(numbers.map { Int($0[1]) } == expected.map(\.evaluations))
    #expect(passes == 2 * expected.map(\.evaluations).max()!)
    let results = evaluation.results(of: Measurements(Array(numbers.joined()), width: 2))
    let mean = numbers.reduce(0) { $0 + $1[0] } / 8
    #expect(results.estimates.count == 1 && abs(results.estimates[0].total.mean - mean) < 1e-9)
    #expect(results.tables[0].rows[0][0] <= results.tables[0].rows[0][1])
  }

  @Test func whatCannotBeFollowedIsRefused() throws {
    func refusal(
      _ prediction: Prediction = .v, change: (inout EvaluationOptions) -> Void
    ) -> EvaluationError? {
      var options = EvaluationOptions()
      options.method = "flow"
      change(&options)
      return #expect(throws: EvaluationError.self) { try model(prediction).evaluation(options) }
    }
    #expect(refusal(.mean) { _ in } == .flowBetweenSteps)
    #expect(throws: EvaluationError.flowBetweenSteps) { try likelihoods(model(.mean), .exact) }
    for draws in [0, -1, 1001] {
      #expect(refusal { $0.draws = draws }?.description.hasPrefix("--draws needs") == true)
    }
    for tolerance in [0, -1, 1, .nan, .infinity] {
      #expect(
        refusal { $0.tolerance = tolerance }?.description.hasPrefix("--tolerance needs") == true)
    }
    #expect(refusal { $0.steps = 3 } == .foreignOption("steps", method: "flow"))
  }
}
