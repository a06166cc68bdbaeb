// Γ_t, the mean square of the predicted noise at each t: all that the analytic variance needs.

import Diffusion
import Layers
import Tensors

extension DenoisingDiffusion {
  /// Measures each image's part of Γ_t at each t of 1 … T, for one x_t of its own; the means over
  /// the images are Γ (Bao et al. 2022, eq. 8; `GaussianDiffusion.noiseNorm`).
  public func noiseNormEvaluation() -> any Evaluation { NoiseNormEvaluation(model: self) }

  /// Γ_1 … Γ_T from what `noiseNormEvaluation` has measured.
  public func noiseNorms(of measurements: Measurements) -> [Double] {
    (0..<measurements.width).map { measurements.mean($0) }
  }

  /// The facts of a checkpoint with Γ of some of its weights among them.
  public func facts(_ facts: ModelFacts, with noiseNorms: [Double], weights: String) -> ModelFacts {
    var tables = facts.tables
    tables[Self.noiseNormTable(weights: weights)] = noiseNorms
    return ModelFacts(name: facts.name, texts: facts.texts, tables: tables)
  }
}

private struct NoiseNormEvaluation: Evaluation {
  let model: DenoisingDiffusion

  private var steps: Int { model.diffusion.schedule.steps }

  var width: Int { steps }
  var evaluations: Int? { steps }
  var facts: [String: Fact] { ["method": .text("noise_norms")] }
  var notes: [String] { [] }

  func measure(
    _ batch: Batch, _ draws: Draws, _ makePass: () -> Pass, progress: () -> Void
  ) -> [[Double]] {
    let (diffusion, x0) = (model.diffusion, batch.images)
    var norms = [[Double]](repeating: [], count: batch.count)
    for t in 1...steps {
      let pass = makePass()
      let xt = Tensor(x0.shape, in: pass.pool)
      for n in 0..<batch.count {
        model.diffuse(
          x0.image(n), t: t, draws.stream(.noise, image: n, index: t), into: xt.image(n),
          pass.pool)
      }
      let output = model.output(
        xt, t: Array(repeating: t, count: batch.count), batch.conditions, pass
      ).mean.value
      for n in 0..<batch.count {
        norms[n].append(
          diffusion.noiseNorm(
            t: t, x0: x0.image(n).span, xt: xt.image(n).span, output: output.image(n).span))
      }
      progress()
    }
    return norms
  }

  func results(of measurements: Measurements) -> EvaluationResults {
    var results = EvaluationResults([])
    results.tables = [
      .init(
        "mean square of the predicted noise", columns: ["t", "noise norm"],
        rows: model.noiseNorms(of: measurements).enumerated().map { [Double($0 + 1), $1] })
    ]
    return results
  }
}
