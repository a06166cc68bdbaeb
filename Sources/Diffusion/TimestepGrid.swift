// Which steps of a chain are visited: the rules that choose K of T.

import Foundation

/// A rule that chooses steps of a chain, each of 1 … T at most once.
///
/// Where a rule gives a step twice, it is visited once, and the grid has fewer steps than were
/// asked for. What follows a step is the next one of the grid, never t − T/K.
public enum TimestepGrid: Sendable, Equatable {
  /// t_i = round(T − i T/K), halves to even: begins at T (Lin et al. 2023, table 2).
  case trailing
  /// t_i = 1 + (K−1−i) ⌊T/K⌋: never sees T (Song et al. 2020's code).
  case leading
  /// From 1 to T in equal distances, rounded, halves to even; for K = 1 the last step alone
  /// (Nichol & Dhariwal 2021, section 4).
  case linspace
  /// The steps nearest to equal distances of λ = ½ log(ᾱ/(1−ᾱ)) (Lu et al. 2022, section 3).
  case logSNR
  /// t_i = round(T (1 − i/K)²), at least 1: many steps where there is little noise (Song et al.
  /// 2020, appendix D.2).
  case quadratic
  /// The steps nearest to Karras' noise levels, whose seventh roots of √((1−ᾱ)/ᾱ) have equal
  /// distances (Karras et al. 2022, eq. 5).
  case karras
  /// These steps, in any order.
  case list([Int])

  /// The rules that have a name, for command lines.
  public static let named: [(name: String, grid: TimestepGrid)] = [
    ("trailing", .trailing), ("leading", .leading), ("linspace", .linspace),
    ("log_snr", .logSNR), ("quadratic", .quadratic), ("karras", .karras),
  ]

  /// The rule of a name, or the list of a text such as "1,250,500"; nil where it is neither.
  public init?(_ text: String) {
    if let named = Self.named.first(where: { $0.name == text }) {
      self = named.grid
      return
    }
    let steps = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard steps.allSatisfy({ $0 != nil }) else { return nil }
    self = .list(steps.compactMap { $0 })
  }

  /// The name of the rule, or the list.
  public var name: String {
    if case .list(let steps) = self { return steps.map(String.init).joined(separator: ",") }
    return Self.named.first { $0.grid == self }!.name
  }

  /// The steps to visit, rising.
  ///
  /// - Parameters:
  ///   - count: K, 1 … T; nil: all T, or as many as a list has.
  ///   - schedule: The whole chain.
  /// - Throws: `DiffusionError.invalidSubset` and, for a list, `.invalidGrid`.
  public func steps(_ count: Int?, of schedule: NoiseSchedule) throws(DiffusionError) -> [Int] {
    let last = schedule.steps
    if case .list(let list) = self {
      let steps = Set(list).sorted()
      guard let first = steps.first, first >= 1, steps.last! <= last, steps.count == list.count,
        count ?? list.count == list.count
      else { throw .invalidGrid(steps: list, available: last) }
      return steps
    }
    let count = count ?? last
    guard (1...last).contains(count) else {
      throw .invalidSubset(steps: count, available: last)
    }
    return Set(chosen(count, of: schedule)).sorted()
  }

  /// The real times to visit, falling: those of `logSNR` and `karras` before they are rounded to
  /// steps, and the steps of the other rules.
  ///
  /// Where nothing is left of an image at T, T is the first time all the same; the rule goes on from
  /// T − 1.
  ///
  /// - Parameters:
  ///   - count: K, 1 … T; nil: all T, or as many as a list has.
  ///   - schedule: The whole chain.
  /// - Throws: As `steps(_:of:)`.
  public func times(_ count: Int?, of schedule: NoiseSchedule) throws(DiffusionError) -> [Double] {
    let steps = try steps(count, of: schedule)
    guard let levels = logSNRs(count ?? schedule.steps, of: schedule) else {
      return steps.reversed().map(Double.init)
    }
    let times = ContinuousTime(schedule)
    return levels.enumerated().map { i, level in
      i == 0 ? Double(schedule.steps) : times.step(logNoiseLevel: -level)
    }
  }

  /// λ of each time of the rules that are about λ, rising; nil for the others. The first is T's, or
  /// T − 1's where that of T is −∞.
  private func logSNRs(_ count: Int, of schedule: NoiseSchedule) -> [Double]? {
    let (first, final) = (schedule.lowestLogSNR, schedule.logSNR(1))
    /// 0 at the last step, 1 at the first.
    func share(_ i: Int) -> Double { Double(i) / Double(max(count - 1, 1)) }
    switch self {
    case .logSNR: return (0..<count).map { first + share($0) * (final - first) }
    case .karras:
      // σ̃ = exp(−λ).
      let (start, end) = (exp(-first / 7), exp(-final / 7))
      return (0..<count).map { -7 * log(start + share($0) * (end - start)) }
    case .trailing, .leading, .linspace, .quadratic, .list: return nil
    }
  }

  private func chosen(_ count: Int, of schedule: NoiseSchedule) -> [Int] {
    let last = schedule.steps
    func rounded(_ x: Double) -> Int { Int(x.rounded(.toNearestOrEven)) }
    if let levels = logSNRs(count, of: schedule) {
      return levels.enumerated().map { i, level in
        i == 0 ? last : schedule.step(logSNR: level)
      }
    }
    let indices = 0..<count
    switch self {
    case .trailing:
      return indices.map { rounded(Double(last) - Double($0 * last) / Double(count)) }
    case .leading: return indices.map { 1 + (count - 1 - $0) * (last / count) }
    case .linspace:
      if count == 1 { return [last] }
      return indices.map { 1 + rounded(Double($0 * (last - 1)) / Double(count - 1)) }
    case .quadratic:
      return indices.map { i in
        let root = 1 - Double(i) / Double(count)
        return max(1, rounded(Double(last) * root * root))
      }
    case .list(let list): return list
    case .logSNR, .karras: preconditionFailure("These rules are about λ.")
    }
  }
}

extension NoiseSchedule {
  /// λ_t = ½ log(ᾱ_t/(1−ᾱ_t)), half the logarithm of the signal-to-noise ratio; it falls with t, to
  /// −∞ where ᾱ_T = 0.
  public func logSNR(_ t: Int) -> Double {
    0.5 * log(cumulativeAlpha(t) / noiseVariance(t))
  }

  /// λ_T, or λ_{T−1} where λ_T = −∞.
  fileprivate var lowestLogSNR: Double {
    logSNR(hasZeroTerminalSNR && steps > 1 ? steps - 1 : steps)
  }

  /// The step whose λ is nearest: λ falls with t.
  fileprivate func step(logSNR wanted: Double) -> Int {
    var (low, high) = (1, steps)
    while low < high {
      let middle = (low + high) / 2
      if logSNR(middle) <= wanted { high = middle } else { low = middle + 1 }
    }
    guard low > 1, abs(logSNR(low - 1) - wanted) <= abs(logSNR(low) - wanted) else { return low }
    return low - 1
  }
}
