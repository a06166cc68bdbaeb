// The bound of models with latents against closed forms: linear networks and normal distributions.

import Diffusion
import Foundation
import Layers
import Models
import Tensors
import TestSupport
import Testing

@Suite struct LatentBoundTests {
  private let pool = BufferPool()

  // MARK: What is known of a chain of linear networks

  /// The Gauss–Hermite rule of three nodes, exact for what a linear chain costs: expectations without
  /// random numbers.
  private static let rule: [(node: Float, weight: Double)] = [
    (-Float(3).squareRoot(), 1.0 / 6), (0, 2.0 / 3), (Float(3).squareRoot(), 1.0 / 6),
  ]

  /// E −log p(x|z_1) and what each layer costs, of one image.
  private func costs(
    _ model: LatentVariableModel, _ weights: [Float], _ x: [Float],
    also receive: ([LatentChain.Layer], [Double]) -> Void = { _, _ in }
  ) -> [Double] {
    let layers = model.chain.latents.count
    let latents = model.chain.latents.reduce(0) { $0 + $1.count }
    let rows = Int(pow(3.0, Double(latents)))
    func place(_ row: Int, _ latent: Int) -> (node: Float, weight: Double) {
      Self.rule[row / Int(pow(3.0, Double(latent))) % 3]
    }
    let shares = (0..<rows).map { row in
      (0..<latents).reduce(1.0) { $0 * place(row, $1).weight }
    }
    let shape = model.chain.images
    let images = Tensor(
      Shape(rows, shape.height, shape.width, shape.channels),
      (0..<rows).flatMap { _ in x }, in: pool)
    return weights.withUnsafeBufferPointer { weights in
      let pass = Pass(pool: pool, weights: weights.baseAddress!)
      let inferred = model.chain.infer(
        Variable(images),
        .given { layer, noise in
          let first = model.chain.latents.prefix(layer - 1).reduce(0) { $0 + $1.count }
          for row in 0..<rows {
            for k in 0..<noise.shape.c { noise.image(row)[k] = place(row, first + k).node }
          }
        }, pass)
      let decoded = model.chain.decode(inferred[0].z, pass)
      let reconstruction = model.distribution.cost(
        of: images, mean: decoded.mean, logDeviation: nil, weight: 1, pass)
      let divergences = inferred.indices.map {
        model.divergences(inferred[$0], isLast: $0 == layers - 1, weight: 1, pass)
      }
      receive(inferred, shares)
      return ([reconstruction] + divergences).map { zip($0, shares).reduce(0) { $0 + $1.0 * $1.1 } }
    }
  }

