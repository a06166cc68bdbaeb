// PNG files with 8 or 16 bits a value.

import CPNG
import Tensors

extension PictureKind {
  /// PNG: of 16 bits a value as it is, of fewer as `Picture(png:)` says.
  static let png = PictureKind(
    name: "PNG", endings: ["png"], signatures: [PNGHeader.signature]
  ) { (bytes, path) throws(StorageError) in
    guard let header = PNGHeader(bytes), header.depth == 16 else {
      let picture = try PNGReader(path: path).picture(from: bytes)
      return Raster(shape: picture.shape, samples: .uint8(picture.pixels))
    }
    try PNGHeader.check(bytes, path: path, isWhole: true)
    return try read16(bytes, header, path: path)
  }

  private static func read16(
    _ bytes: [UInt8], _ header: PNGHeader, path: String
  ) throws(StorageError) -> Raster {
    let (width, height, stored) = (header.width, header.height, header.channels)
    var source = CPNG_Source()
    var isRead = false
    let values = bytes.withUnsafeBufferPointer { bytes in
      [UInt16](unsafeUninitializedCapacity: height * width * stored) { buffer, filled in
        source.bytes = bytes.baseAddress
        source.size = bytes.count
        isRead =
          CPNG_read16(&source, UInt32(width), UInt32(height), Int32(stored), buffer.baseAddress)
          != 0
        filled = isRead ? height * width * stored : 0
      }
    }
    guard isRead else {
      throw damagedPNG(String(cString: CPNG_sourceMessage(&source)), path: path)
    }
    let channels = stored >= 3 ? 3 : 1
    let shape = ImageShape(height: height, width: width, channels: channels)
    return Raster(
      shape: shape,
      samples: .uint16(
        stored == channels
          ? values : try withoutAlpha(values, shape, opaque: .max, path: path)))
  }
}

/// The sentence on a file that libpng refuses.
func damagedPNG(_ message: String, path: String) -> StorageError {
  .badData(path: path, reason: "is a damaged PNG file (\(message)); make it again")
}

/// The colours of pixels that are all opaque.
///
/// - Parameters:
///   - values: Height × width × (channels + 1) values, the last of a pixel its opacity.
///   - shape: Without the opacity.
func withoutAlpha<Value: FixedWidthInteger>(
  _ values: [Value], _ shape: ImageShape, opaque: Value, path: String
) throws(StorageError) -> [Value] {
  let (channels, stored) = (shape.channels, shape.channels + 1)
  var pixels: [Value] = []
  pixels.reserveCapacity(shape.count)
  for i in stride(from: 0, to: values.count, by: stored) {
    guard values[i + channels] == opaque else {
      let (row, column) = (i / stored / shape.width, i / stored % shape.width)
      throw .badData(
        path: path,
        reason: "is transparent at row \(row), column \(column); "
          + "put it on a background and save it without alpha")
    }
    pixels.append(contentsOf: values[i..<i + channels])
  }
  return pixels
}

/// The bytes of a PNG file with 16 bits a value; equal values give equal bytes.
func pngBytes(of values: [UInt16], shape: ImageShape) -> [UInt8] {
  precondition(values.count == shape.count, "A picture has height × width × channels values.")
  let capacity = CPNG_maximumSize16(
    UInt32(shape.width), UInt32(shape.height), Int32(shape.channels))
  return [UInt8](unsafeUninitializedCapacity: capacity) { buffer, filled in
    filled = CPNG_write16(
      values, UInt32(shape.width), UInt32(shape.height), Int32(shape.channels), buffer.baseAddress,
      capacity)
    precondition(filled > 0, "A picture fits into its PNG bytes.")
  }
}
