// A curve of any length in bounded memory.

/// Numbers by steps, of which neighbours are put together as soon as there are too many: each bucket keeps
/// their mean, least and largest.
///
/// It is a function of the numbers and their order, whatever the pieces in which they come.
public struct ThinnedSeries: Codable, Equatable, Sendable {
  /// Neighbouring numbers.
  public struct Bucket: Codable, Equatable, Sendable {
    /// The step of the last of them.
    public var step: Int
    /// How many they are.
    public var count: Int
    /// Their sum.
    public var sum: Double
    /// The least.
    public var least: Double
    /// The largest.
    public var largest: Double

    /// Their mean.
    public var mean: Double { sum / Double(count) }

    init(_ step: Int, _ value: Double) {
      (self.step, count, sum, least, largest) = (step, 1, value, value, value)
    }

    /// As a list, which is a quarter as long as with names.
    public init(from decoder: any Decoder) throws {
      var list = try decoder.unkeyedContainer()
      step = try list.decode(Int.self)
      count = try list.decode(Int.self)
      sum = try list.decode(Double.self)
      least = try list.decode(Double.self)
      largest = try list.decode(Double.self)
    }

    /// As a list.
    public func encode(to encoder: any Encoder) throws {
      var list = encoder.unkeyedContainer()
      try list.encode(step)
      try list.encode(count)
      for value in [sum, least, largest] { try list.encode(value) }
    }

    mutating func add(_ other: Bucket) {
      step = other.step
      count += other.count
      sum += other.sum
      (least, largest) = (min(least, other.least), max(largest, other.largest))
    }
  }

  /// The number of buckets at most, even.
  public static let capacity = 1024

  /// From the first step to the last.
  public private(set) var buckets: [Bucket] = []
  /// How many numbers a bucket takes.
  private var width = 1

  private enum CodingKeys: String, CodingKey { case buckets, width }

  /// No numbers yet.
  public init() {}

  /// A curve that was kept; what cannot be one is refused.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let buckets = try values.decode([Bucket].self, forKey: .buckets)
    guard
      let series = ThinnedSeries(
        steps: buckets.map(\.step), counts: buckets.map(\.count), sums: buckets.map(\.sum),
        least: buckets.map(\.least), largest: buckets.map(\.largest)),
      try series.width == values.decode(Int.self, forKey: .width)
    else {
      throw DecodingError.dataCorruptedError(
        forKey: .buckets, in: values, debugDescription: "is no curve")
    }
    self = series
  }

  /// A curve that was kept; nil where these are no buckets of one.
  ///
  /// - Parameters:
  ///   - steps: The last step of each bucket, rising.
  ///   - counts: How many numbers each has: all but the last the same, a power of two.
  init?(
    steps: [Int], counts: [Int], sums: [Double], least: [Double], largest: [Double]
  ) {
    guard steps.count <= Self.capacity, counts.count == steps.count, sums.count == steps.count,
      least.count == steps.count, largest.count == steps.count, steps.first ?? 0 >= 0,
      zip(steps, steps.dropFirst()).allSatisfy(<)
    else { return nil }
    width = counts.first ?? 1
    guard width > 0, width & (width - 1) == 0, width <= 1 << 40,
      counts.dropLast().allSatisfy({ $0 == width }), 1...width ~= counts.last ?? width
    else { return nil }
    // A last bucket alone may have fewer than there is room for.
    for i in steps.indices {
      guard least[i] <= largest[i], abs(least[i]) < 1e280, abs(largest[i]) < 1e280,
        sums[i].isFinite
      else { return nil }
      var bucket = Bucket(steps[i], sums[i])
      (bucket.count, bucket.least, bucket.largest) = (counts[i], least[i], largest[i])
      buckets.append(bucket)
    }
  }

  /// Adds the number of a step; one that is not finite, or so large that sums would not be, has no place.
  public mutating func add(step: Int, _ value: Double) {
    guard abs(value) < 1e280 else { return }
    if let last = buckets.last, last.count < width {
      buckets[buckets.count - 1].add(Bucket(step, value))
      return
    }
    if buckets.count == Self.capacity { halve() }
    buckets.append(Bucket(step, value))
  }

  /// Puts neighbours together; all buckets are full, and an even number.
  private mutating func halve() {
    buckets = stride(from: 0, to: Self.capacity, by: 2).map { i in
      var bucket = buckets[i]
      bucket.add(buckets[i + 1])
      return bucket
    }
    width *= 2
  }

  /// Whether a bucket holds more than one number.
  public var isThinned: Bool { width > 1 }
}
