// Pictures of any size become images of one: the middle is cut out, averaged by whole factors, and
// resampled by a Lanczos filter.

import Foundation
import Tensors

/// What becomes of pictures on their way into a dataset.
public struct PictureSize: Equatable, Sendable {
  /// What is cut off before a picture is resized.
  public enum Crop: String, CaseIterable, Sendable {
    /// What is beyond the middle part that has the wanted ratio of height to width.
    case center
    /// Nothing: the picture is stretched where its ratio is another.
    case none
  }

  /// Rows of an image.
  public let height: Int
  /// Columns of an image.
  public let width: Int
  /// What is cut off.
  public let crop: Crop

  /// The most rows or columns.
  public static let most = 4096

  /// A size of `height` × `width`, each 1 to `most`.
  public init(height: Int, width: Int, crop: Crop) {
    precondition(
      (1...Self.most).contains(height) && (1...Self.most).contains(width), "Sizes are 1 to 4096.")
    (self.height, self.width, self.crop) = (height, width, crop)
  }

  /// The size that a text names, `64` or `64x96` (height × width); nil where it names none.
  public init?(_ text: String, crop: Crop) {
    let parts = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard (1...2).contains(parts.count), let height = parts.first!, let width = parts.last!,
      (1...Self.most).contains(height), (1...Self.most).contains(width)
    else { return nil }
    self.init(height: height, width: width, crop: crop)
  }

  /// The rows and columns of a picture that are kept.
  func part(height h: Int, width w: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    var (rows, columns) = (h, w)
    if crop == .center {
      // The longest whole numbers of the wanted ratio, rounded to the nearest.
      if w * height > h * width {
        columns = max(1, (2 * h * width + height) / (2 * height))
      } else {
        rows = max(1, (2 * w * height + width) / (2 * width))
      }
      (rows, columns) = (min(rows, h), min(columns, w))
    }
    let (y, x) = ((h - rows) / 2, (w - columns) / 2)
    return (y..<y + rows, x..<x + columns)
  }
}

extension Raster {
  /// The picture in another size: cropped, averaged over squares of whole factors until the rest is three
  /// to one or less, and resampled by Lanczos's filter with three lobes.
  ///
  /// Pillow 13's `crop(…).resize(…, LANCZOS, reducing_gap=3)` gives the same values but for roundings of
  /// at most one level; like there, bytes are weighted in 22 binary places and clipped after each
  /// direction, and the columns come first where many more rows than columns are lost.
  func resized(to size: PictureSize) -> Raster {
    let part = size.part(height: shape.height, width: shape.width)
    func resize<Value: ResamplingValue>(_ values: [Value]) -> [Value] {
      var plane = Plane(values: values, shape: shape).cropped(part.rows, part.columns)
      // Nobody needs more precision than three source values for each one that is kept.
      let factorY = max(1, Int(Double(plane.height) / Double(size.height) / 3))
      let factorX = max(1, Int(Double(plane.width) / Double(size.width) / 3))
      let (rows, columns) = (
        Double(plane.height) / Double(factorY), Double(plane.width) / Double(factorX)
      )
      plane = plane.averaged(factorY, factorX)
      // The order shows where bytes are clipped between the two directions.
      let lost = (rows: plane.height - size.height, columns: plane.width - size.width)
      let isRowsFirst = lost.rows > 0 && lost.rows > 2 * lost.columns
      for isAlongRows in [!isRowsFirst, isRowsFirst] {
        if isAlongRows, size.width != plane.width || columns != Double(size.width) {
          plane = plane.resampled(columns: size.width, from: columns)
        }
        if !isAlongRows, size.height != plane.height || rows != Double(size.height) {
          plane = plane.resampled(rows: size.height, from: rows)
        }
      }
      return plane.values
    }
    let target = ImageShape(height: size.height, width: size.width, channels: shape.channels)
    switch samples {
    case .uint8(let values):
      return Raster(shape: target, samples: .uint8(resize(values)), isWhole: isWhole)
    case .uint16(let values):
      // The filter goes beyond the ends of the scale between the two directions, and is clipped then.
      let wide = resize(values.map { Float($0) })
      return Raster(
        shape: target,
        samples: .uint16(wide.map { UInt16(min(max($0.rounded(), 0), 65_535)) }), isWhole: isWhole)
    case .float(let values):
      let resized = resize(values)
      return Raster(
        shape: target, samples: .float(isWhole ? resized.map { $0.rounded() } : resized),
        isWhole: isWhole)
    }
  }
}

