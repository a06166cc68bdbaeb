// How the numbers of an array become the values of images.

/// How numbers become the values of images.
struct ValueScale {
  /// The element type and scale of the images.
  let format: PixelFormat
  /// What becomes −1 and 1 in each channel, where each has its own; nil where values stay what they are.
  let channelRanges: [ClosedRange<Double>]?
  /// How many numbers were beyond what can be stored, so far.
  private(set) var clipped = 0

  /// The scale that a user has asked for.
  ///
  /// - Parameters:
  ///   - range: What the user says.
  ///   - levels: The grey levels that the user says; nil: by the numbers.
  ///   - statistics: What is known of the numbers.
  ///   - isByte: Whether they are stored as bytes.
  /// - Returns: A sentence where that cannot be.
  static func make(
    _ range: ValueRange, levels: Int?, _ statistics: ValueStatistics, isByte: Bool
  ) -> Result<ValueScale, StorageErrorReason> {
    func scale(_ format: PixelFormat) -> Result<ValueScale, StorageErrorReason> {
      .success(ValueScale(format: format, channelRanges: nil))
    }
    func continuous(_ ends: ClosedRange<Double>) -> Result<ValueScale, StorageErrorReason> {
      guard isFloatRange([ends.lowerBound, ends.upperBound]) else {
        return .failure(
          .init(
            ends.lowerBound == ends.upperBound
              ? "holds one number only, \(ends.lowerBound); give the range that it is of with --range"
              : "holds \(ends.lowerBound) … \(ends.upperBound), which 32-bit floats cannot tell apart or hold; "
                + "scale it first, or give a part with --range"))
      }
      // What a Float holds, so that the ends themselves are in the range.
      return scale(.range(Double(Float(ends.lowerBound))...Double(Float(ends.upperBound))))
    }
    let all = statistics.extremes
    switch range {
    case .automatic:
      guard statistics.isInteger, all.lowerBound >= 0, all.upperBound <= 65535 else {
        guard levels == nil else {
          return .failure(.init("holds other numbers than 0 … 65,535, which are no levels"))
        }
        return continuous(all)
      }
      if let levels, Int(all.upperBound) >= levels {
        return .failure(
          .init(
            "holds \(Int(all.upperBound)), beyond the largest of \(levels) levels; clip it with --range 0,\(levels - 1)"
          ))
      }
      return scale(
        .levels(levels ?? (isByte ? 256 : ImportSource.usualLevels(largest: Int(all.upperBound)))))
    case .fixed(let ends):
      if let levels, ends != 0...Double(levels - 1) {
        return .failure(.init("has \(levels) levels only with --range 0,\(levels - 1)"))
      }
      // Whole numbers from 0 on are levels.
      let top = ends.upperBound
      let isWhole = statistics.isInteger && ends.lowerBound == 0 && top == top.rounded()
      return isWhole && 1...65535 ~= top ? scale(.levels(Int(top) + 1)) : continuous(ends)
    case .percentiles:
      return continuous(statistics.percentiles[0])
    case .perChannel:
      if let channel = statistics.percentiles.firstIndex(where: { $0.lowerBound >= $0.upperBound })
      {
        return .failure(.init("has one number only in channel \(channel), which has no range"))
      }
      return .success(ValueScale(format: .range(-1...1), channelRanges: statistics.percentiles))
    }
  }

  private init(format: PixelFormat, channelRanges: [ClosedRange<Double>]?) {
    (self.format, self.channelRanges) = (format, channelRanges)
  }

  /// Images in the bytes of the format; numbers beyond are clipped and counted.
  ///
  /// - Parameters:
  ///   - numbers: Channels last.
  ///   - channels: How many there are.
  mutating func encode(_ numbers: [Double], channels: Int) -> [UInt8] {
    var clipped = 0
    func clip(_ number: Double, _ ends: ClosedRange<Double>) -> Double {
      if ends.contains(number) { return number }
      clipped += 1
      return min(max(number, ends.lowerBound), ends.upperBound)
    }
    defer { self.clipped += clipped }
    switch format {
    case .levels(let levels):
      let ends = 0...Double(levels - 1)
      guard format.element == .uint16 else { return numbers.map { UInt8(clip($0, ends)) } }
      let values = numbers.map { UInt16(clip($0, ends)).littleEndian }
      return values.withUnsafeBytes { Array($0) }
    case .range(let ends):
      let values: [Float]
      if let channelRanges {
        values = numbers.enumerated().map { place, number in
          let ends = channelRanges[place % channels]
          // By halves: the distance of two numbers need not be one.
          let share =
            (clip(number, ends) / 2 - ends.lowerBound / 2)
            / (ends.upperBound / 2 - ends.lowerBound / 2)
          return Float(2 * share - 1)
        }
      } else {
        values = numbers.map { Float(clip($0, ends)) }
      }
      return values.withUnsafeBytes { Array($0) }
    }
  }
}
