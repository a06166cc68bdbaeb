// The least and the largest number of many, and their percentiles, without keeping them.

/// What is known of all numbers of some images.
struct ValueStatistics {
  /// Whether they are whole.
  let isInteger: Bool
  /// The least and the largest.
  let extremes: ClosedRange<Double>
  /// The percentiles that were asked for: of all numbers, or of each channel.
  let percentiles: [ClosedRange<Double>]

  private static let bins = 1 << 16

  /// Goes through all images: once, or three times where percentiles are asked for.
  ///
  /// - Parameters:
  ///   - range: What is asked for.
  ///   - channels: The channels of an image.
  ///   - isInteger: Whether the numbers are whole.
  ///   - forEach: Calls with all images, some at a time, channels last.
  init(
    for range: ValueRange, channels: Int, isInteger: Bool,
    forEach: (_ body: ([Double]) -> Void) throws -> Void
  ) throws {
    self.isInteger = isInteger
    let (ends, groups): (ClosedRange<Double>, Int) =
      switch range {
      case .automatic, .fixed: (0...100, 1)
      case .percentiles(let ends): (ends, 1)
      case .perChannel(let ends): (ends, channels)
      }
    var (least, largest, counts) = (
      [Double](repeating: .infinity, count: groups),
      [Double](repeating: -.infinity, count: groups), [Int](repeating: 0, count: groups)
    )
    try forEach { numbers in
      for (place, number) in numbers.enumerated() {
        let group = place % groups
        least[group] = min(least[group], number)
        largest[group] = max(largest[group], number)
        counts[group] += 1
      }
    }
    extremes = least.min()!...largest.max()!
    let ranges = zip(least, largest).map { $0...$1 }
    guard ends != 0...100 else {
      percentiles = ranges
      return
    }
    // The places of the two numbers between which each percentile lies, by NumPy's linear rule.
    let places = counts.map { count in
      [ends.lowerBound, ends.upperBound].map { Double(count - 1) * $0 / 100 }
    }
    let wanted = places.map { Set($0.flatMap { [Int($0), Int($0.rounded(.up))] }).sorted() }
    let found = try Self.orderStatistics(wanted, ranges, forEach)
    percentiles = places.indices.map { group in
      let values = places[group].map { place -> Double in
        func value(_ place: Int) -> Double { found[group][wanted[group].firstIndex(of: place)!] }
        let (low, high) = (value(Int(place)), value(Int(place.rounded(.up))))
        let rest = place - place.rounded(.down)
        return low * (1 - rest) + high * rest
      }
      return values[0]...max(values[0], values[1])
    }
  }

  /// The numbers at some places of the rising order of each group, to 2⁻³² of its range: a histogram tells the bin
  /// of each, and one of that bin the rest.
  private static func orderStatistics(
    _ wanted: [[Int]], _ ranges: [ClosedRange<Double>],
    _ forEach: (_ body: ([Double]) -> Void) throws -> Void
  ) throws -> [[Double]] {
    let groups = ranges.count
    /// The bin of a number, and how far it is from the bin's beginning, as a share of the bin.
    func bin(_ number: Double, _ range: ClosedRange<Double>) -> (index: Int, rest: Double) {
      // By halves: the distance of two numbers need not be one.
      let width = range.upperBound / 2 - range.lowerBound / 2
      let place = width > 0 ? (number / 2 - range.lowerBound / 2) / width * Double(bins) : 0
      let index = min(Int(place), bins - 1)
      return (index, place - Double(index))
    }
    var coarse = [[Int]](repeating: [Int](repeating: 0, count: bins), count: groups)
    try forEach { numbers in
      for (place, number) in numbers.enumerated() {
        coarse[place % groups][bin(number, ranges[place % groups]).index] += 1
      }
    }
    // For each wanted place its bin, and its place within the numbers of that bin.
    let located = wanted.indices.map { group in
      wanted[group].map { place -> (bin: Int, place: Int) in
        var (rest, index) = (place, 0)
        while index < bins - 1, rest >= coarse[group][index] {
          rest -= coarse[group][index]
          index += 1
        }
        return (index, rest)
      }
    }
    var fine = located.map { places in
      Dictionary(places.map { ($0.bin, [Int](repeating: 0, count: bins)) }) { first, _ in first }
    }
    try forEach { numbers in
      for (place, number) in numbers.enumerated() {
        let group = place % groups
        let (index, rest) = bin(number, ranges[group])
        guard fine[group][index] != nil else { continue }
        fine[group][index]![min(Int(rest * Double(bins)), bins - 1)] += 1
      }
    }
    return located.indices.map { group in
      located[group].map { place in
        var (rest, index) = (place.place, 0)
        let counts = fine[group][place.bin]!
        while index < bins - 1, rest >= counts[index] {
          rest -= counts[index]
          index += 1
        }
        let share = (Double(place.bin) + Double(index) / Double(bins)) / Double(bins)
        return ranges[group].lowerBound * (1 - share) + ranges[group].upperBound * share
      }
    }
  }
}
