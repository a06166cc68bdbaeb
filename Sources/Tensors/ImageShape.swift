// All images of a dataset have one shape.

/// The extents of one image: height, width and channels, in the order in which they are stored.
public struct ImageShape: Equatable, Sendable, CustomStringConvertible {
  /// Rows.
  public let height: Int
  /// Columns.
  public let width: Int
  /// Values of one pixel: 1 for grey, 3 for red, green, blue.
  public let channels: Int

  /// The number of values of one image.
  public var count: Int { height * width * channels }

  /// An image of `height` rows and `width` columns of `channels` values.
  public init(height: Int, width: Int, channels: Int) {
    self.height = height
    self.width = width
    self.channels = channels
  }

  /// Height × width × channels.
  public var description: String { "\(height)×\(width)×\(channels)" }
}
