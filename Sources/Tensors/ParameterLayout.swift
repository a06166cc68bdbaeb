// All parameters lie in one buffer, in forward order.

/// Where each named tensor of a model lies in the one contiguous parameter buffer.
///
/// Weights, gradients, Adam's moments and the moving average are each one `Float` buffer with this
/// layout. Tensors follow each other in the order in which the forward pass uses them, without
/// gaps, so that the backward pass finishes the buffer from its tail.
public struct ParameterLayout: Equatable, Sendable {
  /// One named tensor of the buffer.
  public struct Entry: Equatable, Sendable {
    /// The path of the tensor, as in `down_0/block_0/conv1/W`.
    public let name: String
    /// The extents: (kh, kw, in, out) of a convolution, (in, out) of a linear layer, (c) of a
    /// vector.
    public let shape: [Int]
    /// The elements of the buffer that hold the tensor, in row-major order.
    public let range: Range<Int>
  }

  /// The tensors in forward order.
  public private(set) var entries: [Entry] = []
  /// The number of scalars of the whole buffer.
  public private(set) var count = 0

  /// An empty layout.
  public init() {}

  /// Appends a tensor behind the last one.
  ///
  /// - Parameters:
  ///   - name: A path that no other tensor of the layout has.
  ///   - shape: Positive extents, slowest first.
  /// - Returns: The elements that the tensor occupies.
  @discardableResult
  public mutating func append(_ name: String, shape: [Int]) -> Range<Int> {
    precondition(shape.allSatisfy { $0 > 0 }, "The extents of tensor \(name) must be positive.")
    precondition(
      !entries.contains { $0.name == name }, "A tensor named \(name) is in the layout already.")
    let range = count..<(count + shape.reduce(1, *))
    entries.append(Entry(name: name, shape: shape, range: range))
    count = range.upperBound
    return range
  }
}
