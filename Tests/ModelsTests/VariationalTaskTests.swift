// What is made with a variational diffusion model: images by every sampler, tasks, and the bound of images.

import Diffusion
import Foundation
import Layers
import Models
import Sampling
import Tensors
import TestSupport
import Testing

@Suite struct VariationalTaskTests {
  private let pool = BufferPool()

  private func draw(
    _ model: VariationalDiffusion, given: Tensor? = nil,
    _ change: (inout GenerationOptions) -> Void
  ) throws -> (images: [Float], generation: any Generation) {
    var options = GenerationOptions()
    options.seed = 3
    change(&options)
    let generation = try model.generation(options)
    var evaluations = 0
    let drawn = try model.randomWeights().withUnsafeBufferPointer { weights in
      try generation.draw(8..<16, given: given) {
        Pass(pool: pool, weights: weights.baseAddress!)
      } observe: { _ in
        evaluations += 1
      }
    }
    if let expected = generation.evaluations { #expect(evaluations == expected) }
    return (Array(drawn.images.scalars), generation)
  }

  /// A model whose interior is not linear.
  private var learned: VariationalDiffusion {
    var model = tinyVariational(learning: .monotone, fourierExponents: [1, 2])
    model.state = [
      "gamma_losses": (0..<64).map { exp(-Double($0) / 12) },
      "gamma_visits": Array(repeating: 20, count: 64),
    ]
    return model
  }

  // MARK: Images

  /// Ancestral sampling is z_s = (α_s/α_t)(z_t − c σ_t ε̂) + σ_s √c ξ, c = 1 − e^{γ_s−γ_t}, and at its end
  /// x̂ of z_0; the network is told the level.
  @Test func ancestralIsKingmas() throws {
    let model = tinyVariational(steps: 6, fourierExponents: [3, 4])
    let weights = model.randomWeights()
    let ours = try draw(model) { $0.clipping = Clipping.none }
    #expect(ours.generation.evaluations == 7)
    let z = Tensor(Shape(8, 4, 4, 1), in: pool)
    let noise = SampleNoise(seed: 3, images: 8..<16)
    noise.fillStart(z)
    func predicted(_ gamma: Double) -> Tensor {
      weights.withUnsafeBufferPointer {
        model.network(
          Variable(z), Conditioning(times: Array(repeating: 1000 * (gamma + 6) / 10, count: 8)),
          Pass(pool: pool, weights: $0.baseAddress!)
        ).value
      }
    }
    let fresh = Tensor(Shape(1, 4, 4, 1), in: pool)
    for i in (0...6).reversed() {
      let t = -6 + 10 * Double(i) / 6
      let (kept, deviation) = forwardCoefficients(gamma: t)
      let epsilon = predicted(t)
      for n in 0..<8 {
        if i > 0 { noise.fill(fresh.scalars, image: n, step: i + 1) }
        for k in 0..<16 {
          let (own, guess) = (Double(z.image(n)[k]), Double(epsilon.image(n)[k]))
          guard i > 0 else {
            z.image(n)[k] = Float((own - deviation * guess) / kept)
            continue
          }
          let s = -6 + 10 * Double(i - 1) / 6
          let (keptBefore, deviationBefore) = forwardCoefficients(gamma: s)
          let c = 1 - exp(s - t)
          z.image(n)[k] = Float(
            keptBefore / kept * (own - c * deviation * guess)
              + deviationBefore * c.squareRoot() * Double(fresh.scalars[k]))
        }
      }
    }
    for (a, b) in zip(ours.images, z.scalars) { #expect(abs(a - b) < 1e-4 * max(1, abs(b))) }
  }

  @Test(arguments: SamplerKind.all.map(\.name))
  func everySamplerFollowsItsSchedule(name: String) throws {
    func images() throws -> [Float] {
      try draw(learned) {
        $0.sampler = name
        $0.samplerOptions.steps = name == "rk45" ? 200 : 5
        if name == "rk45" { $0.samplerOptions.tolerance = 1e-2 }
      }.images
    }
    guard name != "analytic-ddim" else {
      #expect(throws: VariationalDiffusionError.analyticVariance) { try images() }
      return
    }
    let first = try images()
    #expect(first.allSatisfy { $0.isFinite && abs($0) <= 1 } && Set(first).count > 20)
    #expect(try images() == first)
  }

  /// With a thousand steps all ways without noise lead to the same place.
  @Test func theFlowIsOne() throws {
    let names = ["ddim", "heun", "dpm-solver++"]
    let ends = try names.map { name in
      try draw(tinyVariational(to: 3, fourierExponents: [])) {
        ($0.sampler, $0.clipping) = (name, Clipping.none)
        $0.samplerOptions.steps = name == "ddim" ? 1001 : 200
      }.images
    }
    for other in ends.dropFirst() {
      for (a, b) in zip(ends[0], other) { #expect(abs(a - b) < 0.02 * max(1, abs(b))) }
    }
  }

  @Test func everyTask() throws {
    let given = greyImages(8, in: pool).images
    for task in [
      GenerationTask.images(from: .between(1, 2, frames: 4)), .variation(noiseLevel: 300),
      .reconstruction,
      .inpainting(mask: (0..<16).map { $0 % 2 == 0 }, repeats: 2),
    ] {
      let drawn = try draw(learned, given: task.needsImages ? given : nil) {
        $0.task = task
        $0.samplerOptions.steps = 4
      }
      #expect(drawn.images.allSatisfy { $0.isFinite }, "\(task)")
      if case .inpainting = task {
        for (i, (a, b)) in zip(drawn.images, given.scalars).enumerated() where i % 2 == 1 {
          #expect(a == b)
        }
      }
    }
    #expect(throws: GenerationError.invalidNoiseLevel(1002, steps: 1001)) {
      try draw(learned, given: given) { $0.task = .variation(noiseLevel: 1002) }
    }
  }

  /// A conditional model is told classes, and guided.
  @Test func aConditionalModelIsGuided() throws {
    let model = tinyVariational(condition: .classes(3), conditionDrop: 0.2)
    func images(_ scale: Double) throws -> [Float] {
      try draw(model) {
        ($0.conditions, $0.guidance.scale) = ([.label(1)], scale)
        $0.samplerOptions.steps = 4
      }.images
    }
    #expect(try images(1) != images(3))
    let dropped = tinyVariational(condition: .classes(3))
    #expect(throws: GuidanceError.neverDropped) {
      try draw(dropped) { ($0.conditions, $0.guidance.scale) = ([.label(1)], 3) }
    }
  }

  // MARK: The bound

  private func evaluate(
    _ model: VariationalDiffusion, _ batch: Batch, weights: [Float], first: Int = 16,
    _ change: (inout EvaluationOptions) -> Void = { _ in }
  ) throws -> EvaluationResults {
    var options = EvaluationOptions()
    change(&options)
    let evaluation = try model.evaluation(options)
    var asked = 0
    let rows = try weights.withUnsafeBufferPointer { weights in
      try evaluation.measure(
        batch, Draws(seed: 9, firstImage: first),
        { Pass(pool: pool, weights: weights.baseAddress!) }, progress: { asked += 1 })
    }
    if let expected = evaluation.evaluations { #expect(asked == expected) }
    #expect(rows.count == batch.count && rows.allSatisfy { $0.count == evaluation.width })
    return evaluation.results(of: Measurements(rows.flatMap(\.self), width: evaluation.width))
  }

  /// For a network that says ε̂ = 0 the diffusion term is ½ (γ_1 − γ_0) d, and T steps cost more.
  @Test(arguments: [nil, 17] as [Int?])
  func theBoundByHand(levels: Int?) throws {
    let model = tinyVariational(levels: levels)
    let batch = greyImages(8, in: pool)
    let results = try evaluate(model, batch, weights: model.constantWeights(0)) {
      ($0.steps, $0.draws) = (5, 400)
    }
    #expect(results.estimates.map(\.name) == ["continuous time", "5 steps"])
    #expect(results.tables.count == 1 && results.tables[0].rows[0].count == 2)
    let bound = VariationalTerms(GammaSchedule(from: -6, to: 4), levels: levels)
    // ½ T (e² − 1) d for five rises of 2.
    for (estimate, expected) in zip(results.estimates, [5.0 * 16, 2.5 * expm1(2) * 16]) {
      #expect(estimate.terms == ["reconstruction", "diffusion", "prior"])
      #expect(difference(estimate.means[1], expected) < 0.01, "\(estimate.means)")
      let prior = (0..<8).reduce(0) { $0 + bound.prior(x: batch.images.image($1).span).nats } / 8
      #expect(difference(estimate.means[2], prior) < 1e-12)
      if levels == nil {
        // ½ d (log 2πe + γ_0).
        #expect(difference(estimate.means[0], 8 * (log(2 * Double.pi) + 1 - 6)) < 0.02)
      } else {
        // With noise of the test's own.
        let nats = (0..<8).reduce(0.0) { sum, n in
          let noise = normals(100 * 16, seed: 77, index: n)
          return sum
            + (0..<100).reduce(0.0) {
              $0
                + bound.reconstruction(
                  x: batch.images.image(n).span,
                  noise: Array(noise[$1 * 16..<($1 + 1) * 16]).span
                ).nats / 800
            }
        }
        #expect(difference(estimate.means[0], nats) < 0.05 && nats > 3)
      }
    }
  }

  /// An image is measured by itself: its numbers are the same in any place of any group.
  @Test func anImageIsMeasuredAlone() throws {
    let model = learned
    let (weights, whole) = (model.randomWeights(), greyImages(16, in: pool))
    let half = Batch(
      images: Tensor(Shape(8, 4, 4, 1), Array(whole.images.scalars[128...]), in: pool))
    let all = try evaluate(model, whole, weights: weights)
    let part = try evaluate(model, half, weights: weights, first: 24)
    #expect(Array(all.estimates[0].totals[8...]) == part.estimates[0].totals)
  }

  /// Many times of one image agree with training's loss of many images that are the same.
  @Test func evaluationIsTheLossOfTraining() throws {
    let model = learned
    let (weights, batch) = (model.randomWeights(), greyImages(8, in: pool))
    let found = try evaluate(model, batch, weights: weights) { $0.draws = 500 }.estimates[0].total
    var moments = Moments()
    for step in 0..<500 {
      let losses = weights.withUnsafeBufferPointer {
        model.loss(
          batch, Draws(seed: 1, step: step, shard: 0, of: 1),
          Pass(pool: pool, weights: $0.baseAddress!))
      }
      moments.add(losses.terms.reduce(0, +) * 16 * M_LN2)
    }
    #expect(abs(found.mean - moments.mean) < 5 * moments.standardError + 0.01 * found.mean)
  }

  /// The likelihood by the flow is that of its chain.
  @Test func theFlowHasALikelihood() throws {
    let model = tinyVariational(from: -4, to: 3, fourierExponents: [0])
    let results = try evaluate(
      model, greyImages(8, in: pool), weights: model.randomWeights(scale: 0.1)
    ) {
      ($0.method, $0.tolerance) = ("flow", 1e-2)
    }
    #expect(results.estimates[0].name == "flow" && results.estimates[0].total.mean.isFinite)
  }

  @Test func whatCannotBeEvaluatedIsRefused() throws {
    let model = tinyVariational()
    func refusal(_ change: (inout EvaluationOptions) -> Void) -> String? {
      var options = EvaluationOptions()
      change(&options)
      do {
        _ = try model.evaluation(options)
        return nil
      } catch {
        return "\(error)"
      }
    }
    #expect(refusal { $0.method = "neighbours" }?.contains("choose bound or flow") == true)
    #expect(refusal { $0.variances = [.fixedSmall] }?.contains("no use for --variance") == true)
    #expect(refusal { $0.clipping = true }?.contains("no use for --clip") == true)
    #expect(refusal { $0.draws = 0 }?.contains("--draws needs") == true)
    #expect(refusal { $0.steps = 0 }?.contains("--steps needs") == true)
    #expect(refusal { $0.condition = .given }?.contains("without a condition") == true)
    let conditional = tinyVariational(condition: .classes(2))
    #expect(try conditional.evaluation(EvaluationOptions()).evaluations == 32)
    // A model of T steps is evaluated over them, too.
    #expect(try tinyVariational(steps: 3).evaluation(EvaluationOptions()).evaluations == 32)
  }
}
