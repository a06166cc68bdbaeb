// Gradients of all ranks in, weights for all ranks out.

import MPI
import Tensors

/// How the ranks' gradients are added.
public enum GradientReduction: String, CaseIterable, Sendable {
  /// By us, in the order of the shard tree; each rank then updates the part it owns.
  case tree
  /// By the MPI library, in its own order; each rank then updates everything.
  case allreduce
}

/// Adds the ranks' gradients and spreads the new weights, bucket by bucket.
///
/// With the `tree` reduction each rank sends each other one the part that it owns (an all-to-all),
/// and the owner adds the R parts in the order of `ShardTree` over the ranks. As each rank's
/// gradient is a node of the tree over the shards, the sum has the same bits for every valid rank
/// count. Buckets are in flight while others are added, and while backward still fills the rest:
///
///     exchange.start(gradient)
///     exchange.begin(downTo: offset)   // backward has finished the buffer from here to the end
///     exchange.progress()              // now and then
///     exchange.finish()
///     let norm = exchange.squaredNorm().squareRoot()
///
///     exchange.startGather(weights)
///     for bucket in … { … update the owned part of the bucket …; exchange.gather(bucket: bucket) }
///     exchange.finishGather()
///
/// All calls are collective, on the session's thread, with equal arguments.
public final class GradientExchange {
  /// The ranks.
  public let communicator: Communicator
  /// How gradients are added.
  public let reduction: GradientReduction
  /// Who owns what. With `allreduce`, and with one rank, everybody owns everything.
  public let partition: ParameterPartition
  /// This rank's number in `partition`.
  public var owner: Int { isDivided ? communicator.rank : 0 }

  /// Whether ranks own different parts.
  var isDivided: Bool { partition.ranks > 1 }
  /// The gradient of the current exchange, from `start` to `finish`.
  private var gradient: AlignedFloats?
  /// The weights of the current gather, from `startGather` to `finishGather`.
  private var weights: AlignedFloats?
  /// The bucket that begins next; they begin from the last to the first.
  private var nextBucket = -1
  /// The gradient is final from this element to its end.
  private var finalOffset = 0
  private var inFlight: [Transfer] = []
  private var idle: [Transfer] = []
  /// The sum of squares of each block of the summed gradient that this rank owns.
  private var squares: [Double]

  /// A bucket that is being sent and received.
  final class Transfer {
    var bucket = 0
    var request: Request?
    /// The other ranks' gradients of this rank's part, in rank order.
    let received: AlignedFloats

    init(capacity: Int) { received = AlignedFloats(count: capacity) }

    /// Waits for the operation.
    func complete() throws(MPIError) {
      guard let request = request.take() else { return }
      try request.wait()
    }
  }

  /// The number of buckets under way at once: one is added, the others are in flight.
  static let depth = 4

  /// The bytes of a bucket where nobody says otherwise: 4 MiB, and more where many ranks would get too
  /// little of each (docs/scaling.md).
  public static func bucketBytes(ranks: Int) -> Int { max(4 << 20, ranks * 48 << 10) }

  /// The elements that a rank has ready to receive others' gradients in.
  public static func receivedCount(_ partition: ParameterPartition) -> Int {
    guard partition.ranks > 1 else { return 0 }
    let blocks = min(partition.bucketLength / ParameterPartition.blockLength, partition.blockCount)
    let largestPart = (blocks + partition.ranks - 1) / partition.ranks
    return depth * (partition.ranks - 1) * largestPart * ParameterPartition.blockLength
  }

