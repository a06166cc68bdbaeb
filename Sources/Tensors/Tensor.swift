// The arrays that the network computes with.

/// A stack of feature maps: `Float` scalars in NHWC order, in memory borrowed from a pool.
///
/// Copies share their memory. The operation that makes a tensor fills it; from then on it is only
/// read, except for gradients that are summed in place by their sole owner.
public struct Tensor {
  /// The extents (n, h, w, c).
  public let shape: Shape
  private var buffer: Buffer

  /// A tensor with unspecified contents.
  public init(_ shape: Shape, in pool: BufferPool) {
    self.shape = shape
    buffer = pool.buffer(count: shape.count)
  }

  /// A tensor with the given scalars, in NHWC order.
  public init(_ shape: Shape, _ scalars: some Collection<Float>, in pool: BufferPool) {
    precondition(scalars.count == shape.count, "The scalars must fill the shape \(shape).")
    self.init(shape, in: pool)
    _ = UnsafeMutableBufferPointer(start: pointer, count: shape.count).initialize(from: scalars)
  }

  private init(_ shape: Shape, _ buffer: Buffer) {
    self.shape = shape
    self.buffer = buffer
  }

  /// The first scalar; valid while a copy of this tensor lives.
  public var pointer: UnsafeMutablePointer<Float> { buffer.pointer }

  /// The scalars, in NHWC order; valid while a copy of this tensor lives.
  public var scalars: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: pointer, count: shape.count)
  }

  /// The scalars of image `n`, (h, w, c); valid while a copy of this tensor lives.
  public func image(_ n: Int) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: pointer + n * shape.imageCount, count: shape.imageCount)
  }

  /// The same scalars with other extents, in the same memory.
  public func reshaped(to shape: Shape) -> Tensor {
    precondition(shape.count == self.shape.count, "The scalars must fill the shape \(shape).")
    return Tensor(shape, buffer)
  }

  /// Adds another tensor of the same shape: in place where no copy shares the memory.
  public mutating func add(_ other: Tensor, in pool: BufferPool) {
    precondition(shape == other.shape, "Only tensors of one shape can be added.")
    if isKnownUniquelyReferenced(&buffer) {
      Elementwise.add(other.pointer, to: pointer, count: shape.count)
    } else {
      let sum = Tensor(shape, in: pool)
      Elementwise.sum(pointer, other.pointer, into: sum.pointer, count: shape.count)
      self = sum
    }
  }
}
