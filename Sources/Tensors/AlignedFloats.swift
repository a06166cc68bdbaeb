// Memory that stays where it is.

/// A fixed number of floats at one place in memory, aligned for vectors, zero at first.
///
/// Gradients, moments and receive buffers live here, so that their address stays the same while
/// the network reads and writes them. It has no lock: whoever holds it passes it on (a worker that
/// has filled it deposits it), and two threads never touch the same elements at once.
public final class AlignedFloats: @unchecked Sendable {
  /// The memory, valid only as long as this object: its user holds on to both.
  package let elements: UnsafeMutableBufferPointer<Float>

  /// Allocates zeros.
  ///
  /// - Parameter count: The number of floats, 0 or more.
  public init(count: Int) {
    precondition(count >= 0, "A number of floats must not be negative.")
    let memory = SystemMemory.allocateZeros(bytes: max(count, 1) * MemoryLayout<Float>.stride)
    elements = UnsafeMutableBufferPointer(
      start: memory.bindMemory(to: Float.self, capacity: count), count: count)
  }

  /// Allocates a copy.
  ///
  /// - Parameter values: The first values of the elements.
  public convenience init(_ values: [Float]) {
    self.init(count: values.count)
    _ = elements.update(from: values)
  }

  /// A copy of the elements.
  public var values: [Float] { withElements { Array($0) } }

  /// Gives access to the memory.
  ///
  /// - Parameter body: Called with the memory, which it must not keep.
  /// - Returns: What the body returns.
  /// - Throws: What the body throws.
  public func withElements<Result, Failure: Error>(
    _ body: (UnsafeMutableBufferPointer<Float>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { withExtendedLifetime(self) {} }
    return try body(elements)
  }

  /// Gives the memory of some elements back to the system until they are written again; what they hold
  /// is unspecified then.
  ///
  /// - Parameter range: nil: of all elements.
  package func giveBack(_ range: Range<Int>? = nil) {
    let part = UnsafeMutableRawBufferPointer(
      UnsafeMutableBufferPointer(rebasing: elements[range ?? elements.indices]))
    guard let start = part.baseAddress else { return }
    SystemMemory.giveBack(start, bytes: part.count)
    withExtendedLifetime(self) {}
  }

  /// The number of floats.
  public var count: Int { elements.count }

  deinit { SystemMemory.deallocate(elements.baseAddress!) }
}
