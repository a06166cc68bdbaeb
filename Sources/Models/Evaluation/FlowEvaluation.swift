// The likelihood by the probability flow: a second opinion beside the bounds.

import Layers
import Tensors

extension DenoisingDiffusion.EvaluationMethod {
  /// −log p(x) of the flow, which is no bound.
  static let flow = Self(
    "flow",
    help: "the likelihood by the probability flow, which has no noise (Song et al. 2021, sec. 4.3)",
    options: ["draws", "tolerance"]
  ) { model, options in
    try FlowEvaluation(model, options)
  }
}

/// −log p of each image by the flow, and how often the network was asked.
private struct FlowEvaluation: Evaluation {
  private let model: DenoisingDiffusion
  private let probes: Int
  private let options: FlowOptions
  private let lastStep: Int

  init(_ model: DenoisingDiffusion, _ options: EvaluationOptions) throws {
    self.model = model
    probes = options.draws ?? 1
    var flow = FlowOptions()
    flow.trace = .hutchinson(probes: probes)
    if let tolerance = options.tolerance { flow.integrator.tolerance = tolerance }
    try flow.check()
    self.options = flow
    lastStep = try model.probabilityFlow().times.lastStep
  }

  let evaluations: Int? = nil
  let width = 2

  var facts: [String: Fact] {
    [
      "method": .text("flow"), "draws": .integer(probes),
      "tolerance": .number(options.integrator.tolerance), "steps": .integer(lastStep),
    ]
  }

  /// Where the flow begins, if not at T.
  var notes: [String] {
    let steps = model.diffusion.schedule.steps
    if lastStep == steps { return [] }
    return [
      "Nothing is left of an image at step \(steps), where a flow cannot begin: it begins at step "
        + "\(lastStep)."
    ]
  }

  func measure(
    _ batch: Batch, _ draws: Draws, _ makePass: () -> Pass, progress: () -> Void
  ) throws -> [[Double]] {
    let likelihoods = try model.flowLikelihood(batch, options, draws) {
      defer { progress() }
      return makePass()
    }
    return likelihoods.map {
      [
        $0.cost(dimensions: model.network.images.count, levels: model.diffusion.levels),
        Double($0.evaluations),
      ]
    }
  }

  func results(of measurements: Measurements) -> EvaluationResults {
    var results = EvaluationResults([
      .init("flow", terms: ["-log p"], images: measurements.count) { n, _ in measurements[n, 0] }
    ])
    let counts = (0..<measurements.count).map { measurements[$0, 1] }
    results.tables = [
      .init(
        "evaluations of the network for an image", columns: ["fewest", "mean", "most"],
        rows: [[counts.min() ?? 0, measurements.mean(1), counts.max() ?? 0]])
    ]
    return results
  }
}
