// Four extents describe every tensor.

/// The extents of a stack of feature maps: images, rows, columns, channels, slowest first.
///
/// Everything that flows through the network has this form. A vector per image, such as the time
/// embedding, is a map of one pixel: (n, 1, 1, c).
public struct Shape: Equatable, Sendable, CustomStringConvertible {
  /// The number of images.
  public let n: Int
  /// The number of pixel rows.
  public let h: Int
  /// The number of pixel columns.
  public let w: Int
  /// The number of channels, the fastest extent.
  public let c: Int

  /// A stack of `n` maps of `h` × `w` pixels with `c` channels.
  public init(_ n: Int, _ h: Int, _ w: Int, _ c: Int) {
    precondition(n > 0 && h > 0 && w > 0 && c > 0, "The extents of a shape must be positive.")
    self.n = n
    self.h = h
    self.w = w
    self.c = c
  }

  /// The number of pixels of all images: the rows of the (pixels, channels) matrix.
  public var pixels: Int { n * h * w }
  /// The number of scalars.
  public var count: Int { n * h * w * c }
  /// The number of scalars of one image.
  public var imageCount: Int { h * w * c }

  /// The same pixels with another number of channels.
  public func with(channels: Int) -> Shape { Shape(n, h, w, channels) }

  /// The extents, as in "(2, 8, 8, 32)".
  public var description: String { "(\(n), \(h), \(w), \(c))" }
}