  /// Prepares the exchange of a parameter buffer.
  ///
  /// - Parameters:
  ///   - communicator: The ranks.
  ///   - count: The length of the parameter buffer, 1 or more.
  ///   - bucketBytes: The unit of communication. Small ones start earlier, large ones cost less;
  ///     nil: 4 MiB, and more where many ranks would get too little of each (docs/scaling.md).
  ///   - reduction: How gradients are added.
  public init(
    communicator: Communicator, count: Int, bucketBytes: Int? = nil,
    reduction: GradientReduction = .tree
  ) {
    self.communicator = communicator
    self.reduction = reduction
    partition = ParameterPartition(
      count: count, ranks: reduction == .tree ? communicator.size : 1,
      bucketBytes: bucketBytes ?? Self.bucketBytes(ranks: communicator.size))
    squares = Array(repeating: 0, count: partition.blockCount)
    guard isDivided else { return }
    let capacity = Self.receivedCount(partition) / Self.depth
    idle = (0..<Self.depth).map { _ in Transfer(capacity: capacity) }
  }

  // MARK: Adding

  /// Adds the ranks' gradients.
  ///
  /// - Parameter gradient: This rank's gradient; then, in the parts that it owns, the sum. The
  ///   rest is left as it was.
  /// - Throws: `MPIError.call`.
  public func reduce(_ gradient: AlignedFloats) throws(MPIError) {
    start(gradient)
    try begin(downTo: 0)
    try finish()
  }

  /// Opens the exchange of a gradient of which nothing needs to be computed yet.
  ///
  /// - Parameter gradient: This rank's gradient, which is kept until `finish`.
  public func start(_ gradient: AlignedFloats) {
    precondition(
      self.gradient == nil && weights == nil, "An exchange ends before the next one starts.")
    precondition(
      gradient.count == partition.count, "The gradient must have the length of the parameters.")
    self.gradient = gradient
    nextBucket = partition.bucketCount - 1
    finalOffset = partition.count
  }

  /// Leaves everything as it is, after an error.
  func abandon() {
    // What is in flight may still be written to: it must outlive the error's way to the user.
    _ = Unmanaged.passRetained(self)
  }

  /// Begins the exchange of the buckets that are ready, as many as may be in flight at once;
  /// `progress` and `finish` begin the others. Never waits.
  ///
  /// - Parameter offset: The gradient is final from this element to its end.
  /// - Throws: `MPIError.call`.
  public func begin(downTo offset: Int) throws(MPIError) {
    finalOffset = min(finalOffset, offset)
    try postReady(waiting: false)
  }

  /// Posts the buckets that are ready.
  ///
  /// - Parameter waiting: Whether to wait for others to arrive where too many are in flight.
  private func postReady(waiting: Bool) throws(MPIError) {
    guard let gradient else { preconditionFailure("An exchange starts before its buckets begin.") }
    while nextBucket >= 0, partition.bucket(nextBucket).lowerBound >= finalOffset {
      if isDivided {
        if idle.isEmpty { try addArrived() }
        if idle.isEmpty {
          guard waiting else { return }
          try completeAndAdd(inFlight.removeFirst())
        }
        try post(nextBucket, of: gradient.elements)
      } else if reduction == .tree {
        measure(partition.blocks(ofBucket: nextBucket, rank: 0), of: gradient.elements)
      }
      nextBucket -= 1
    }
  }

  /// Lets the buckets in flight advance, and adds those that have arrived.
  ///
  /// - Throws: `MPIError.call`.
  public func progress() throws(MPIError) {
    try addArrived()
    try postReady(waiting: false)
  }

  private func addArrived() throws(MPIError) {
    while let first = inFlight.first, try first.request?.test() ?? true {
      try completeAndAdd(inFlight.removeFirst())
    }
  }

  /// Completes the exchange; every bucket must have begun.
  ///
  /// - Throws: `MPIError.call`.
  public func finish() throws(MPIError) {
    guard let gradient else { preconditionFailure("An exchange starts before it finishes.") }
    try postReady(waiting: true)
    precondition(nextBucket < 0, "Every bucket is final before the exchange finishes.")
    while !inFlight.isEmpty { try completeAndAdd(inFlight.removeFirst()) }
    if reduction == .allreduce {
      try communicator.allReduce(gradient.elements, .sum)
      measure(0..<partition.blockCount, of: gradient.elements)
    }
    self.gradient = nil
  }

