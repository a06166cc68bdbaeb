// What the pixels of a dataset are like: how bright, how spread, how many at the ends, how many images twice.

import Tensors

/// Facts of all values of a dataset, in the units in which they are stored.
public struct ImageStatistics: Equatable, Sendable {
  /// The mean of all values.
  public let mean: Double
  /// Their standard deviation.
  public let deviation: Double
  /// The least and the largest value.
  public let extremes: ClosedRange<Double>
  /// How many values are in each part of what the format allows, from black to white.
  public let histogram: [Int]
  /// The shares of values that are black, and white: the ends of what the format allows.
  public let saturated: (black: Double, white: Double)
  /// How many images are the same as an earlier one.
  public let duplicates: Int

  /// The parts of the histogram.
  private static let parts = 64

  /// Equal facts.
  public static func == (a: ImageStatistics, b: ImageStatistics) -> Bool {
    a.mean == b.mean && a.deviation == b.deviation && a.extremes == b.extremes
      && a.histogram == b.histogram && a.saturated == b.saturated && a.duplicates == b.duplicates
  }

  /// Goes through all images of a dataset.
  ///
  /// - Throws: `StorageError` for what cannot be read.
  public init(_ dataset: ImageDataset) throws(StorageError) {
    var sums = Sums(dataset.format)
    var hashes = Set<[UInt8]>()
    var open = try OpenImages.open(dataset, memoryLimit: 1 << 26)
    let imageBytes = dataset.shape.count * dataset.format.bytes
    let batch = min(dataset.count, max(1, (1 << 22) / imageBytes))
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: batch * imageBytes, alignment: 16)
    defer { buffer.deallocate() }
    for first in stride(from: 0, to: dataset.count, by: batch) {
      let rows = first..<min(first + batch, dataset.count)
      try open.read(
        rows, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<(rows.count * imageBytes)]))
      for image in 0..<rows.count {
        let bytes = UnsafeRawBufferPointer(
          rebasing: buffer[image * imageBytes..<(image + 1) * imageBytes])
        var hash = ContentHash()
        hash.update(bytes)
        hashes.insert(hash.digest())
        sums.add(bytes)
      }
    }
    let count = Double(sums.count)
    mean = sums.shift + sums.sum / count
    deviation = max(0, sums.squares / count - (sums.sum / count) * (sums.sum / count)).squareRoot()
    extremes = sums.least...sums.largest
    histogram = sums.histogram
    saturated = (Double(sums.black) / count, Double(sums.white) / count)
    duplicates = dataset.count - hashes.count
  }

  /// Sums over the values so far.
  private struct Sums {
    private let format: PixelFormat
    private let ends: ClosedRange<Double>
    /// What values are counted from, so that squares of large numbers keep their digits.
    let shift: Double
    var count = 0
    var (sum, squares) = (0.0, 0.0)
    var (least, largest) = (Double.infinity, -Double.infinity)
    var (black, white) = (0, 0)
    var histogram = [Int](repeating: 0, count: parts)

    init(_ format: PixelFormat) {
      self.format = format
      switch format {
      case .levels(let levels): ends = 0...Double(levels - 1)
      case .range(let range):
        ends = Double(Float(range.lowerBound))...Double(Float(range.upperBound))
      }
      shift = (ends.lowerBound + ends.upperBound) / 2
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
      switch format.element {
      case .uint8: for value in bytes { add(Double(value)) }
      case .uint16:
        for value in bytes.assumingMemoryBound(to: UInt16.self) {
          add(Double(UInt16(littleEndian: value)))
        }
      case .float32:
        for value in bytes.assumingMemoryBound(to: Float.self) { add(Double(value)) }
      }
    }

    private mutating func add(_ value: Double) {
      count += 1
      sum += value - shift
      squares += (value - shift) * (value - shift)
      least = min(least, value)
      largest = max(largest, value)
      if value <= ends.lowerBound { black += 1 }
      if value >= ends.upperBound { white += 1 }
      let share = (value - ends.lowerBound) / (ends.upperBound - ends.lowerBound)
      histogram[min(parts - 1, max(0, Int(share * Double(parts))))] += 1
    }
  }
}
