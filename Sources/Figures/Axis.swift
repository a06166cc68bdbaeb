// Where the ticks of an axis stand, and where a number lies on it.

import Foundation

/// One axis of a plot: a range of numbers on a linear scale or on one of logarithms.
public struct Axis: Equatable, Sendable {
  /// How numbers are laid out.
  public enum Scale: String, Sendable {
    /// In proportion.
    case linear
    /// In proportion to their logarithms; numbers that are not positive have no place.
    case logarithmic
  }

  /// How numbers are laid out.
  public let scale: Scale
  /// The first and the last number of the axis; both positive on a scale of logarithms.
  public let range: ClosedRange<Double>

  /// The axis of some numbers, a little wider than they are; numbers that have no place on the scale are
  /// passed over.
  ///
  /// - Parameter isTight: Whether it begins and ends where they do.
  public init(_ numbers: some Sequence<Double>, _ scale: Scale = .linear, isTight: Bool = false) {
    self.scale = scale
    let places = numbers.lazy.compactMap { Self.coordinate($0, scale) }
    var (low, high) = (Double.infinity, -Double.infinity)
    for place in places { (low, high) = (min(low, place), max(high, place)) }
    if low > high { (low, high) = (0, 1) }
    if low == high {
      let margin = scale == .linear ? max(abs(low) / 10, 1e-12) : 0.5
      (low, high) = (low - margin, high + margin)
    } else if !isTight {
      let margin = (high - low) / 20
      (low, high) = (low - margin, high + margin)
    }
    range = scale == .linear ? low...high : pow(10, low)...pow(10, high)
  }

  /// How far along the axis a number lies: 0 at its first number, 1 at its last; nil where it has no place.
  public func share(of number: Double) -> Double? {
    guard let place = Self.coordinate(number, scale),
      let low = Self.coordinate(range.lowerBound, scale),
      let high = Self.coordinate(range.upperBound, scale)
    else { return nil }
    return (place - low) / (high - low)
  }

  private static func coordinate(_ number: Double, _ scale: Scale) -> Double? {
    // Beyond these, margins and ticks would not be numbers.
    guard abs(number) < 1e280, scale == .linear || number > 1e-280 else { return nil }
    return scale == .linear ? number : log10(number)
  }

  /// Round numbers within the range, about as many as are asked for.
  public func ticks(about count: Int) -> [Double] {
    guard scale == .logarithmic else { return Self.linearTicks(range, about: count) }
    let (low, high) = (log10(range.lowerBound), log10(range.upperBound))
    let decades = Int(low.rounded(.up))...max(Int(low.rounded(.up)), Int(high.rounded(.down)))
    // Less than two powers of ten are divided as a linear axis is.
    guard high - low >= 1.5 else { return Self.linearTicks(range, about: count) }
    let step = max(1, (decades.count + count - 1) / count)
    return stride(from: decades.lowerBound, through: decades.upperBound, by: step).map {
      pow(10, Double($0))
    }.filter { range.contains($0) }
  }

  private static func linearTicks(_ range: ClosedRange<Double>, about count: Int) -> [Double] {
    let span = range.upperBound - range.lowerBound
    let rough = span / Double(max(1, count))
    let power = pow(10, log10(rough).rounded(.down))
    let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough * 0.999 } ?? 10 * power
    let first = (range.lowerBound / step).rounded(.up)
    let last = (range.upperBound / step).rounded(.down)
    guard first <= last, last - first < 100 else { return [] }
    // Adding 0 makes 0 of −0.
    return stride(from: first, through: last, by: 1).map { $0 * step + 0 }
  }

  /// A number as it stands at a tick: `1500`, `0.02`, `1e-05`.
  public static func text(_ number: Double) -> String {
    let size = abs(number)
    if size != 0, size >= 1e6 || size < 1e-3 { return String(format: "%.3g", number) }
    return String(format: "%.6g", number)
  }
}