  /// Posts the sending and receiving of the parts of a bucket.
  private func post(
    _ bucket: Int, of gradient: UnsafeMutableBufferPointer<Float>
  ) throws(MPIError) {
    let transfer = idle.removeLast()
    transfer.bucket = bucket
    let elements = partition.bucket(bucket)
    let length = partition.part(ofBucket: bucket, rank: owner).count
    var sent: [Range<Int>] = []
    var received: [Range<Int>] = []
    var end = 0
    for rank in 0..<partition.ranks {
      let part = partition.part(ofBucket: bucket, rank: rank)
      let start = part.lowerBound - elements.lowerBound
      sent.append(start..<(rank == owner ? start : start + part.count))
      received.append(end..<(rank == owner ? end : end + length))
      end = received[rank].upperBound
    }
    transfer.request = try communicator.beginAllToAll(
      from: UnsafeBufferPointer(rebasing: gradient[elements]), parts: sent,
      into: transfer.received.elements, parts: received)
    inFlight.append(transfer)
  }

  /// Adds the parts of a bucket when they are there.
  private func completeAndAdd(_ transfer: Transfer) throws(MPIError) {
    try transfer.complete()
    let gradient = gradient!.elements
    let part = partition.part(ofBucket: transfer.bucket, rank: owner)
    let blocks = partition.blocks(ofBucket: transfer.bucket, rank: owner)
    var addends = [UnsafeMutableBufferPointer<Float>](
      repeating: UnsafeMutableBufferPointer(start: nil, count: 0), count: partition.ranks)
    // Block by block, so that the parts are added in the cache.
    for block in blocks {
      let elements = partition.block(block)
      let mine = UnsafeMutableBufferPointer(rebasing: gradient[elements])
      for rank in 0..<partition.ranks where rank != owner {
        let slot = rank < owner ? rank : rank - 1
        let start = slot * part.count + elements.lowerBound - part.lowerBound
        addends[rank] = UnsafeMutableBufferPointer(
          rebasing: transfer.received.elements[start..<(start + elements.count)])
      }
      addends[owner] = mine
      ShardTree.additions(leaves: partition.ranks) { left, right in
        add(UnsafeBufferPointer(addends[right]), to: addends[left])
      }
      if owner != 0 { _ = mine.update(from: addends[0]) }
      squares[block] = sumOfSquares(UnsafeBufferPointer(mine))
    }
    idle.append(transfer)
  }

  /// Notes the sums of squares of blocks that are complete.
  private func measure(_ blocks: Range<Int>, of gradient: UnsafeMutableBufferPointer<Float>) {
    for block in blocks {
      squares[block] = sumOfSquares(
        UnsafeBufferPointer(rebasing: gradient[partition.block(block)]))
    }
  }

  // MARK: Numbers

  /// The sum of squares of the summed gradient, the same bits on every rank and for every R.
  ///
  /// It is not finite if any element is not.
  ///
  /// - Returns: ‖g‖² of the last exchange.
  /// - Throws: `MPIError.call`.
  public func squaredNorm() throws(MPIError) -> Double {
    precondition(gradient == nil, "The norm is known when the exchange has finished.")
    if isDivided {
      let owned = (0..<partition.ranks).map { rank in
        (0..<partition.bucketCount).flatMap { partition.blocks(ofBucket: $0, rank: rank) }
      }
      let all = try communicator.allGather(owned[owner].map { squares[$0] })
      for (blocks, values) in zip(owned, all) {
        for (block, value) in zip(blocks, values) { squares[block] = value }
      }
    }
    return squares.reduce(0, +)
  }

