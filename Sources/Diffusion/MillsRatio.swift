// The tail of the normal without the factor that underflows.

import Foundation

/// The Mills ratio of the standard normal, (1 − Φ(x))/φ(x), for x ≥ 0.
///
/// It is the tail probability with the factor that underflows taken out, so that differences of
/// far tails can be formed. Relative error below 1e-14. At x = ∞ it is 0.
func millsRatio(_ x: Double) -> Double {
  if x < 6 {
    return (Double.pi / 2).squareRoot() * exp(0.5 * x * x) * erfc(x * 0.5.squareRoot())
  }
  // Laplace's continued fraction 1/(x + 1/(x + 2/(x + 3/(x + …)))) (Abramowitz & Stegun 26.2.14):
  // 20 levels are exact to rounding from x = 6 on.
  var fraction = x
  for k in stride(from: 20.0, to: 0, by: -1) {
    fraction = x + k / fraction
  }
  return 1 / fraction
}
