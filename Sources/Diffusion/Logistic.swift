// The logistic function and its integral, wherever x is.

import Foundation

/// 1/(1 + e^{−x}).
package func sigmoid(_ x: Double) -> Double {
  let u = exp(-abs(x))
  return (x < 0 ? u : 1) / (1 + u)
}

/// log(1 + e^x).
package func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }

/// The x for which `softplus(x)` is y > 0: log(e^y − 1).
package func inverseSoftplus(_ y: Double) -> Double { y + log(-expm1(-y)) }
