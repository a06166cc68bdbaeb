// Importance sampling of t by the second moment of the loss.

/// The last squared losses at each step, and the distribution of t that follows from them.
///
/// p_t ∝ √E[L_t²] has the least variance of all (Nichol & Dhariwal 2021, section 3.3). The
/// expectation is over the last ten entries of t; an entry is the mean over the images of a batch
/// that had this t, so that it is the same on any number of ranks. Before every t has ten entries t
/// is uniform. A thousandth of the probability stays uniform, so that no t is ever lost.
struct LossHistory: Sendable {
  /// The entries that are kept of each t.
  private static let length = 10
  /// The share of the probability that is uniform.
  private static let uniformShare = 0.001

  /// T × 10 squared losses, the entries of t = 1 first.
  private(set) var squares: [Double]
  /// The number of entries that each t has ever had.
  private(set) var visits: [Double]
  /// p_1, p_1 + p_2, …, 1; nil before every t has its entries.
  private var cumulative: [Double]?

  private var steps: Int { visits.count }

  /// Nothing, of so many steps.
  init(steps: Int) {
    squares = Array(repeating: 0, count: steps * Self.length)
    visits = Array(repeating: 0, count: steps)
  }

  /// What a checkpoint has kept; a number of visits that cannot be counts as none.
  init(squares: [Double], visits: [Double]) {
    precondition(squares.count == visits.count * Self.length, "Each step has ten entries.")
    self.squares = squares
    self.visits = visits.map { (0...0x1p53).contains($0) ? $0.rounded(.down) : 0 }
    update()
  }

  /// Adds an entry for each t of a batch.
  ///
  /// - Parameters:
  ///   - sums: For each t, the sum of the squared losses of its images.
  ///   - counts: For each t, the number of its images.
  mutating func absorb(_ sums: [Double], counts: [Double]) {
    for t in 0..<steps where counts[t] > 0 {
      squares[t * Self.length + Int(visits[t]) % Self.length] = sums[t] / counts[t]
      visits[t] += 1
    }
    update()
  }

  /// A step for a uniform number of [0, 1), and the weight 1/(T p_t) of its loss; nil while t is
  /// uniform.
  func sample(_ u: Double) -> (t: Int, weight: Double)? {
    guard let cumulative else { return nil }
    var (low, high) = (0, steps - 1)
    while low < high {
      let middle = (low + high) / 2
      if cumulative[middle] > u { high = middle } else { low = middle + 1 }
    }
    let probability = cumulative[low] - (low > 0 ? cumulative[low - 1] : 0)
    return (low + 1, 1 / (Double(steps) * probability))
  }

  private mutating func update() {
    let length = Double(Self.length)
    guard visits.allSatisfy({ $0 >= length }) else { return cumulative = nil }
    let roots = (0..<steps).map { t in
      (squares[t * Self.length..<(t + 1) * Self.length].reduce(0, +) / length).squareRoot()
    }
    let total = roots.reduce(0, +)
    guard total > 0, total.isFinite else { return cumulative = nil }
    var sum = 0.0
    cumulative = roots.map { root in
      sum += (1 - Self.uniformShare) * root / total + Self.uniformShare / Double(steps)
      return sum
    }
  }
}