/// A type of values that can be averaged and weighted.
private protocol ResamplingValue: BitwiseCopyable {
  /// How a weight is kept.
  associatedtype Weight: BitwiseCopyable
  /// How a sum of weighted values is kept.
  associatedtype Sum: BitwiseCopyable

  static func weight(_ weight: Double) -> Weight
  static var zero: Sum { get }
  static func add(_ value: Self, to sum: inout Sum)
  static func add(_ value: Self, times weight: Weight, to sum: inout Sum)
  /// The mean of values whose sum is known.
  static func mean(_ sum: Sum, of count: Int) -> Self
  /// The value of a weighted sum.
  static func weighted(_ sum: Sum) -> Self
}

extension UInt8: ResamplingValue {
  /// The binary places of a weight: with the 8 of a value and the sign they fill 32 bits.
  fileprivate static let places = 22

  fileprivate static func weight(_ weight: Double) -> Int {
    Int((weight * Double(1 << places)).rounded(.toNearestOrAwayFromZero))
  }
  fileprivate static var zero: Int { 0 }
  fileprivate static func add(_ value: UInt8, to sum: inout Int) { sum &+= Int(value) }
  fileprivate static func add(_ value: UInt8, times weight: Int, to sum: inout Int) {
    sum &+= Int(value) &* weight
  }
  fileprivate static func mean(_ sum: Int, of count: Int) -> UInt8 {
    // By a product in the place of a quotient, as Pillow does: some halves are rounded down.
    UInt8(((sum + count / 2) * ((1 << 24) / count)) >> 24)
  }
  fileprivate static func weighted(_ sum: Int) -> UInt8 {
    UInt8(clamping: (sum + 1 << (places - 1)) >> places)
  }
}

extension Float: ResamplingValue {
  fileprivate static func weight(_ weight: Double) -> Double { weight }
  fileprivate static var zero: Double { 0 }
  fileprivate static func add(_ value: Float, to sum: inout Double) { sum += Double(value) }
  fileprivate static func add(_ value: Float, times weight: Double, to sum: inout Double) {
    sum += Double(value) * weight
  }
  fileprivate static func mean(_ sum: Double, of count: Int) -> Float {
    Float(sum / Double(count))
  }
  fileprivate static func weighted(_ sum: Double) -> Float { Float(sum) }
}

/// The values of a picture while it is resized.
private struct Plane<Value: ResamplingValue> {
  var values: [Value]
  var height: Int
  var width: Int
  let channels: Int

  init(values: [Value], shape: ImageShape) {
    (self.values, height, width) = (values, shape.height, shape.width)
    channels = shape.channels
  }

  private init(_ values: [Value], _ height: Int, _ width: Int, _ channels: Int) {
    (self.values, self.height, self.width, self.channels) = (values, height, width, channels)
  }

  func cropped(_ rows: Range<Int>, _ columns: Range<Int>) -> Plane {
    guard rows.count < height || columns.count < width else { return self }
    var kept: [Value] = []
    kept.reserveCapacity(rows.count * columns.count * channels)
    for y in rows {
      let start = (y * width + columns.lowerBound) * channels
      kept += values[start..<start + columns.count * channels]
    }
    return Plane(kept, rows.count, columns.count, channels)
  }

