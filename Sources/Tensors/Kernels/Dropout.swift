// Dropout masks are never stored: they can be drawn again.

/// Dropout: each scalar is 0 with probability `rate`, else divided by 1 − rate (Srivastava et al.
/// 2014, in the form that leaves the network as it is when nothing is dropped).
///
/// The masks come from one random stream an image. They are not stored: whoever needs a mask again,
/// as the backward pass does, draws the same numbers again, sixteen blocks of them at a time.
public struct Dropout: Sendable {
  private let streams: [RandomStream]
  private let firstBlock: Int
  private let threshold: UInt32
  private let scale: Float

  /// The masks of one layer.
  ///
  /// - Parameters:
  ///   - rate: The probability that a scalar becomes 0, below 1.
  ///   - streams: The random numbers of each image.
  ///   - firstBlock: The first of `blockCount(imageCount:)` blocks of the streams to use.
  public init(rate: Double, streams: [RandomStream], firstBlock: Int) {
    precondition((0..<1).contains(rate), "A dropout rate lies in [0, 1).")
    self.streams = streams
    self.firstBlock = firstBlock
    threshold = UInt32(rate * 0x1p32)
    scale = Float(1 / (1 - rate))
  }

  /// The number of blocks of a stream that the mask of an image takes.
  public static func blockCount(imageCount: Int) -> Int { (imageCount + 63) / 64 * 16 }

  /// y ← the mask of image `n` times x; both may be the same.
  public func apply(
    image n: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int
  ) {
    let limit = SIMD16<UInt32>(repeating: threshold)
    var i = 0
    var block = firstBlock
    while i < count {
      // Word j of the sixteen blocks decides on the j-th sixteen of 64 scalars.
      let words = streams[n].words16(block)
      mask(words.0 .>= limit, x, y, i, count)
      mask(words.1 .>= limit, x, y, i &+ 16, count)
      mask(words.2 .>= limit, x, y, i &+ 32, count)
      mask(words.3 .>= limit, x, y, i &+ 48, count)
      i &+= 64
      block &+= 16
    }
  }

  @inline(__always)
  private func mask(
    _ isKept: SIMDMask<SIMD16<Int32>>, _ x: UnsafePointer<Float>,
    _ y: UnsafeMutablePointer<Float>, _ i: Int, _ count: Int
  ) {
    let lanes = min(16, count &- i)
    guard lanes > 0 else { return }
    store((load(x + i, lanes) * scale).replacing(with: 0, where: .!isKept), y + i, lanes)
  }
}
