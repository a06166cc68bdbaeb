// DPM-Solver++: the exact solution of the linear part, a polynomial for what the network sees.

import Diffusion
import Foundation
import Tensors

extension SamplerKind {
  static let dpmSolver = SamplerKind(
    "dpm-solver++",
    help: "good images in 10 to 20 steps, without noise after x_T (Lu et al. 2022b)",
    options: ["order"]
  ) { process, options in
    Multistep(
      name: "dpm-solver++", visited: try VisitedSteps(fewOf: process, options),
      rule: DPMSolver(order: options.order ?? 2))
  }

  static let sdeDPMSolver = SamplerKind(
    "sde-dpm-solver++",
    help: "the same of order 2 for the process with noise in each step (Lu et al. 2022b)"
  ) { process, options in
    Multistep(
      name: "sde-dpm-solver++", visited: try VisitedSteps(fewOf: process, options),
      rule: SDEDPMSolver())
  }
}

/// The multistep solver in terms of x̂_0 =: m (Lu et al. 2022b, eq. 8 and algorithm 2): with α = √ᾱ,
/// σ = √(1−ᾱ), and h the way in λ from level s to level t,
///
///     x_t = (σ_t/σ_s) x_s + α_t h [φ_1(−h) m + φ_2(−h) h m′ + φ_3(−h) h² m″]
///
/// where h m′ and h² m″ are those of the polynomial through the last x̂_0. Of order 2 it is the
/// "midpoint" form, φ_1 (m + h m′/2), which others call the solver's 2M.
///
/// Published implementations of the third order have half of m″ and are of order 2.
package struct DPMSolver: MultistepRule {
  package let order: Int

  package init(order: Int) { self.order = order }

  /// The first steps have no history; the last one emits x̂_0, and over few steps the one before it is
  /// of order 2 at most, as in the authors' code.
  package func order(of i: Int, steps: Int, known: Int) -> Int {
    if i == 1 { return 1 }
    return min(order, known, i == 2 && steps < 15 ? 2 : 3)
  }

  package func prediction(from levels: [NoiseLevel], to target: NoiseLevel) -> LinearStep {
    let h = target.logSNR - levels[0].logSNR
    // α h φ_1(−h) = −α expm1(−h), for infinite h too.
    let first = -target.x0 * expm1(-h)
    var step = LinearStep(x: target.noise / levels[0].noise, x0: [first])
    switch levels.count {
    case 1: break
    case 2:
      let r = (levels[0].logSNR - levels[1].logSNR) / h
      // h m′ = (m_0 − m_1)/r.
      step.x0 = [first * (1 + 0.5 / r), -first * 0.5 / r]
    default:
      let r0 = (levels[0].logSNR - levels[1].logSNR) / h
      let r1 = (levels[1].logSNR - levels[2].logSNR) / h
      // With a = (m_0 − m_1)/r_0 and b = (m_1 − m_2)/r_1, the divided differences:
      // h m′ = a + r_0 (a − b)/(r_0 + r_1), h² m″ = 2 (a − b)/(r_0 + r_1).
      let slope = target.x0 * h * phi(2, -h)
      let bend = (slope * r0 + 2 * target.x0 * h * phi(3, -h)) / (r0 + r1)
      let (a, b) = (slope + bend, -bend)
      step.x0 = [first + a / r0, -a / r0 + b / r1, -b / r1]
    }
    return step
  }
}

/// The multistep solver of order 2 for the reverse process with noise (Lu et al. 2022b, eq. 18):
///
///     x_t = (σ_t/σ_s) e^{−h} x_s + α_t (1 − e^{−2h}) (m + h m′/2) + σ_t √(1 − e^{−2h}) z
package struct SDEDPMSolver: MultistepRule {
  package let order = 2

  package init() {}

  package func order(of i: Int, steps: Int, known: Int) -> Int { i == 1 ? 1 : min(2, known) }

  package func prediction(from levels: [NoiseLevel], to target: NoiseLevel) -> LinearStep {
    let h = target.logSNR - levels[0].logSNR
    let told = -expm1(-2 * h)
    let first = target.x0 * told
    var step = LinearStep(
      x: target.noise / levels[0].noise * exp(-h), x0: [first],
      noise: target.noise * told.squareRoot())
    if levels.count == 2 {
      let r = (levels[0].logSNR - levels[1].logSNR) / h
      step.x0 = [first * (1 + 0.5 / r), -first * 0.5 / r]
    }
    return step
  }
}
