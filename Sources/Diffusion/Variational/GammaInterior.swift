// How γ goes from its first value to its last: evenly, or such that the bound's estimate scatters least.

/// The share of its way that γ has gone at each time t of [0, 1], which rises from 0 to 1.
///
/// It does not change the bound, only how much an estimate at random times scatters (Kingma et al.
/// 2021, section 5.1 and appendix I.2).
public struct GammaInterior: Equatable, Sendable {
  /// The share of the time that is left to levels whose loss is nothing, so that none is ever lost.
  private static let evenShare = 0.001

  /// The times at which γ has gone 0, 1/n, …, 1 of its way; between them it goes evenly.
  private let times: [Double]

  /// γ rises evenly.
  public static let linear = GammaInterior(times: [0, 1])

  private init(times: [Double]) { self.times = times }

  /// The one of least variance, where M = E[‖ε − ε̂‖⁴] is known at n shares of the way.
  ///
  /// The loss of one time is ½ γ' ‖ε − ε̂‖². Its mean square ¼ ∫ γ'² M dt is least where γ' √M is
  /// constant (Euler and Lagrange), so that each n-th part of the way takes a time that is proportional
  /// to √M there. A thousandth of the time is dealt out evenly.
  ///
  /// - Parameter squares: M of each n-th part of the way, up to a common factor; where one is no number
  ///   or all are 0, γ rises evenly.
  public init(equalising squares: [Double]) {
    let roots = squares.map { $0.squareRoot() }
    let total = roots.reduce(0, +)
    // Of a negative square the root is no number.
    guard total > 0, total.isFinite else {
      self = .linear
      return
    }
    let count = Double(squares.count)
    var times = [0.0]
    for root in roots {
      let duration = (1 - Self.evenShare) * root / total + Self.evenShare / count
      times.append(times[times.count - 1] + duration)
    }
    times[times.count - 1] = 1
    self.times = times
  }

  /// The share of the way at a time t of [0, 1], and its derivative.
  public func share(_ t: Double) -> (value: Double, slope: Double) {
    precondition((0...1).contains(t), "A time lies between 0 and 1.")
    var (low, high) = (0, times.count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if times[middle] <= t { low = middle } else { high = middle }
    }
    let (duration, count) = (times[low + 1] - times[low], Double(times.count - 1))
    return ((Double(low) + (t - times[low]) / duration) / count, 1 / (count * duration))
  }
}