  /// The norms of parts of the summed gradient, of its tensors for example; collective.
  ///
  /// Each rank adds the squares of what it owns, in Double, and all add these in the order of the ranks: the
  /// last digits may depend on how many there are.
  ///
  /// - Parameters:
  ///   - parts: Elements of the parameter buffer.
  ///   - gradient: That of the last exchange.
  /// - Returns: The norm of each part.
  /// - Throws: `MPIError.call`.
  public func norms(
    of parts: [Range<Int>], in gradient: AlignedFloats
  ) throws(MPIError) -> [Double] {
    let owned = (0..<partition.bucketCount).map { partition.part(ofBucket: $0, rank: owner) }
    let own = parts.map { part in
      owned.reduce(0.0) { sum, range in
        let common = range.clamped(to: part)
        return common.isEmpty
          ? sum
          : sum + sumOfSquares(UnsafeBufferPointer(rebasing: gradient.elements[common]))
      }
    }
    let all = isDivided ? try communicator.allGather(own) : [own]
    return parts.indices.map { i in all.reduce(0.0) { $0 + $1[i] }.squareRoot() }
  }

  /// Adds the vectors of all ranks in the order of the shard tree, and gives each rank's own numbers to all
  /// in the same message.
  ///
  /// - Parameters:
  ///   - values: The sum over this rank's shards, as `TreeSum` gives it; equally long on all ranks.
  ///   - own: Numbers that are not added; equally many on all ranks.
  /// - Returns: The sum, the same bits on every rank and for every R; and the numbers of each rank.
  /// - Throws: `MPIError.call`.
  public func sum(
    _ values: [Double], beside own: [Double] = []
  ) throws(MPIError) -> (sum: [Double], ranks: [[Double]]) {
    let all = try communicator.allGather(values + own)
    return (
      ShardTree.sum(all.map { Array($0.prefix(values.count)) }),
      all.map { Array($0.suffix(own.count)) }
    )
  }

  // MARK: Spreading

  /// Completes a buffer of which each rank has the parts it owns.
  ///
  /// - Parameter whole: As long as the parameters.
  /// - Throws: `MPIError.call`.
  public func gather(_ whole: AlignedFloats) throws(MPIError) {
    startGather(whole)
    for bucket in 0..<partition.bucketCount { try gather(bucket: bucket) }
    try finishGather()
  }

  /// Opens the gathering of a buffer, the new weights, of which each rank computes the parts it
  /// owns.
  ///
  /// - Parameter whole: As long as the parameters; kept until `finishGather`.
  public func startGather(_ whole: AlignedFloats) {
    precondition(
      gradient == nil && weights == nil, "Weights are gathered when the exchange has finished.")
    precondition(
      whole.count == partition.count, "The buffer must have the length of the parameters.")
    weights = whole
  }

  /// Begins to gather a bucket whose owned part is computed, and lets earlier ones advance.
  ///
  /// - Throws: `MPIError.call`.
  public func gather(bucket: Int) throws(MPIError) {
    guard let weights else { preconditionFailure("A gather starts before its buckets.") }
    guard isDivided else { return }
    if idle.isEmpty { try complete(inFlight.removeFirst()) }
    let transfer = idle.removeLast()
    transfer.request = try communicator.beginAllGather(
      inPlace: UnsafeMutableBufferPointer(rebasing: weights.elements[partition.bucket(bucket)]),
      counts: partCounts(ofBucket: bucket))
    inFlight.append(transfer)
    for transfer in inFlight { _ = try transfer.request?.test() }
  }

  /// Waits until the buffer is whole on this rank; every bucket must have begun.
  ///
  /// - Throws: `MPIError.call`.
  public func finishGather() throws(MPIError) {
    while !inFlight.isEmpty { try complete(inFlight.removeFirst()) }
    weights = nil
  }

  private func complete(_ transfer: Transfer) throws(MPIError) {
    try transfer.complete()
    idle.append(transfer)
  }

  /// The lengths of the ranks' parts of a bucket.
  func partCounts(ofBucket bucket: Int) -> [Int] {
    (0..<partition.ranks).map { partition.part(ofBucket: bucket, rank: $0).count }
  }
}
