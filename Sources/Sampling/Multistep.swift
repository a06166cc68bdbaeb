// Solvers that remember what the network saw at earlier steps.

import Diffusion
import Tensors

/// A rule by which x̂_0 of this step and of earlier ones lead to the next x.
package protocol MultistepRule: Sendable {
  /// The highest order that it is asked for.
  var order: Int { get }

  /// The order of the step that leads to level i − 1 of K, when `known` x̂_0 are there.
  func order(of i: Int, steps: Int, known: Int) -> Int

  /// The step to a level.
  ///
  /// - Parameter levels: Where the x̂_0 were seen, the newest, at which x is, first: as many as the
  ///   order of the step.
  func prediction(from levels: [NoiseLevel], to target: NoiseLevel) -> LinearStep

  /// The same step once more, when the network has been asked at its end; nil: it stays as it is.
  ///
  /// - Returns: A step from the same x, whose first x̂_0 is the new one.
  func correction(from levels: [NoiseLevel], to target: NoiseLevel) -> LinearStep?
}

extension MultistepRule {
  package func correction(from levels: [NoiseLevel], to target: NoiseLevel) -> LinearStep? { nil }
}

/// A rule over some steps of a chain.
struct Multistep<Rule: MultistepRule>: Sampler {
  let name: String
  let visited: VisitedSteps
  let rule: Rule

  /// One for each step: a correction takes what is asked for anyway.
  var evaluations: Int? { visited.grid.count }

  var notes: [String] { visited.notes }

  var facts: [String: Fact] {
    visited.facts.merging(["sampler": .text(name), "order": .integer(rule.order)]) { $1 }
  }

  /// The levels 0 … K of the visited chain; that of level 0 is the image itself.
  private var levels: [NoiseLevel] {
    let chain = visited.chain
    return (0...chain.steps).map { NoiseLevel(chain.forwardCoefficients($0)) }
  }

  func run(_ x: Tensor, _ noise: SampleNoise, _ pool: BufferPool, denoise: Denoise) {
    let z = Tensor(Shape(1, x.shape.h, x.shape.w, x.shape.c), in: pool)
    var steps = MultistepPlan(rule, levels)
    // What the network saw, the newest first, and x where the last step began.
    var seen: [Tensor] = []
    var before: Tensor?
    while let i = steps.next {
      seen.insert(denoise(x, x.times(Double(visited.grid[i - 1]))).x0, at: 0)
      if let correction = steps.correction(), let before {
        correction.apply(to: before, seen, into: x)
      }
      seen.removeLast(max(0, seen.count - rule.order))
      let step = steps.advance()
      if steps.isCorrected {
        let start = before ?? Tensor(x.shape, in: pool)
        _ = start.scalars.update(from: x.scalars)
        before = start
      }
      step.apply(to: x, seen, into: x, z: z) { noise.fill($0, image: $1, step: i) }
    }
  }
}

/// The steps of a rule over some levels, one after the other.
///
/// It holds no image, so that the same steps can be made in Double.
package struct MultistepPlan<Rule: MultistepRule> {
  private let rule: Rule
  /// The levels 0 … K.
  private let levels: [NoiseLevel]
  /// The level of x; 0 at the end.
  private var i: Int
  /// How many x̂_0 may be used by the next step, beside the one at its beginning.
  private var known = 0
  /// The levels of the last step, the newest first, where it is corrected.
  private var last: [NoiseLevel] = []

  package init(_ rule: Rule, _ levels: [NoiseLevel]) {
    (self.rule, self.levels) = (rule, levels)
    i = levels.count - 1
  }

  /// The level that the network is asked at; nil at the end.
  package var next: Int? { i > 0 ? i : nil }

  /// Whether the step that was made last will be corrected.
  package var isCorrected: Bool { !last.isEmpty }

  /// The correction of the last step, now that the network has been asked at its end.
  package mutating func correction() -> LinearStep? {
    guard isCorrected else { return nil }
    return rule.correction(from: last, to: levels[i])
  }

  /// The step to the next level.
  package mutating func advance() -> LinearStep {
    let order = rule.order(of: i, steps: levels.count - 1, known: known + 1)
    let from = Array(levels[i..<i + order])
    // Nothing can be extrapolated from where nothing is left of an image: λ is −∞ there.
    let isUsable = levels[i].logSNR.isFinite
    let step = rule.prediction(from: from, to: levels[i - 1])
    let canBeCorrected =
      isUsable && i > 1 && rule.correction(from: from, to: levels[i - 1]) != nil
    last = canBeCorrected ? from : []
    known = isUsable ? known + 1 : 0
    i -= 1
    return step
  }
}
