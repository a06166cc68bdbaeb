// How the numbers of a dataset stand for brightness in [−1, 1], and in which order they are stored.

import HDF5
import Tensors

/// The element type of a dataset's images and its scale.
public enum PixelFormat: Equatable, Sendable, CustomStringConvertible {
  /// Whole numbers 0 … levels − 1, bytes up to 256 levels and 16 bits up to 65,536: the value v stands for
  /// 2 v / (levels − 1) − 1.
  case levels(Int)
  /// 32-bit floats in a closed range: v stands for 2 (v − lower) / (upper − lower) − 1.
  case range(ClosedRange<Double>)

  /// The numbers of levels that images may have.
  public static let possibleLevels = 2...1 << 16

  /// How one value is stored.
  public enum Element: Equatable, Sendable {
    /// A byte.
    case uint8
    /// 16 bits, the lower byte first.
    case uint16
    /// A 32-bit float.
    case float32
  }

  /// How a value is stored.
  public var element: Element {
    switch self {
    case .levels(let levels): levels <= 256 ? .uint8 : .uint16
    case .range: .float32
    }
  }

  /// The bytes of one value.
  public var bytes: Int {
    switch element {
    case .uint8: 1
    case .uint16: 2
    case .float32: 4
    }
  }

  /// As `uint8, 17 levels`.
  public var description: String {
    switch self {
    case .levels(let levels): "\(element), \(levels) levels"
    case .range(let range): "float32 in \(range.lowerBound) … \(range.upperBound)"
    }
  }

  /// The brightness of each level, and of bytes above the last level, which do not occur.
  static func table(levels: Int) -> [Float] {
    (0..<max(256, levels)).map { Float(2 * Double($0) / Double(levels - 1) - 1) }
  }

  /// The stored bytes of values in [−1, 1]: of levels the nearest one, else 32-bit floats in the
  /// range.
  ///
  /// Values beyond are clipped.
  public func encode(_ values: UnsafeBufferPointer<Float>) -> [UInt8] {
    switch self {
    case .levels(let levels) where levels <= 256:
      let top = Float(levels - 1)
      return values.map { UInt8(min(max(($0 + 1) / 2 * top, 0), top).rounded()) }
    case .levels(let levels):
      let top = Double(levels - 1)
      let stored = values.map {
        UInt16(min(max((Double($0) + 1) / 2 * top, 0), top).rounded()).littleEndian
      }
      return stored.withUnsafeBytes { Array($0) }
    case .range(let range):
      let half = (range.upperBound - range.lowerBound) / 2
      let stored = values.map { value in
        Float(range.lowerBound + (Double(min(max(value, -1), 1)) + 1) * half)
      }
      return stored.withUnsafeBytes { Array($0) }
    }
  }

  /// The first value of an image that the format does not allow, in words; nil where all are fine.
  ///
  /// - Parameter image: The bytes of one image, in any order of axes.
  func fault(in image: UnsafeRawBufferPointer) -> String? {
    switch self {
    case .levels(256), .levels(1 << 16):
      return nil
    case .levels(let levels):
      let value =
        element == .uint8
        ? image.max().map { Int($0) }
        : image.assumingMemoryBound(to: UInt16.self).max().map { Int(UInt16(littleEndian: $0)) }
      guard let value, value >= levels else { return nil }
      return "the value \(value), but its levels are 0 … \(levels - 1)"
    case .range(let range):
      let values = image.assumingMemoryBound(to: Float.self)
      // A comparison with NaN is false.
      let (lower, upper) = (Float(range.lowerBound), Float(range.upperBound))
      guard let value = values.first(where: { !($0 >= lower && $0 <= upper) }) else { return nil }
      return "the value \(value), outside its range \(range.lowerBound) … \(range.upperBound)"
    }
  }
}

extension PixelFormat.Element {
  /// The type of a value in HDF5 files.
  var type: any HDF5Element.Type {
    switch self {
    case .uint8: UInt8.self
    case .uint16: UInt16.self
    case .float32: Float.self
    }
  }
}

/// The order of the axes of stored images.
enum AxisOrder: String {
  /// Images, rows, columns, channels: what this project writes.
  case channelsLast = "NHWC"
  /// Images, channels, rows, columns: accepted and converted on reading.
  case channelsFirst = "NCHW"

  /// Takes the order from the `layout` attribute or, where the extents leave no doubt, from them.
  ///
  /// - Parameters:
  ///   - attribute: The attribute's value, if there is one.
  ///   - extents: The four extents of the dataset.
  /// - Returns: The order, or a sentence that says why there is none.
  static func determine(
    _ attribute: String?, extents: [Int]
  ) -> Result<AxisOrder, StorageErrorReason> {
    if let attribute {
      guard let order = AxisOrder(rawValue: attribute) else {
        return .failure(.init("its attribute layout is \(attribute), neither NHWC nor NCHW"))
      }
      return .success(order)
    }
    let (first, middle, last) = (extents[1], extents[2], extents[3])
    let mayBeLast = last <= 4
    let mayBeFirst = first <= 4
    // Small images may fit both ways: a square image is more likely than a strip.
    if mayBeLast, !mayBeFirst || (first == middle && middle != last) || first * middle * last == 1 {
      return .success(.channelsLast)
    }
    return .failure(
      .init(
        "its shape \(extents) is ambiguous: which extent counts the channels? "
          + "Set its attribute layout to NHWC or NCHW"))
  }

  /// Copies one image into channels-last order.
  func rearrange<Value: BitwiseCopyable>(
    _ source: UnsafePointer<Value>, _ destination: UnsafeMutablePointer<Value>, _ shape: ImageShape
  ) {
    switch self {
    case .channelsLast:
      destination.update(from: source, count: shape.count)
    case .channelsFirst:
      let pixels = shape.height * shape.width
      for channel in 0..<shape.channels {
        for pixel in 0..<pixels {
          destination[pixel * shape.channels + channel] = source[channel * pixels + pixel]
        }
      }
    }
  }
}

/// Why something is refused, before the path is known.
struct StorageErrorReason: Error {
  let text: String
  init(_ text: String) { self.text = text }
}

/// Whether two numbers are the ends of a range of Floats.
public func isFloatRange(_ ends: [Double]) -> Bool {
  guard ends.count == 2 else { return false }
  let (low, high) = (Float(ends[0]), Float(ends[1]))
  return low < high && (high - low).isFinite
}
