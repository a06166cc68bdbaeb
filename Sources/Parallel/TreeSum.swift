// The gradient of one rank, added while it is computed.

import Foundation
import Tensors

extension OperationProfile.Kind {
  /// The sum of the shards' gradients within the rank.
  public static let shardSum = Self("sum of shards")
}

/// The sum of one rank's shard gradients, in the order of `ShardTree`, fed by several workers.
///
/// It gives out the shards in ascending order, each with a buffer for its gradient, takes the
/// buffers back segment by segment, from the tail, as backward finishes them, and adds two siblings
/// as soon as both are there, on the thread of the worker that brought the second. So the tail of
/// the sum is ready to be sent while backward still computes its head. The result has the same bits
/// whatever the order and the number of workers. At most workers + ⌈log₂ leaves⌉ buffers exist: a
/// worker that runs far ahead of a slow one waits for a buffer.
///
///     while let work = sum.claim() {
///       let losses = gradient(ofShard: work.leaf, into: work.buffer) { offset in
///         sum.advance(work, downTo: offset)
///       }
///       sum.deposit(work, values: losses)
///     }
public final class TreeSum: @unchecked Sendable {
  /// One shard to compute.
  public struct Work: Sendable {
    /// The shard's number within the rank, 0 ..< leaves.
    public let leaf: Int
    /// Where its gradient goes, with unspecified contents: all elements are to be written.
    public let buffer: AlignedFloats
  }

  /// The number of shards of the rank.
  public let leaves: Int
  /// The length of a gradient.
  public let count: Int
  private let segmentLength: Int
  private let givesPagesBack: Bool
  private let segmentCount: Int
  private let bufferLimit: Int
  private let condition = NSCondition()

  // Guarded by the condition's lock.
  private var free: [AlignedFloats] = []
  private var allocated = 0
  private var nextLeaf = 0
  /// The buffer of each leaf that is under way, which also holds every node it is the first leaf
  /// of.
  private var buffers: [AlignedFloats?]
  /// The segments of each leaf that backward has not finished: those before this number.
  private var unfinished: [Int]
  /// The segments of each leaf's buffer that are still to be read.
  private var unread: [Int]
  /// Finished segments of nodes that wait for their sibling.
  private var pending: Set<Node> = []
  /// The segments of the whole sum that are not final: those before this number.
  private var unfinishedRoot: Int
  private var finishedRoot: Set<Int> = []
  private var values: [[Double]]
  private var deposited = 0
  private var isAbandoned = false

  private struct Node: Hashable {
    var segment: Int
    var level: Int
    var index: Int
    /// The leaf whose buffer holds the node.
    var firstLeaf: Int { index << level }
  }

  /// A sum that has not begun.
  ///
  /// - Parameters:
  ///   - leaves: The shards of this rank, 1 or more.
  ///   - count: The length of a gradient.
  ///   - workers: The number of threads that claim shards, 1 or more.
  ///   - segmentLength: The unit in which a gradient is passed on; nil: all at once.
  public init(
    leaves: Int, count: Int, workers: Int, segmentLength: Int? = nil,
    givesPagesBack: Bool = false
  ) {
    precondition(leaves >= 1, "A rank has at least one shard.")
    precondition(workers >= 1, "There must be at least one worker.")
    self.leaves = leaves
    self.count = count
    self.givesPagesBack = givesPagesBack
    self.segmentLength = segmentLength ?? max(count, 1)
    segmentCount = (max(count, 1) + self.segmentLength - 1) / self.segmentLength
    // A finished prefix of n < leaves shards is at most ⌈log₂ leaves⌉ nodes, so with this many
    // buffers a worker that finds none in flight always finds one free.
    let levels = leaves == 1 ? 0 : Int.bitWidth - (leaves - 1).leadingZeroBitCount
    bufferLimit = min(leaves, workers + levels)
    buffers = Array(repeating: nil, count: leaves)
    unfinished = Array(repeating: segmentCount, count: leaves)
    unread = unfinished
    unfinishedRoot = segmentCount
    values = Array(repeating: [], count: leaves)
  }

  /// The number of gradient buffers that exist.
  public var bufferCount: Int { condition.withLock { allocated } }

  /// How many gradient buffers a sum needs whose shards are finished in the order in which they are given
  /// out: one for each node of the finished shards, and one for each shard under way.
  ///
  /// A worker that runs ahead of a slow one may need more, up to workers + ⌈log₂ leaves⌉.
  ///
  /// - Parameters:
  ///   - leaves: The shards of a rank, 1 or more.
  ///   - workers: The number of threads that claim shards, 1 or more.
  public static func usualBufferCount(leaves: Int, workers: Int) -> Int {
    (0..<leaves).map { $0.nonzeroBitCount + min(workers, leaves - $0) }.max() ?? 0
  }

  /// Takes the next shard; waits while there is no buffer for it.
  ///
  /// - Returns: The shard and its buffer; `nil` when all are taken, or the sum is abandoned.
  public func claim() -> Work? {
    condition.withLock {
      // The shard is taken only together with a buffer, or waiting workers could hold up the ones
      // that would free them.
      while nextLeaf < leaves, free.isEmpty, allocated == bufferLimit, !isAbandoned {
        condition.wait()
      }
      guard nextLeaf < leaves, !isAbandoned else { return nil }
      defer { nextLeaf += 1 }
      if free.isEmpty {
        allocated += 1
        free.append(AlignedFloats(count: count))
      }
      let buffer = free.removeLast()
      buffers[nextLeaf] = buffer
      return Work(leaf: nextLeaf, buffer: buffer)
    }
  }

