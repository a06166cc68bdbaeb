// UniPC: each step is made once more when it is known what the network sees at its end.

import Diffusion
import Foundation
import Tensors

extension SamplerKind {
  static let uniPC = SamplerKind(
    "unipc",
    help: "good images in 5 to 20 steps, each of which is corrected by the next (Zhao et al. 2023)",
    options: ["order"]
  ) { process, options in
    Multistep(
      name: "unipc", visited: try VisitedSteps(fewOf: process, options),
      rule: UniPC(order: options.order ?? 2))
  }
}

/// The unified predictor and corrector in terms of x̂_0 =: m, with B(h) = eʰ − 1 at −h, the authors'
/// `bh2` (Zhao et al. 2023, eqs. 3, 8 and algorithm 7):
///
///     x_t = (σ_t/σ_s) x_s + α_t h φ_1(−h) [m_0 + Σ ρ_i (m_i − m_0)/r_i]
///
/// r_i is the way in λ to where m_i was seen, in units of h. The ρ solve Σ_i ρ_i r_i^{k−1} = b_k, b_k =
/// k! φ_{k+1}(−h)/φ_1(−h), k = 1, 2, …. The predictor of order p takes p − 1 earlier m; the corrector
/// adds m_t, with r = 1, and gains an order. Where there is one ρ it is ½, as in the authors' code.
package struct UniPC: MultistepRule {
  package let order: Int

  package init(order: Int) { self.order = order }

  /// The first steps have no history; towards the end the order falls to 1, where x̂_0 is emitted.
  package func order(of i: Int, steps: Int, known: Int) -> Int { min(order, known, i) }

  package func prediction(from levels: [NoiseLevel], to target: NoiseLevel) -> LinearStep {
    step(levels, target, ratios: ratios(levels, target))
  }

  package func correction(from levels: [NoiseLevel], to target: NoiseLevel) -> LinearStep? {
    var corrected = step(levels, target, ratios: ratios(levels, target) + [1])
    // The new x̂_0 comes first.
    corrected.x0.insert(corrected.x0.removeLast(), at: 0)
    return corrected
  }

  private func ratios(_ levels: [NoiseLevel], _ target: NoiseLevel) -> [Double] {
    let h = target.logSNR - levels[0].logSNR
    return levels.dropFirst().map { ($0.logSNR - levels[0].logSNR) / h }
  }

  /// - Parameter ratios: r of each x̂_0 beside m_0.
  private func step(
    _ levels: [NoiseLevel], _ target: NoiseLevel, ratios: [Double]
  ) -> LinearStep {
    let h = target.logSNR - levels[0].logSNR
    let first = -target.x0 * expm1(-h)
    var weights = ratios.count == 1 ? [0.5] : []
    if ratios.count > 1 {
      weights = solve(
        ratios.indices.map { k in ratios.map { pow($0, Double(k)) } },
        ratios.indices.map { k in
          let factorial = (1...k + 1).reduce(1.0) { $0 * Double($1) }
          return factorial * phi(k + 2, -h) / phi(1, -h)
        })
    }
    let factors = zip(weights, ratios).map { first * $0 / $1 }
    return LinearStep(
      x: target.noise / levels[0].noise, x0: [first - factors.reduce(0, +)] + factors)
  }

  /// x of a x = b for two or three unknowns, by elimination with the largest pivot.
  private func solve(_ a: [[Double]], _ b: [Double]) -> [Double] {
    var rows = zip(a, b).map { $0 + [$1] }
    for k in b.indices {
      let pivot = (k..<b.count).max { abs(rows[$0][k]) < abs(rows[$1][k]) }!
      rows.swapAt(k, pivot)
      for j in b.indices where j != k {
        let factor = rows[j][k] / rows[k][k]
        for column in k...b.count { rows[j][column] -= factor * rows[k][column] }
      }
    }
    return b.indices.map { rows[$0][b.count] / rows[$0][$0] }
  }
}
