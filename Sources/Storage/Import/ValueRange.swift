// Which numbers of an array become black and white.

import Foundation

/// What a user says of the numbers that are black and white.
public enum ValueRange: Equatable, Sendable {
  /// Whole numbers from 0 to 65,535 stay what they are; of others the least and the largest.
  case automatic
  /// These; numbers beyond are clipped.
  case fixed(ClosedRange<Double>)
  /// Percentiles of all numbers; those beyond are clipped.
  case percentiles(ClosedRange<Double>)
  /// Percentiles of the numbers of each channel by itself, 0 and 100 for the least and the largest.
  case perChannel(ClosedRange<Double>)

  /// The range of a word on a command line: `MIN,MAX`, `percentile:P,Q`, `per-channel` or
  /// `per-channel:P,Q`; nil for other words.
  public init?(_ word: String) {
    func pair(_ text: Substring) -> ClosedRange<Double>? {
      let ends = text.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
      guard ends.count == 2, let low = ends[0], let high = ends[1], low < high,
        isFloatRange([low, high])
      else { return nil }
      return low...high
    }
    func percentiles(_ text: Substring) -> ClosedRange<Double>? {
      pair(text).flatMap { $0.lowerBound >= 0 && $0.upperBound <= 100 ? $0 : nil }
    }
    let parts = word.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    switch (parts[0], parts.count) {
    case ("percentile", 2):
      guard let ends = percentiles(parts[1]) else { return nil }
      self = .percentiles(ends)
    case ("per-channel", 1): self = .perChannel(0...100)
    case ("per-channel", 2):
      guard let ends = percentiles(parts[1]) else { return nil }
      self = .perChannel(ends)
    case (_, 1):
      guard let ends = pair(parts[0]) else { return nil }
      self = .fixed(ends)
    default: return nil
    }
  }
}
