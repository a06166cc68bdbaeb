// Pictures between files and datasets.

import Tensors

/// One picture in memory: 8-bit values, grey or red-green-blue, rows from the top.
public struct Picture: Equatable, Sendable {
  /// Extents; the channels are 1 (grey) or 3 (red, green, blue).
  public let shape: ImageShape
  /// The values, height × width × channels.
  public let pixels: [UInt8]

  /// A picture of the given values (height × width × channels).
  public init(shape: ImageShape, pixels: [UInt8]) {
    precondition(
      shape.channels == 1 || shape.channels == 3, "A picture has one channel or three.")
    precondition(
      shape.height > 0 && shape.width > 0 && pixels.count == shape.count,
      "A picture has height × width × channels values, and at least one.")
    self.shape = shape
    self.pixels = pixels
  }

  /// The same picture with one channel or three.
  ///
  /// Grey is repeated for red, green and blue; colour becomes grey by the weights of ITU-R
  /// BT.601, 0.299 R + 0.587 G + 0.114 B, in the 16-bit fixed point that other libraries use.
  public func converted(toChannels channels: Int) -> Picture {
    let target = ImageShape(height: shape.height, width: shape.width, channels: channels)
    switch (shape.channels, channels) {
    case (1, 3):
      return Picture(shape: target, pixels: pixels.flatMap { [$0, $0, $0] })
    case (3, 1):
      let grey = stride(from: 0, to: pixels.count, by: 3).map { i in
        let sum =
          19595 * Int(pixels[i]) + 38470 * Int(pixels[i + 1]) + 7471 * Int(pixels[i + 2])
        return UInt8((sum + 0x8000) >> 16)
      }
      return Picture(shape: target, pixels: grey)
    default: return Picture(shape: target, pixels: pixels)
    }
  }
}
