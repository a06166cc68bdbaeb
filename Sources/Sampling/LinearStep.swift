// A step of a solver as a linear combination, computed once, in Double.

import Foundation
import Tensors

/// How much is left of an image and how much noise there is: x = `x0` x_0 + `noise` ε.
package struct NoiseLevel: Equatable, Sendable {
  /// √ᾱ.
  package let x0: Double
  /// √(1−ᾱ).
  package let noise: Double

  package init(_ coefficients: (x0: Double, noise: Double)) { (x0, noise) = coefficients }

  /// λ = log(√ᾱ/√(1−ᾱ)), half the logarithm of the signal-to-noise ratio: −∞ where nothing is left of
  /// an image, ∞ where there is no noise.
  package var logSNR: Double { log(x0 / noise) }
}

/// x at the next level: `x` times x at this one, and `x0[k]` times the k-th x̂_0, the newest first,
/// and `noise` times z ~ N(0, I).
///
/// Every solver of this module that knows its levels beforehand is a list of such steps: what it
/// does to images is in one place, and its formulas can be tested in Double.
package struct LinearStep: Equatable, Sendable {
  package var x: Double
  package var x0: [Double]
  package var noise: Double

  package init(x: Double, x0: [Double], noise: Double = 0) {
    (self.x, self.x0, self.noise) = (x, x0, noise)
  }

  /// Writes the next x of all images; it may be `x` itself.
  ///
  /// - Parameters:
  ///   - x: x at this level, (n, h, w, c).
  ///   - x0: What the network saw at this level and at earlier ones, the newest first.
  ///   - z: Memory for the noise of one image.
  ///   - draw: Fills z of an image; not called where there is no noise.
  func apply(
    to x: Tensor, _ x0: [Tensor], into next: Tensor, z: Tensor? = nil,
    draw: (UnsafeMutableBufferPointer<Float>, _ image: Int) -> Void = { _, _ in }
  ) {
    precondition(x0.count >= self.x0.count, "A step is given each x̂_0 that it needs.")
    let terms = zip(self.x0, x0).filter { $0.0 != 0 }.map { ($0.0, $0.1) }
    for n in 0..<x.shape.n {
      let (image, target) = (x.image(n), next.image(n))
      let x0 = terms.map { ($0.0, $0.1.image(n)) }
      if noise != 0, let z { draw(z.scalars, n) }
      for k in image.indices {
        var sum = self.x * Double(image[k])
        for (factor, x0) in x0 { sum += factor * Double(x0[k]) }
        if noise != 0, let z { sum += noise * Double(z.pointer[k]) }
        target[k] = Float(sum)
      }
    }
  }
}

/// φ_k(z) = Σ_n zⁿ/(n+k)!, the functions of exponential integrators: φ_0 = eᶻ, and
/// φ_{k+1} = (φ_k − 1/k!)/z (Hochbruck & Ostermann 2010, section 2.1).
package func phi(_ k: Int, _ z: Double) -> Double {
  precondition(k >= 0, "The functions φ are numbered from 0.")
  if abs(z) < 1 {
    var term = 1 / (1...max(k, 1)).reduce(1) { $0 * Double($1) }
    var sum = term
    for n in 1...24 {
      term *= z / Double(n + k)
      sum += term
    }
    return sum
  }
  var (value, factorial) = (exp(z), 1.0)
  for j in 0..<k {
    if j > 0 { factorial *= Double(j) }
    value = j == 0 ? expm1(z) / z : (value - 1 / factorial) / z
  }
  return value
}