  /// What the soft bound on log σ turns into ℓ.
  private func unbounded(_ logDeviation: Double) -> Float {
    func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }
    var (low, high) = (-40.0, 40.0)
    for _ in 0..<200 {
      let middle = (low + high) / 2
      if -7 + softplus(middle + 7) - softplus(middle - 5) < logDeviation {
        low = middle
      } else {
        high = middle
      }
    }
    return Float(low)
  }

  /// A model of linear networks, and its weights, all 0 but those that are named.
  private func linear(
    _ images: ImageShape, latents: [Int], _ inference: LatentConfiguration.Inference = .bottomUp,
    sigma: Double, levels: Int? = nil, _ named: [String: [Float]]
  ) -> (LatentVariableModel, [Float]) {
    var chain = LatentConfiguration()
    (chain.latents, chain.depth, chain.inference) = (latents, 0, inference)
    let model = LatentVariableModel(
      chain, images: images,
      ImageDistribution(
        levels == nil ? .normal : .discretizedNormal, deviation: .fixed, sigma: sigma,
        levels: levels))
    var weights = [Float](repeating: 0, count: model.parameters.layout.count)
    for (name, values) in named {
      let range = model.parameters.layout.entries.first { $0.name == name }!.range
      weights.replaceSubrange(range, with: values)
    }
    return (model, weights)
  }

  // MARK: One layer

  /// Probabilistic PCA with W = (1, ½), μ = (0.2, −0.1), σ² = ¼ at x = (1, 0) (Tipping, Bishop 1999): with the
  /// exact posterior the bound is log p(x), and with another one it is less by the divergence between them.
  @Test func probabilisticPCA() {
    let decoder = ["decoder/out/W": [1, 0.5], "decoder/out/b": [0.2, -0.1]] as [String: [Float]]
    func bound(mean: Double, variance: Double, slope: [Float] = [0, 0]) -> Double {
      let encoder: [String: [Float]] = [
        "posterior_1/W": [slope[0], 0, slope[1], 0],
        "posterior_1/b": [Float(mean), unbounded(0.5 * log(variance))],
      ]
      let (model, weights) = linear(
        ImageShape(height: 1, width: 2, channels: 1), latents: [1], sigma: 0.5,
        decoder.merging(encoder) { $1 })
      return -costs(model, weights, [1, 0]).reduce(0, +)
    }
    let truth = -1.684129106570
    // M⁻¹ Wᵀ (x − μ) with M = 3/2; the encoder is told x.
    let exact = bound(
      mean: -(0.2 - 0.05) / 1.5, variance: 1.0 / 6, slope: [1 / 1.5, 0.5 / 1.5])
    #expect(abs(exact - truth) < 1e-6)
    #expect(abs(bound(mean: 0.3, variance: 0.5) - -2.348156295570) < 1e-6)
  }

  /// The weighted bound of K draws: L_1 ≤ L_2 ≤ L_3 as by quadrature; and with the exact posterior log p(x)
  /// for any draw at all.
  @Test func importanceWeights() throws {
    let decoder = ["decoder/out/W": [1, 0.5], "decoder/out/b": [0.2, -0.1]] as [String: [Float]]
    func weighted(_ encoder: [String: [Float]], samples: Int, groups: Int) throws -> [Double] {
      let (model, weights) = linear(
        ImageShape(height: 1, width: 2, channels: 1), latents: [1], sigma: 0.5,
        decoder.merging(encoder) { $1 })
      let batch = Batch(
        images: Tensor(Shape(8, 1, 2, 1), (0..<8).flatMap { _ in [1, 0] as [Float] }, in: pool))
      var options = EvaluationOptions()
      options.importanceSamples = samples
      let evaluation = try model.evaluation(options)
      return try weights.withUnsafeBufferPointer { weights in
        try (0..<groups).flatMap { group in
          try evaluation.measure(batch, Draws(seed: 1, firstImage: 8 * group)) {
            Pass(pool: pool, weights: weights.baseAddress!)
          } progress: {
          }.map { -$0[2] }
        }
      }
    }
    let exact: [String: [Float]] = [
      "posterior_1/W": [1 / 1.5, 0, 0.5 / 1.5, 0],
      "posterior_1/b": [-0.1, unbounded(0.5 * log(1.0 / 6))],
    ]
    for samples in [1, 3, 40] {
      for bound in try weighted(exact, samples: samples, groups: 1) {
        #expect(abs(bound - -1.684129106570) < 1e-5)
      }
    }
    let other: [String: [Float]] = ["posterior_1/b": [0.3, unbounded(0.5 * log(0.5))]]
    for (samples, expected) in [(1, -2.348156296), (2, -1.886840877), (3, -1.792405426)] {
      let bounds = try weighted(other, samples: samples, groups: 2500)
      let mean = bounds.reduce(0, +) / 20_000
      let squares = bounds.reduce(0) { $0 + pow($1 - mean, 2) }
      let error = (squares / 20_000 / 19_999).squareRoot()
      #expect(abs(mean - expected) < 4 * error, "K = \(samples): \(mean) ± \(error)")
      #expect(error < 0.02)
    }
  }

  // MARK: Two layers

  private let dot = ImageShape(height: 1, width: 1, channels: 1)

  /// p(z_2) = N(0, 1), p(z_1|z_2) = N(0.8 z_2, 0.36), p(x|z_1) = N(1.5 z_1, 0.25).
  private var generator: [String: [Float]] {
    [
      "prior_1/W": [0.8, 0], "prior_1/b": [0, unbounded(log(0.6))], "decoder/out/W": [1.5],
      "decoder/out/b": [0],
    ]
  }

  /// The chain in both orders with its exact posterior at x = 1: log p(x), term by term.
  @Test func twoLayersInBothOrders() {
    let up: [String: [Float]] = [
      "posterior_1/b": [0.6, unbounded(0.5 * log(0.1))], "posterior_2/W": [0.8, 0],
      "posterior_2/b": [0, unbounded(log(0.6))],
    ]
    let (upward, upWeights) = linear(
      dot, latents: [1, 1], sigma: 0.5, generator.merging(up) { $1 })
    let terms = costs(upward, upWeights, [1])
    for (term, expected) in zip(
      terms, [0.695791353, 0.810912909 - 0.267645987, 1.246138533 - 0.908112909])
    {
      #expect(abs(term - expected) < 1e-6)
    }
    #expect(abs(terms.reduce(0, +) - 1.577083899142) < 1e-6)

    // From above: q(z_2|x) = N(0.48, 0.424), and what x says of z_1, N(2/3, 1/9), merged with the prior.
    let down: [String: [Float]] = [
      "posterior_1/b": [2.0 / 3, unbounded(-log(3))],
      "posterior_2/b": [0.48, unbounded(0.5 * log(0.424))],
    ]
    let (downward, downWeights) = linear(
      dot, latents: [1, 1], .topDown, sigma: 0.5, generator.merging(down) { $1 })
    let parts = costs(downward, downWeights, [1])
    for (part, expected) in zip(parts, [0.695791353, 0.625081635, 0.256210912]) {
      #expect(abs(part - expected) < 1e-6)
    }
    #expect(abs(parts.reduce(0, +) - 1.577083899142) < 1e-6)
  }

  /// The trap of the bottom-up order: KL(q(z_1|x) ‖ p(z_1|z_2)) with the z_2 that was drawn from this z_1 is
  /// no term of the bound. With q(z_1) = N(0.4, 0.2) and q(z_2|z_1) = N(z_1/2, ½) it is too large by
  /// a c v/s² = 0.8 · 0.5 · 0.2/0.36.
  @Test func theTrapOfNeighbouringLayers() {
    let other: [String: [Float]] = [
      "posterior_1/b": [0.4, unbounded(0.5 * log(0.2))], "posterior_2/W": [0.5, 0],
      "posterior_2/b": [0, unbounded(0.5 * log(0.5))],
    ]
    let (model, weights) = linear(
      dot, latents: [1, 1], sigma: 0.5, generator.merging(other) { $1 })
    var trap = 0.0
    let terms = costs(model, weights, [1]) { layers, shares in
      for (row, share) in shares.enumerated() {
        let difference = Double(layers[0].prior!.mean.value.pointer[row]) - 0.4
        trap +=
          share
          * klNormal(
            squaredDistance: difference * difference, variance: 0.2, reference: 0.36, dimensions: 1)
      }
    }
    #expect(abs(terms.reduce(0, +) - 2.005702719820) < 1e-6)
    #expect(abs(trap - terms[1] - 0.222222222) < 1e-6)
  }

  // MARK: A diffusion model is one of these

  /// With the fixed encoder of a noise schedule, x_t in the place of z_t, and the means and variances of the
  /// reverse process in that of the generator, the chain's bound is that of `GaussianDiffusion`; and with one
  /// step it is a VAE.
  @Test(arguments: [1, 2, 4], [nil, 17])
  func aDiffusionModelIsAHierarchicalVAE(_ steps: Int, _ levels: Int?) {
    let diffusion = GaussianDiffusion(
      schedule: NoiseSchedule(.linear(from: 0.2, to: 0.7), steps: max(2, steps)), levels: levels)
    // A chain of one step has the first β alone.
    let schedule = steps == 1 ? NoiseSchedule(betas: [0.2]) : diffusion.schedule
    let process = GaussianDiffusion(schedule: schedule, levels: levels)
    let (slope, bias): (Float, Float) = (0.6, 0.05)
    // The network says ε̂ = slope · x_t + bias.
    func mean(_ t: Int) -> (slope: Float, bias: Float) {
      let toMean = process.prediction.conversion(to: .mean, at: t, of: schedule)
      return (
        Float(toMean.scale * Double(slope) + toMean.xt), Float(toMean.scale * Double(bias))
      )
    }
    var named: [String: [Float]] = [
      "decoder/out/W": [mean(1).slope], "decoder/out/b": [mean(1).bias],
    ]
    for t in 1...steps {
      named["posterior_\(t)/W"] = [Float(schedule.alpha(t).squareRoot()), 0]
      named["posterior_\(t)/b"] = [0, unbounded(0.5 * log(schedule.beta(t)))]
    }
    for t in 1..<steps {
      named["prior_\(t)/W"] = [mean(t + 1).slope, 0]
      named["prior_\(t)/b"] = [
        mean(t + 1).bias, unbounded(0.5 * log(process.reverseVariance(t + 1))),
      ]
    }
    let (model, weights) = linear(
      dot, latents: Array(repeating: 1, count: steps),
      sigma: process.reverseVariance(1).squareRoot(), levels: levels, named)
    let x: Float = 0.375
    let chain = costs(model, weights, [x])

    // The same expectation, with x_t drawn from q(x_t|x_0) at once.
    var bound = [process.terminalTerm(x0: [x].span)]
    for t in 1...steps {
      let forward = schedule.forwardCoefficients(t)
      // L_0 of grey levels is no polynomial: the chain's own draws, x_1 from x_0, have the same nodes.
      bound.append(
        Self.rule.reduce(0) { sum, point in
          let xt = [Float(forward.x0 * Double(x) + forward.noise * Double(point.node))]
          let output = [slope * xt[0] + bias]
          return sum
            + point.weight
            * process.boundTerm(t: t, x0: [x].span, xt: xt.span, output: output.span)
        })
    }
    let (chainBound, total) = (chain.reduce(0, +), bound.reduce(0, +))
    #expect(abs(chainBound - total) < 2e-5 * max(1, total))
    #expect(abs(chain[0] - bound[1]) < 1e-5)
  }
}
