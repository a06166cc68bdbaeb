// The probability flow by an adaptive method: each image takes the steps that it needs.

import Diffusion
import Tensors

extension SamplerKind {
  static let rk45 = SamplerKind(
    "rk45",
    help: "the probability flow, adaptive: each image takes the steps that it needs "
      + "(Song et al. 2021b, section 4.3)",
    options: ["tolerance"], hasGrid: false
  ) { process, options in try RK45(process, options) }
}

/// The probability flow (`ProbabilityFlow`) from T down to the first step, where x̂_0 is emitted.
///
/// Where nothing is left of an image at T, σ̃ is infinite there, and DDIM takes the step to T − 1.
struct RK45: Sampler {
  private let schedule: NoiseSchedule
  private let flow: ProbabilityFlow
  private let integrator: DormandPrince
  private let limit: Int
  /// Where the way begins, if not at T.
  private let lastStep: Int?
  let notes: [String]

  /// - Throws: `SamplerError.wholeStepsOnly`.
  init(_ process: SampledProcess, _ options: SamplerOptions) throws(SamplerError) {
    try process.requireRealTimes(for: "rk45")
    let whole = process.schedule
    schedule = process.solved(on: nil).schedule
    notes = process.solverNotes(on: nil).map { $0.prefix { $0 != ";" } + "." }
    lastStep = schedule.steps < whole.steps ? schedule.steps : nil
    flow = ProbabilityFlow(ContinuousTime(schedule))
    limit = options.steps ?? 1000
    // A step takes six evaluations, and two choose the first one.
    integrator = DormandPrince(
      tolerance: options.tolerance ?? 1e-5, maximumEvaluations: 6 * limit + 2)
  }

  let evaluations: Int? = nil

  var facts: [String: Fact] {
    var facts: [String: Fact] = [
      "sampler": .text("rk45"), "tolerance": .number(integrator.tolerance),
      "steps": .integer(limit),
    ]
    if let lastStep { facts["last_step"] = .integer(lastStep) }
    return facts
  }

  func run(
    _ x: Tensor, _ noise: SampleNoise, _ pool: BufferPool, denoise: Denoise
  ) throws(IntegrationError) {
    let times = flow.times
    if times.lastStep < schedule.steps {
      let x0 = denoise(x, x.times(Double(schedule.steps))).x0
      let end = times.forwardCoefficients(Double(times.lastStep))
      LinearStep(x: end.noise, x0: [end.x0]).apply(to: x, [x0], into: x)
    }
    var points = (0..<x.shape.n).map { DormandPrince.Point(x: x.image($0).map(Double.init)) }
    let xt = Tensor(x.shape, in: pool)
    _ = try flow.move(
      &points, from: times.range.upperBound, to: times.range.lowerBound, integrator
    ) { images, t, _ in
      for (n, image) in images.enumerated() {
        _ = xt.image(n).update(from: image.lazy.map(Float.init))
      }
      let x0 = denoise(xt, t).x0
      // ε̂ of the x_t that the network has seen.
      let epsilon = images.indices.map { n in
        let (x0Factor, noise) = times.forwardCoefficients(t[n])
        return zip(xt.image(n), x0.image(n)).map { (Double($0) - x0Factor * Double($1)) / noise }
      }
      return ProbabilityFlow.Estimates(epsilon: epsilon)
    }
    for (n, point) in points.enumerated() {
      _ = xt.image(n).update(from: point.x.lazy.map(Float.init))
    }
    LinearStep(x: 0, x0: [1]).apply(to: xt, [denoise(xt, x.times(1)).x0], into: x)
  }
}
