import Foundation

/// The sum of one rank's shard gradients, in the order of `ShardTree`, fed by several workers.
///
/// It hands out the shards in ascending order, each with a buffer for its gradient, takes the
/// filled buffers back in any order, and adds two siblings as soon as both are there, on the
/// thread of the worker that brought the second. The result has the same bits whatever the order
/// and the number of workers. At most workers + ⌈log₂ leaves⌉ buffers exist: a worker that runs
/// far ahead of a slow one waits for a buffer.
///
///     while let work = sum.claim() {
///       let loss = gradient(ofShard: work.leaf, into: work.buffer)
///       sum.deposit(work, value: loss)
///     }
public final class TreeSum: @unchecked Sendable {
  /// One shard to compute.
  public struct Work: Sendable {
    /// The shard's number within the rank, 0 ..< leaves.
    public let leaf: Int
    /// Where its gradient goes: all zeros.
    public let buffer: AlignedFloats
  }

  /// The number of shards of the rank.
  public let leaves: Int
  /// The length of a gradient.
  public let count: Int
  private let bufferLimit: Int
  private let condition = NSCondition()

  // Guarded by the condition's lock.
  private var free: [AlignedFloats] = []
  private var allocated = 0
  private var nextLeaf = 0
  /// Finished nodes that wait for their sibling, by level and index.
  private var pending: [Node: AlignedFloats] = [:]
  private var root: AlignedFloats?
  private var values: [Double]
  private var isCancelled = false

  private struct Node: Hashable {
    var level: Int
    var index: Int
  }

  /// A sum that has not begun.
  ///
  /// - Parameters:
  ///   - leaves: The shards of this rank, 1 or more.
  ///   - count: The length of a gradient.
  ///   - workers: The number of threads that claim shards, 1 or more.
  public init(leaves: Int, count: Int, workers: Int) {
    precondition(leaves >= 1, "A rank has at least one shard.")
    precondition(workers >= 1, "There must be at least one worker.")
    self.leaves = leaves
    self.count = count
    // A finished prefix of n < leaves shards is at most ⌈log₂ leaves⌉ nodes, so with this many
    // buffers a worker that finds none in flight always finds one free.
    let levels = leaves == 1 ? 0 : Int.bitWidth - (leaves - 1).leadingZeroBitCount
    bufferLimit = min(leaves, workers + levels)
    values = Array(repeating: 0, count: leaves)
  }

  /// The number of gradient buffers that exist.
  public var bufferCount: Int { condition.withLock { allocated } }

  /// Takes the next shard; waits while there is no buffer for it.
  ///
  /// - Returns: The shard and its buffer; `nil` when all are taken or the sum is cancelled.
  public func claim() -> Work? {
    let work: Work? = condition.withLock {
      // The shard is taken only together with a buffer, or waiting workers could hold up the ones
      // that would free them.
      while !isCancelled, nextLeaf < leaves, free.isEmpty, allocated == bufferLimit {
        condition.wait()
      }
      guard !isCancelled, nextLeaf < leaves else { return nil }
      defer { nextLeaf += 1 }
      if let buffer = free.popLast() { return Work(leaf: nextLeaf, buffer: buffer) }
      allocated += 1
      return Work(leaf: nextLeaf, buffer: AlignedFloats(count: count))
    }
    work?.buffer.clear()
    return work
  }

  /// Gives a finished shard back, and adds what can be added.
  ///
  /// - Parameters:
  ///   - work: A claimed shard whose buffer holds its gradient.
  ///   - value: A number that is summed over the shards beside the gradient: the shard's loss.
  public func deposit(_ work: Work, value: Double = 0) {
    condition.withLock { values[work.leaf] = value }
    var node = Node(level: 0, index: work.leaf)
    var buffer = work.buffer
    while let sibling = arrive(at: &node, with: buffer) {
      let left = node.index.isMultiple(of: 2) ? buffer : sibling
      let right = node.index.isMultiple(of: 2) ? sibling : buffer
      // Both buffers belong to this thread now; the others go on.
      add(UnsafeBufferPointer(right.elements), to: left.elements)
      condition.withLock {
        free.append(right)
        condition.broadcast()
      }
      buffer = left
      node = Node(level: node.level + 1, index: node.index / 2)
    }
  }

  /// Registers a finished node.
  ///
  /// - Parameters:
  ///   - node: The node's place; raised to where it meets a sibling, past levels that carry it.
  ///   - buffer: Its sum.
  /// - Returns: The sibling's sum if it was there first: the caller adds the two.
  private func arrive(at node: inout Node, with buffer: AlignedFloats) -> AlignedFloats? {
    condition.withLock {
      while true {
        let nodesOfLevel = (leaves + (1 << node.level) - 1) >> node.level
        guard nodesOfLevel > 1 else {
          root = buffer
          condition.broadcast()
          return nil
        }
        let sibling = Node(level: node.level, index: node.index ^ 1)
        if sibling.index < nodesOfLevel {
          if let waiting = pending.removeValue(forKey: sibling) { return waiting }
          pending[node] = buffer
          return nil
        }
        node = Node(level: node.level + 1, index: node.index / 2)
      }
    }
  }

  /// Waits until all shards are deposited.
  ///
  /// - Returns: The sum of the gradients, which stays valid until `restart`, and the sum of the
  ///   values; `nil` if the sum is cancelled.
  public func result() -> (gradient: AlignedFloats, value: Double)? {
    condition.withLock {
      while root == nil, !isCancelled { condition.wait() }
      guard !isCancelled, let root else { return nil }
      return (root, ShardTree.sum(values))
    }
  }

  /// Wakes everybody who waits, empty-handed: for a worker that cannot finish its shard.
  public func cancel() {
    condition.withLock {
      isCancelled = true
      condition.broadcast()
    }
  }

  /// Begins a new sum with the buffers of the last one, whose result nobody uses any more.
  public func restart() {
    condition.withLock {
      precondition(
        !isCancelled && (root != nil || nextLeaf == 0), "A sum ends before the next one begins.")
      if let root { free.append(root) }
      root = nil
      nextLeaf = 0
    }
  }
}
