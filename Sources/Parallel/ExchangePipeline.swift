// The buckets that are under way, level by level.

import MPI
import Tensors

/// A bucket that is being sent and received.
final class BucketTransfer {
  /// The bucket's number.
  fileprivate(set) var bucket = 0
  /// How many levels it has gone through.
  fileprivate(set) var stage = 0
  /// Where the others' parts of it arrive, in the order of the group.
  let received: AlignedFloats
  fileprivate var request: Request?

  fileprivate init(capacity: Int) { received = AlignedFloats(count: capacity) }
}

/// Takes buckets through the levels of an exchange, several at a time.
///
/// At each level a bucket is posted, is in flight, arrives, and is made ready for the next. Each level's
/// operations begin in the order of the buckets, so that all ranks of a group begin them in one order.
struct ExchangePipeline {
  /// The number of levels.
  let stages: Int
  private var underWay: [BucketTransfer] = []
  private var idle: [BucketTransfer]

  /// A pipeline with nothing in it.
  ///
  /// - Parameters:
  ///   - stages: The number of levels.
  ///   - depth: The buckets that may be under way at once.
  ///   - capacity: The elements that one of them receives at most.
  init(stages: Int, depth: Int, capacity: Int) {
    self.stages = stages
    idle = (0..<depth).map { _ in BucketTransfer(capacity: capacity) }
  }

  /// Whether no bucket is under way.
  var isEmpty: Bool { underWay.isEmpty }

  /// Whether another bucket may begin.
  var hasRoom: Bool { !idle.isEmpty }

  /// Begins a bucket; there is room.
  ///
  /// - Parameter post: Begins the operation of the transfer's level.
  mutating func begin(
    _ bucket: Int, post: (BucketTransfer) throws(MPIError) -> Request
  ) throws(MPIError) {
    let transfer = idle.removeLast()
    (transfer.bucket, transfer.stage) = (bucket, 0)
    transfer.request = try post(transfer)
    underWay.append(transfer)
  }

  /// Takes what has arrived to its next level, and out of the last.
  ///
  /// - Parameters:
  ///   - waits: Whether to wait for the first of them to arrive.
  ///   - post: Begins the operation of the transfer's level.
  ///   - arrived: Called when the operation of the transfer's level is complete.
  mutating func advance(
    waits: Bool, post: (BucketTransfer) throws(MPIError) -> Request,
    arrived: (BucketTransfer) -> Void
  ) throws(MPIError) {
    var mustWait = waits
    // No bucket overtakes the one before it.
    var limit = stages
    for transfer in underWay {
      while transfer.stage < limit {
        if !mustWait, try transfer.request?.test() == false { break }
        mustWait = false
        try transfer.request.take()?.wait()
        arrived(transfer)
        transfer.stage += 1
        if transfer.stage < stages { transfer.request = try post(transfer) }
      }
      limit = transfer.stage
    }
    let done = underWay.prefix { $0.stage == stages }.count
    idle += underWay[..<done]
    underWay.removeFirst(done)
  }
}
