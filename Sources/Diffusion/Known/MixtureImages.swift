// Noisy copies of a few pictures.

import Foundation

/// Images that are one of K pictures with noise: x_0 = m_k + s z, k drawn with the weights w.
///
/// p(x_0) = Σ_k w_k N(x_0; m_k, s² I) is exact; its entropy has no closed form.
public struct MixtureImages: KnownDistribution {
  /// The name in files and on the command line.
  public static let name = "mixture"
  /// The rows and the columns of an image.
  public let side: Int
  /// The pictures m_k, of side² scalars each.
  public let pictures: [[Double]]
  /// The names of the pictures.
  public let names: [String]
  /// w_k, the probabilities of the pictures; their sum is 1.
  public let weights: [Double]
  /// The standard deviation s > 0 of the noise.
  public let deviation: Double

  /// The mixture of the shapes of a size.
  ///
  /// - Parameters:
  ///   - side: The rows and columns.
  ///   - contrast: Shapes are drawn at `contrast`, on a ground of −`contrast`.
  ///   - deviation: s.
  ///   - weights: Positive numbers in proportion to w_k, as many as `shapes` of this side; nil:
  ///     equal ones.
  public init(side: Int, contrast: Double, deviation: Double, weights: [Double]? = nil) {
    precondition(contrast.isFinite, "A contrast is a number.")
    precondition(deviation > 0 && deviation.isFinite, "A normal has its moments.")
    let shapes = Self.shapes(side: side)
    let weights = weights ?? [Double](repeating: 1, count: shapes.count)
    let total = weights.reduce(0, +)
    precondition(
      weights.count == shapes.count && weights.allSatisfy { $0 > 0 } && total.isFinite,
      "Each picture has a positive weight.")
    self.side = side
    self.deviation = deviation
    names = shapes.map(\.name)
    pictures = shapes.map { $0.isDrawn.map { $0 ? contrast : -contrast } }
    self.weights = weights.map { $0 / total }
  }

  /// The shapes that are told apart at a size: frame, column, row, cross and blank, of which
  /// fewer than 3 × 3 pixels leave some equal to others.
  public static func shapes(side n: Int) -> [(name: String, isDrawn: [Bool])] {
    precondition(n > 0, "An image has pixels.")
    // The middle of an even number of pixels are two, where that is not all of them.
    let middle = (n % 2 == 0 && n > 2 ? n / 2 - 1 : n / 2)...n / 2
    let rules: [(String, (Int, Int) -> Bool)] = [
      ("frame", { r, c in [0, n - 1].contains(r) || [0, n - 1].contains(c) }),
      ("column", { _, c in middle.contains(c) }),
      ("row", { r, _ in middle.contains(r) }),
      ("cross", { r, c in r == c || r + c == n - 1 }),
      ("blank", { _, _ in false }),
    ]
    var shapes: [(name: String, isDrawn: [Bool])] = []
    for (name, rule) in rules {
      let isDrawn = (0..<n * n).map { rule($0 / n, $0 % n) }
      if !shapes.contains(where: { $0.isDrawn == isDrawn }) { shapes.append((name, isDrawn)) }
    }
    return shapes
  }

  /// Continuous scalars.
  public var levels: Int? { nil }
  /// The names of the pictures.
  public var classNames: [String]? { names }
  /// s, w and the pictures, one after the other.
  public var parameters: [(name: String, values: [Double])] {
    [("deviation", [deviation]), ("weights", weights), ("pictures", pictures.flatMap(\.self))]
  }
  /// None in closed form.
  public var entropy: Double? { nil }

  /// log Σ_k w_k N(x_0; m_k, s² I).
  public func logProbability(of x0: [Double]) -> Double {
    logSum(logJoint(x0, signal: 1, variance: deviation * deviation))
  }

  /// Σ_k P(k | x_t) E[x_0 | x_t, k], where x_t given k is N(√ᾱ m_k, v I) with v = ᾱ s² + 1−ᾱ, and
  /// E[x_0 | x_t, k] = m_k + √ᾱ s²/v (x_t − √ᾱ m_k).
  public func denoised(_ xt: [Double], signal: Double, noise: Double) -> [Double] {
    precondition(signal > 0 && noise > 0, "x_t holds an image and noise.")
    let variance = signal * signal * deviation * deviation + noise * noise
    let joint = logJoint(xt, signal: signal, variance: variance)
    let total = logSum(joint)
    let gain = signal * deviation * deviation / variance
    var x0 = [Double](repeating: 0, count: dimensions)
    for (picture, joint) in zip(pictures, joint) {
      let posterior = exp(joint - total)
      for i in x0.indices {
        x0[i] += posterior * (picture[i] + gain * (xt[i] - signal * picture[i]))
      }
    }
    return x0
  }

  /// A normal for each pixel, and a uniform number for the picture.
  public var randomNumbers: (normals: Int, uniforms: Int) { (dimensions, 1) }

  /// The picture at which the uniform number arrives, with this noise.
  public func image(normals: [Double], uniforms: [Double]) -> (x0: [Double], label: Int?) {
    precondition(
      normals.count == dimensions && uniforms.count == 1, "A picture is drawn, and its noise.")
    var rest = uniforms[0]
    var k = 0
    while k < weights.count - 1, rest >= weights[k] {
      rest -= weights[k]
      k += 1
    }
    return (zip(pictures[k], normals).map { $0 + deviation * $1 }, k)
  }

  /// log(w_k N(x; signal · m_k, variance · I)) of each k.
  private func logJoint(_ x: [Double], signal: Double, variance: Double) -> [Double] {
    precondition(x.count == dimensions, "An image has all its pixels.")
    return zip(pictures, weights).map { picture, weight in
      let distance = zip(x, picture).reduce(0) { sum, pair in
        let difference = pair.0 - signal * pair.1
        return sum + difference * difference
      }
      return log(weight)
        - negativeLogNormal(
          squaredDistance: distance, variance: variance, dimensions: dimensions)
    }
  }

  /// log Σ exp, which no term is too small or too large for.
  private func logSum(_ terms: [Double]) -> Double {
    let largest = terms.max()!
    return largest + log(terms.reduce(0) { $0 + exp($1 - largest) })
  }
}
