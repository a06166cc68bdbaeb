// How much memory the chunks of compressed images take, which can only be unpacked whole.

import Tensors

/// The bytes of a chunk, and of all chunks that one image touches.
struct ChunkSize {
  /// The bytes of a chunk when it is unpacked; nil where there is no such number.
  let one: Int?
  /// The bytes of the chunks that an image touches; `Int.max` where there is no such number.
  let row: Int

  /// The most bytes of a chunk that is read.
  static let limit = 1 << 26
  /// The most bytes of the chunks of an image.
  static let rowLimit = 1 << 28

  /// The size of chunks of images.
  ///
  /// - Parameter chunk: The extents of a chunk, that of the images first.
  init(of chunk: [Int], shape: ImageShape, _ order: AxisOrder, _ format: PixelFormat) {
    let extents =
      order == .channelsLast
      ? [shape.height, shape.width, shape.channels] : [shape.channels, shape.height, shape.width]
    one = Self.product(chunk + [format.bytes])
    let touched = zip(extents, chunk.dropFirst()).map { $0 / $1 + ($0 % $1 == 0 ? 0 : 1) }
    row = Self.product(chunk + [format.bytes] + touched) ?? .max
  }

  /// Why such chunks are not read; nil where they are.
  var fault: String? {
    if one ?? .max > Self.limit {
      return "is compressed in chunks of more than \(Self.limit >> 20) MiB, each of which has to "
        + "be unpacked whole; write it in smaller ones, of about 1 MiB"
    }
    if row > Self.rowLimit {
      return "is compressed in chunks of which one image touches more than "
        + "\(Self.rowLimit >> 20) MiB; write it in chunks of whole images"
    }
    return nil
  }

  private static func product(_ factors: [Int]) -> Int? {
    var result = 1
    for factor in factors {
      let (product, overflow) = result.multipliedReportingOverflow(by: factor)
      if overflow { return nil }
      result = product
    }
    return result
  }
}