  /// The means over `factorY` × `factorX` values; at the ends over what is left.
  func averaged(_ factorY: Int, _ factorX: Int) -> Plane {
    guard factorY > 1 || factorX > 1 else { return self }
    let (h, w) = ((height + factorY - 1) / factorY, (width + factorX - 1) / factorX)
    let means = [Value](unsafeUninitializedCapacity: h * w * channels) { means, filled in
      values.withUnsafeBufferPointer { values in
        for y in 0..<h {
          let rows = y * factorY..<min((y + 1) * factorY, height)
          for x in 0..<w {
            let columns = x * factorX..<min((x + 1) * factorX, width)
            for c in 0..<channels {
              var sum = Value.zero
              for row in rows {
                for column in columns {
                  Value.add(values[(row * width + column) * channels + c], to: &sum)
                }
              }
              means[(y * w + x) * channels + c] = Value.mean(sum, of: rows.count * columns.count)
            }
          }
        }
      }
      filled = h * w * channels
    }
    return Plane(means, h, w, channels)
  }

  /// Resamples each row.
  ///
  /// - Parameter extent: The columns of the picture in units of values: the last value may stand for less.
  func resampled(columns count: Int, from extent: Double) -> Plane {
    let taps = LanczosTaps<Value>(from: width, extent: extent, to: count)
    let resampled = [Value](unsafeUninitializedCapacity: height * count * channels) { out, filled in
      values.withUnsafeBufferPointer { values in
        for y in 0..<height {
          for x in 0..<count {
            let (first, weights) = taps.at(x)
            for c in 0..<channels {
              var sum = Value.zero
              for (i, weight) in weights.enumerated() {
                Value.add(
                  values[(y * width + first + i) * channels + c], times: weight, to: &sum)
              }
              out[(y * count + x) * channels + c] = Value.weighted(sum)
            }
          }
        }
      }
      filled = height * count * channels
    }
    return Plane(resampled, height, count, channels)
  }

  /// Resamples each column.
  func resampled(rows count: Int, from extent: Double) -> Plane {
    let taps = LanczosTaps<Value>(from: height, extent: extent, to: count)
    let row = width * channels
    let resampled = [Value](unsafeUninitializedCapacity: count * row) { out, filled in
      values.withUnsafeBufferPointer { values in
        for y in 0..<count {
          let (first, weights) = taps.at(y)
          for x in 0..<row {
            var sum = Value.zero
            for (i, weight) in weights.enumerated() {
              Value.add(values[(first + i) * row + x], times: weight, to: &sum)
            }
            out[y * row + x] = Value.weighted(sum)
          }
        }
      }
      filled = count * row
    }
    return Plane(resampled, count, width, channels)
  }
}

/// The weights of Lanczos's filter, sinc(x) sinc(x/3) for |x| < 3, for each value of a resampled line.
///
/// Where the line becomes shorter the filter is as much wider; at the ends of the line what is beyond is
/// left out, and the weights add up to 1 again.
private struct LanczosTaps<Value: ResamplingValue> {
  private var firsts: [Int] = []
  private var starts: [Int] = [0]
  private var weights: [Value.Weight] = []

  init(from length: Int, extent: Double, to count: Int) {
    let scale = extent / Double(count)
    let widening = max(scale, 1)
    let support = 3 * widening
    for place in 0..<count {
      let centre = (Double(place) + 0.5) * scale
      let first = max(0, Int(centre - support + 0.5))
      let end = min(length, Int(centre + support + 0.5))
      let values = (first..<end).map { Self.filter((Double($0) - centre + 0.5) / widening) }
      let sum = values.reduce(0, +)
      firsts.append(first)
      weights += values.map { Value.weight(sum != 0 ? $0 / sum : $0) }
      starts.append(weights.count)
    }
  }

  /// The first value that is weighted, and the weights.
  func at(_ place: Int) -> (first: Int, weights: ArraySlice<Value.Weight>) {
    (firsts[place], weights[starts[place]..<starts[place + 1]])
  }

  private static func filter(_ x: Double) -> Double {
    abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0
  }

  private static func sinc(_ x: Double) -> Double {
    x == 0 ? 1 : sin(.pi * x) / (.pi * x)
  }
}
