// Many samples at a glance.

import Tensors

/// A near-square picture of many images, each magnified so that small ones can be seen.
public struct ImageGrid: Equatable, Sendable {
  /// Pixels between the images and around them.
  public static let margin = 2
  /// The grey of the margin, and of places without an image.
  public static let marginGrey: UInt8 = 128

  /// Extents of one image.
  public let shape: ImageShape
  /// Number of images.
  public let count: Int
  /// Images in a row.
  public let columns: Int
  /// Rows of images, the last of which may be short.
  public let rows: Int
  /// Every value of an image becomes this many pixels in both directions.
  public let magnification: Int

  /// A grid for `count` images.
  ///
  /// - Parameters:
  ///   - columns: images in a row; where nil, so many that the grid is about square.
  ///   - magnification: where nil, the largest that keeps the grid within 1024 pixels in both
  ///     directions, and 1 where none does.
  public init(shape: ImageShape, count: Int, columns: Int? = nil, magnification: Int? = nil) {
    precondition(count > 0 && shape.count > 0, "A grid holds at least one image.")
    precondition(columns ?? 1 > 0 && magnification ?? 1 > 0, "A grid has columns of pixels.")
    let (height, width) = (Double(shape.height + Self.margin), Double(shape.width + Self.margin))
    let square = Int((Double(count) * height / width).squareRoot().rounded(.up))
    self.shape = shape
    self.count = count
    self.columns = min(columns ?? max(square, 1), count)
    rows = (count + self.columns - 1) / self.columns
    let across = ((1024 - Self.margin) / self.columns - Self.margin) / shape.width
    let down = ((1024 - Self.margin) / rows - Self.margin) / shape.height
    self.magnification = magnification ?? max(min(across, down), 1)
  }

  /// The extents of the whole picture: grey for fewer than three channels, else colour.
  public var pictureShape: ImageShape {
    ImageShape(
      height: rows * (shape.height * magnification + Self.margin) + Self.margin,
      width: columns * (shape.width * magnification + Self.margin) + Self.margin,
      channels: shape.channels < 3 ? 1 : 3)
  }

  /// Draws the images, the first at the top left, then row by row.
  ///
  /// Value v is drawn as 255 v / (levels − 1), rounded. Of two channels the first is drawn, of
  /// four and more the first three, as red, green and blue.
  ///
  /// - Parameter images: u8 (count, height, width, channels).
  public func picture(of images: [UInt8], levels: Int = 256) -> Picture {
    picture(of: images, .levels(levels))
  }

  /// Draws images in the bytes of a format, black to white.
  public func picture(of images: [UInt8], _ format: PixelFormat) -> Picture {
    picture(of: format.greys(of: images)) { $0 }
  }

  /// Draws network images: −1 is black and 1 is white, as `picture(of:levels:)` places them.
  ///
  /// - Parameter images: Float (count, height, width, channels); values beyond −1 … 1 are
  ///   clipped, and what is not a number is black.
  public func picture(of images: [Float]) -> Picture {
    picture(of: images, drawing: PixelFormat.grey(ofBrightness:))
  }

  private func picture<Value>(of images: [Value], drawing grey: (Value) -> UInt8) -> Picture {
    precondition(images.count == count * shape.count, "The images are as many as the grid holds.")
    let (m, c) = (magnification, pictureShape.channels)
    let rowSize = pictureShape.width * c
    var pixels = [UInt8](repeating: Self.marginGrey, count: pictureShape.count)
    for i in 0..<count {
      let top = Self.margin + i / columns * (shape.height * m + Self.margin)
      let left = Self.margin + i % columns * (shape.width * m + Self.margin)
      for y in 0..<shape.height * m {
        for x in 0..<shape.width * m {
          let source = ((i * shape.height + y / m) * shape.width + x / m) * shape.channels
          let target = (top + y) * rowSize + (left + x) * c
          for k in 0..<c { pixels[target + k] = grey(images[source + k]) }
        }
      }
    }
    return Picture(shape: pictureShape, pixels: pixels)
  }
}
