// What a picture file holds, in the precision that it has.

import Tensors

/// One decoded picture: grey or red-green-blue, rows from the top, channels last.
struct Raster: Equatable {
  /// The values, height × width × channels.
  enum Samples: Equatable {
    case uint8([UInt8])
    case uint16([UInt16])
    /// 32-bit floats, or whole numbers of other types that are looked at before their scale is known.
    case float([Float])
  }

  /// Extents; the channels are 1 (grey) or 3 (red, green, blue).
  var shape: ImageShape
  /// The values.
  var samples: Samples
  /// Whether the values are whole numbers in the file.
  var isWhole: Bool

  init(shape: ImageShape, samples: Samples, isWhole: Bool = true) {
    precondition(shape.channels == 1 || shape.channels == 3, "A picture has one channel or three.")
    let count =
      switch samples {
      case .uint8(let values): values.count
      case .uint16(let values): values.count
      case .float(let values): values.count
      }
    precondition(count == shape.count, "A picture has height × width × channels values.")
    (self.shape, self.samples, self.isWhole) = (shape, samples, isWhole)
  }

  /// What the values are, in words.
  var kind: String {
    switch samples {
    case .uint8: "8 bits a value"
    case .uint16: "16 bits a value"
    case .float: isWhole ? "whole numbers of other than 8 or 16 bits" : "floating-point values"
    }
  }

  /// The same picture with one channel or three.
  ///
  /// Grey is repeated; colour becomes grey by the weights of ITU-R BT.601, as `Picture.converted`.
  func converted(toChannels channels: Int) -> Raster {
    guard channels != shape.channels else { return self }
    let target = ImageShape(height: shape.height, width: shape.width, channels: channels)
    switch samples {
    case .uint8(let values):
      let picture = Picture(shape: shape, pixels: values).converted(toChannels: channels)
      return Raster(shape: target, samples: .uint8(picture.pixels), isWhole: isWhole)
    case .uint16(let values):
      return Raster(
        shape: target,
        samples: .uint16(
          Self.convert(values, toGrey: channels == 1) { r, g, b in
            let sum: Int = 19595 * Int(r) + 38470 * Int(g) + 7471 * Int(b)
            return UInt16((sum + 0x8000) >> 16)
          }), isWhole: isWhole)
    case .float(let values):
      return Raster(
        shape: target,
        samples: .float(
          Self.convert(values, toGrey: channels == 1) { r, g, b in
            let sum: Double = 0.299 * Double(r) + 0.587 * Double(g) + 0.114 * Double(b)
            let grey = Float(sum)
            return isWhole ? grey.rounded() : grey
          }), isWhole: isWhole)
    }
  }

  private static func convert<Value>(
    _ values: [Value], toGrey: Bool, _ grey: (Value, Value, Value) -> Value
  ) -> [Value] {
    guard toGrey else { return values.flatMap { [$0, $0, $0] } }
    return stride(from: 0, to: values.count, by: 3).map {
      grey(values[$0], values[$0 + 1], values[$0 + 2])
    }
  }
}

/// How large a picture may be, looked at before memory is taken for it.
enum PictureLimits {
  /// The most bytes of a file that are read.
  static let file = 1 << 26
  /// The most pixels of a picture, however few bytes they are packed in.
  static let pixels = 1 << 24
  /// The most pixels of a picture of at least a byte for each 64 pixels, as photographs have.
  static let photographed = 1 << 26

  /// Why a picture of these extents is not read; nil where it is.
  ///
  /// - Parameters:
  ///   - packed: The bytes of its file; nil where they are not known yet.
  ///   - ratio: How many pixels a byte of the file may stand for.
  static func fault(height: Int, width: Int, packed: Int?, ratio: Int = 1024) -> String? {
    let most = packed.map { min(max(pixels, 64 * $0), photographed) } ?? photographed
    let says = "says that it has \(height) × \(width) pixels"
    guard height > 0, width > 0 else { return says + ": it is damaged; make it again" }
    guard height <= most, width <= most, height * width <= most else {
      return says + ", more than \(most >> 20) · 2²⁰, the most that is read"
    }
    guard let packed, height * width > ratio * packed else { return nil }
    return says + ", more than its \(packed) bytes can hold: it is damaged; make it again"
  }
}