  /// Passes on what backward has finished of a shard's gradient, and adds what can be added.
  ///
  /// - Parameters:
  ///   - work: A claimed shard.
  ///   - offset: The gradient is final from this element to its end.
  public func advance(_ work: Work, downTo offset: Int) {
    while let segment = nextSegment(of: work.leaf, downTo: offset) {
      var node = Node(segment: segment, level: 0, index: work.leaf)
      while let (left, right) = arrive(at: &node) {
        let elements = segmentLength * segment..<min(segmentLength * (segment + 1), count)
        // The segment of both buffers belongs to this thread now; the others go on.
        add(
          UnsafeBufferPointer(rebasing: right.elements[elements]),
          to: UnsafeMutableBufferPointer(rebasing: left.elements[elements]))
        if givesPagesBack { right.giveBack(elements) }
        release(Node(segment: segment, level: node.level, index: node.index | 1).firstLeaf)
        node = Node(segment: segment, level: node.level + 1, index: node.index / 2)
      }
    }
  }

  /// Gives a finished shard back.
  ///
  /// - Parameters:
  ///   - work: A claimed shard whose buffer holds its gradient.
  ///   - values: Numbers that are summed over the shards beside the gradient, equally many of each
  ///     shard: its losses.
  public func deposit(_ work: Work, values: [Double] = []) {
    advance(work, downTo: 0)
    condition.withLock {
      self.values[work.leaf] = values
      deposited += 1
      condition.broadcast()
    }
  }

  /// Ends the sum without a result: a shard cannot be computed. Nobody waits for it any more.
  public func abandon() {
    condition.withLock {
      isAbandoned = true
      condition.broadcast()
    }
  }

  /// The next segment of a leaf that is final and has not been passed on, from the tail.
  private func nextSegment(of leaf: Int, downTo offset: Int) -> Int? {
    condition.withLock {
      guard unfinished[leaf] > 0, (unfinished[leaf] - 1) * segmentLength >= offset else {
        return nil
      }
      unfinished[leaf] -= 1
      return unfinished[leaf]
    }
  }

  /// Registers a finished segment of a node.
  ///
  /// - Parameter node: The node's place; raised to where it meets a sibling, past levels that carry
  ///   it.
  /// - Returns: The buffers of both siblings, the left one first, if the other was there first: the
  ///   caller adds the two.
  private func arrive(at node: inout Node) -> (left: AlignedFloats, right: AlignedFloats)? {
    condition.withLock {
      while true {
        let nodesOfLevel = (leaves + (1 << node.level) - 1) >> node.level
        guard nodesOfLevel > 1 else {
          finishedRoot.insert(node.segment)
          while finishedRoot.remove(unfinishedRoot - 1) != nil { unfinishedRoot -= 1 }
          condition.broadcast()
          return nil
        }
        var sibling = node
        sibling.index ^= 1
        if sibling.index < nodesOfLevel {
          guard pending.remove(sibling) != nil else {
            pending.insert(node)
            return nil
          }
          let (left, right) = node.index < sibling.index ? (node, sibling) : (sibling, node)
          return (buffers[left.firstLeaf]!, buffers[right.firstLeaf]!)
        }
        node = Node(segment: node.segment, level: node.level + 1, index: node.index / 2)
      }
    }
  }

  /// Notes that a segment of a leaf's buffer has been read; all of them free the buffer.
  private func release(_ leaf: Int) {
    condition.withLock {
      unread[leaf] -= 1
      guard unread[leaf] == 0, let buffer = buffers[leaf] else { return }
      buffers[leaf] = nil
      free.append(buffer)
      condition.broadcast()
    }
  }

  /// The buffer that becomes the sum, and the element from which to its end it is final.
  ///
  /// - Returns: `nil` before the first shard is claimed.
  public func finished() -> (gradient: AlignedFloats, downTo: Int)? {
    condition.withLock {
      buffers[0].map { ($0, min(unfinishedRoot * segmentLength, count)) }
    }
  }

  /// Waits until all shards are deposited.
  ///
  /// - Returns: The sum of the gradients, which stays valid until `restart`, and the sum of the
  ///   values.
  public func result() -> (gradient: AlignedFloats, values: [Double]) {
    condition.withLock {
      while unfinishedRoot > 0 || deposited < leaves { condition.wait() }
      return (buffers[0]!, ShardTree.sum(values))
    }
  }

  /// Begins a new sum with the buffers of the last one, whose result nobody uses any more.
  public func restart() {
    condition.withLock {
      precondition(
        unfinishedRoot == 0 || nextLeaf == 0,
        "A sum ends before the next one begins.")
      if let sum = buffers[0] {
        if givesPagesBack { sum.giveBack() }
        free.append(sum)
      }
      buffers[0] = nil
      for leaf in 0..<leaves { (unfinished[leaf], unread[leaf]) = (segmentCount, segmentCount) }
      unfinishedRoot = segmentCount
      (nextLeaf, deposited) = (0, 0)
    }
  }
}
