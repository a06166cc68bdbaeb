import Foundation

/// The transformed kernels of a network's convolutions, each computed when it is first needed.
///
/// Sampling evaluates one set of weights a thousand times, and a training step evaluates it once
/// for each shard: whoever evaluates more than once transforms the kernels once. They take four
/// times the memory of the weights in each direction. Any thread may ask; the results have the bits
/// of kernels that are transformed for one call.
public final class PreparedKernels: @unchecked Sendable {
  /// Which way the kernels map.
  enum Direction: Hashable {
    /// U: from input to output channels.
    case forward
    /// Uᵀ: from output to input channels.
    case backward
  }

  private struct Key: Hashable {
    let offset: Int
    let direction: Direction
  }

  private enum State {
    case stale
    case underWay
    case ready
  }

  private let lock = NSLock()
  // Guarded by the lock; an array that is ready is only read, one under way only by who fills it.
  private var buffers: [Key: Buffer] = [:]
  private var states: [Key: State] = [:]
  private let pool = BufferPool()

  /// No kernels yet.
  public init() {}

  /// Forgets all kernels, but keeps their memory: the weights have changed.
  ///
  /// Nobody may be using them.
  public func invalidate() { lock.withLock { states = [:] } }

  /// The transformed kernels of a convolution.
  ///
  /// - Parameters:
  ///   - offset: Where its weights begin among those of the network.
  ///   - W: The weights, (3, 3, c, o).
  /// - Returns: `nil` while another thread computes them: who would wait for it may as well transform
  ///   them for itself.
  func kernels(
    _ offset: Int, _ direction: Direction, _ W: UnsafePointer<Float>, c: Int, o: Int
  ) -> PlaceArray? {
    let key = Key(offset: offset, direction: direction)
    let (rows, panels) = direction == .forward ? (c, o / 16) : (o, c / 16)
    let (array, state) = lock.withLock { () -> (PlaceArray, State) in
      let count = PlaceArray.count(rows: rows, panels: panels)
      let memory = buffers[key] ?? pool.buffer(count: count)
      buffers[key] = memory
      let array = PlaceArray(rows: rows, panels: panels, at: memory.pointer)
      let state = states[key] ?? .stale
      if state == .stale { states[key] = .underWay }
      return (array, state)
    }
    guard state == .stale else { return state == .ready ? array : nil }
    let kernels = WinogradKernels(W, c, o)
    switch direction {
    case .forward: kernels.transform(0..<panels, into: array)
    case .backward: kernels.transformTransposed(0..<panels, into: array)
    }
    lock.withLock { states[key] = .ready }
    return array
  }
}
