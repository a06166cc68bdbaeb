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
/// count. Over two levels (`RankHierarchy`) the ranks of a node do so first, and then, with the
/// node's sum of what the ranks of their number own, each of them with those on the other nodes.
/// Buckets are in flight while others are added, and while backward still fills the rest:
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
  /// The groups of ranks that it goes through.
  public let hierarchy: RankHierarchy
  /// All ranks, in the order of their shards.
  public var communicator: Communicator { hierarchy.world }
  /// How gradients are added.
  public let reduction: GradientReduction
  /// Who owns what. With `allreduce`, and with one rank, everybody owns everything.
  public let partition: ParameterPartition
  /// This rank's number in `partition`.
  public var owner: Int { isDivided ? hierarchy.owners.rank : 0 }

  /// Whether ranks own different parts.
  var isDivided: Bool { partition.ranks > 1 }
  /// The owners whose parts this rank adds up at each level, those of all first, and itself at last.
  private let runs: [Range<Int>]
  /// The gradient of the current exchange, from `start` to `finish`.
  private var gradient: AlignedFloats?
  /// The weights of the current gather, from `startGather` to `finishGather`.
  private var weights: AlignedFloats?
  /// The bucket that begins next; they begin from the last to the first.
  private var nextBucket = -1
  /// The gradient is final from this element to its end.
  private var finalOffset = 0
  private var pipeline: ExchangePipeline
  /// The sum of squares of each block of the summed gradient that this rank owns.
  private var squares: [Double]

  /// What this rank has sent so far at each level of the hierarchy, to others of its group.
  public private(set) var traffic: [ExchangeTraffic]

  /// The number of buckets under way at once: one is added, the others are in flight.
  static let depth = 4

  /// The bytes of a bucket where nobody says otherwise: 4 MiB, and more where many ranks would get too
  /// little of each (docs/scaling.md).
  public static func bucketBytes(ranks: Int) -> Int { max(4 << 20, ranks * 48 << 10) }

  /// The elements that a rank has ready to receive others' gradients in.
  ///
  /// - Parameters:
  ///   - partition: Who owns what.
  ///   - groupSizes: The ranks of a group at each level; nil: all in one.
  public static func receivedCount(
    _ partition: ParameterPartition, groupSizes: [Int]? = nil
  ) -> Int {
    guard partition.ranks > 1 else { return 0 }
    var (owners, most) = (partition.ranks, 0)
    for size in groupSizes ?? [partition.ranks] {
      owners /= size
      most = max(most, (size - 1) * partition.largestPart(owners: owners))
    }
    return depth * most
  }

  /// Prepares the exchange of a parameter buffer.
  ///
  /// - Parameters:
  ///   - hierarchy: The ranks, and the groups that they exchange in.
  ///   - count: The length of the parameter buffer, 1 or more.
  ///   - bucketBytes: The unit of communication. Small ones start earlier, large ones cost less;
  ///     nil: 4 MiB, and more where many ranks would get too little of each (docs/scaling.md).
  ///   - reduction: How gradients are added.
  public init(
    _ hierarchy: RankHierarchy, count: Int, bucketBytes: Int? = nil,
    reduction: GradientReduction = .tree
  ) {
    self.hierarchy = hierarchy
    self.reduction = reduction
    let ranks = hierarchy.world.size
    let partition = ParameterPartition(
      count: count, ranks: reduction == .tree ? ranks : 1,
      bucketBytes: bucketBytes ?? Self.bucketBytes(ranks: ranks))
    self.partition = partition
    squares = Array(repeating: 0, count: partition.blockCount)
    traffic = Array(repeating: ExchangeTraffic(), count: hierarchy.levels)
    guard partition.ranks > 1 else {
      runs = []
      pipeline = ExchangePipeline(stages: 0, depth: 0, capacity: 0)
      return
    }
    runs = hierarchy.runs()
    let received = Self.receivedCount(partition, groupSizes: hierarchy.groups.map(\.size))
    pipeline = ExchangePipeline(
      stages: hierarchy.levels, depth: Self.depth, capacity: received / Self.depth)
  }

  /// An exchange of all ranks in one group.
  ///
  /// - Parameters:
  ///   - communicator: The ranks.
  ///   - count: The length of the parameter buffer, 1 or more.
  ///   - bucketBytes: The unit of communication.
  ///   - reduction: How gradients are added.
  public convenience init(
    communicator: Communicator, count: Int, bucketBytes: Int? = nil,
    reduction: GradientReduction = .tree
  ) {
    self.init(
      RankHierarchy(flat: communicator), count: count, bucketBytes: bucketBytes,
      reduction: reduction)
  }

  // MARK: Adding

  /// Adds the ranks' gradients.
  ///
  /// - Parameter gradient: This rank's gradient; then, in the parts that it owns, the sum. What the
  ///   rest holds then is unspecified.
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
    try postReady(waits: false)
  }

  /// Posts the buckets that are ready.
  ///
  /// - Parameter waits: Whether to wait for others to arrive where too many are in flight.
  private func postReady(waits: Bool) throws(MPIError) {
    guard let gradient else { preconditionFailure("An exchange starts before its buckets begin.") }
    while nextBucket >= 0, partition.bucket(nextBucket).lowerBound >= finalOffset {
      if isDivided {
        if !pipeline.hasRoom { try addArrived(waits: false) }
        while waits, !pipeline.hasRoom { try addArrived(waits: true) }
        guard pipeline.hasRoom else { return }
        try pipeline.begin(nextBucket) { (transfer) throws(MPIError) in try sendParts(of: transfer)
        }
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
    try addArrived(waits: false)
    try postReady(waits: false)
  }

  /// - Parameter waits: Whether to wait for the first one that is in flight.
  private func addArrived(waits: Bool) throws(MPIError) {
    try pipeline.advance(waits: waits) { (transfer) throws(MPIError) in
      try sendParts(of: transfer)
    } arrived: {
      add($0)
    }
  }

  /// Completes the exchange; every bucket must have begun.
  ///
  /// - Throws: `MPIError.call`.
  public func finish() throws(MPIError) {
    guard let gradient else { preconditionFailure("An exchange starts before it finishes.") }
    try postReady(waits: true)
    precondition(nextBucket < 0, "Every bucket is final before the exchange finishes.")
    while !pipeline.isEmpty { try addArrived(waits: true) }
    if reduction == .allreduce {
      try communicator.allReduce(gradient.elements, .sum)
      measure(0..<partition.blockCount, of: gradient.elements)
    }
    self.gradient = nil
  }

  /// The owners whose parts a rank of this rank's group adds up at a level.
  private func run(of member: Int, level: Int) -> Range<Int> {
    let start = runs[level].lowerBound + member * runs[level + 1].count
    return start..<start + runs[level + 1].count
  }

  /// Begins to send the others of the group the parts of a bucket that they add up at its level.
  private func sendParts(of transfer: BucketTransfer) throws(MPIError) -> Request {
    let (bucket, level) = (transfer.bucket, transfer.stage)
    let group = hierarchy.groups[level]
    let held = partition.part(ofBucket: bucket, owners: runs[level])
    let length = partition.part(ofBucket: bucket, owners: runs[level + 1]).count
    var (sent, received): ([Range<Int>], [Range<Int>]) = ([], [])
    var end = 0
    for member in 0..<group.size {
      let part = partition.part(ofBucket: bucket, owners: run(of: member, level: level))
      let start = part.lowerBound - held.lowerBound
      sent.append(start..<(member == group.rank ? start : start + part.count))
      received.append(end..<(member == group.rank ? end : end + length))
      end = received[member].upperBound
    }
    traffic[level].note(sent.map(\.count))
    return try group.beginAllToAll(
      from: UnsafeBufferPointer(rebasing: gradient!.elements[held]), parts: sent,
      into: transfer.received.elements, parts: received)
  }

  /// Adds the parts of a bucket that have arrived from the group of its level.
  private func add(_ transfer: BucketTransfer) {
    let (bucket, level) = (transfer.bucket, transfer.stage)
    let group = hierarchy.groups[level]
    let gradient = gradient!.elements
    let part = partition.part(ofBucket: bucket, owners: runs[level + 1])
    var addends = [UnsafeMutableBufferPointer<Float>](
      repeating: UnsafeMutableBufferPointer(start: nil, count: 0), count: group.size)
    // Block by block, so that the parts are added in the cache.
    for block in partition.blocks(ofBucket: bucket, owners: runs[level + 1]) {
      let elements = partition.block(block)
      let mine = UnsafeMutableBufferPointer(rebasing: gradient[elements])
      for member in 0..<group.size where member != group.rank {
        let slot = member < group.rank ? member : member - 1
        let start = slot * part.count + elements.lowerBound - part.lowerBound
        addends[member] = UnsafeMutableBufferPointer(
          rebasing: transfer.received.elements[start..<(start + elements.count)])
      }
      addends[group.rank] = mine
      ShardTree.additions(leaves: group.size) { left, right in
        Parallel.add(UnsafeBufferPointer(addends[right]), to: addends[left])
      }
      if group.rank != 0 { _ = mine.update(from: addends[0]) }
      if level == hierarchy.levels - 1 {
        squares[block] = sumOfSquares(UnsafeBufferPointer(mine))
      }
    }
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
      let all = try hierarchy.owners.allGather(owned[owner].map { squares[$0] })
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
    var (sum, ranks) = (values, [own])
    // The members of a group have as many numbers each, of ranks that follow each other.
    for group in hierarchy.groups {
      let all = try group.allGather(sum + ranks.joined())
      sum = ShardTree.sum(all.map { Array($0.prefix(values.count)) })
      ranks = all.flatMap { numbers in
        (0..<ranks.count).map { i in
          Array(numbers[(values.count + own.count * i)...].prefix(own.count))
        }
      }
    }
    return (sum, ranks)
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
    while !pipeline.hasRoom { try spreadArrived(waits: true) }
    try pipeline.begin(bucket) { (transfer) throws(MPIError) in
      try gatherParts(of: transfer, weights)
    }
    try spreadArrived(waits: false)
  }

  /// - Parameter waits: Whether to wait for the first bucket that is in flight.
  private func spreadArrived(waits: Bool) throws(MPIError) {
    try pipeline.advance(waits: waits) { [weights] (transfer) throws(MPIError) in
      try gatherParts(of: transfer, weights!)
    } arrived: { _ in
    }
  }

  /// Begins to gather what the group of a bucket's level has of it; the outermost level comes first.
  private func gatherParts(
    of transfer: BucketTransfer, _ weights: AlignedFloats
  ) throws(MPIError) -> Request {
    let level = hierarchy.levels - 1 - transfer.stage
    let group = hierarchy.groups[level]
    let held = partition.part(ofBucket: transfer.bucket, owners: runs[level])
    let counts = (0..<group.size).map {
      partition.part(ofBucket: transfer.bucket, owners: run(of: $0, level: level)).count
    }
    traffic[level].note(Array(repeating: counts[group.rank], count: group.size - 1))
    return try group.beginAllGather(
      inPlace: UnsafeMutableBufferPointer(rebasing: weights.elements[held]), counts: counts)
  }

  /// Waits until the buffer is whole on this rank; every bucket must have begun.
  ///
  /// - Throws: `MPIError.call`.
  public func finishGather() throws(MPIError) {
    while !pipeline.isEmpty { try spreadArrived(waits: true) }
    weights = nil
  }

  /// The lengths of the owners' parts of a bucket.
  func partCounts(ofBucket bucket: Int) -> [Int] {
    (0..<partition.ranks).map { partition.part(ofBucket: bucket, rank: $0).count }
  }
}
