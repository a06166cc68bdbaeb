// The parameter buffer, cut for rounding, sending and owning.

/// Who owns which part of the parameter buffer.
///
/// The buffer is cut in blocks of 4096 elements, the unit of everything whose rounding must not
/// depend on the rank count. Blocks form buckets, the unit of communication; in each bucket each
/// rank owns one contiguous run of whole blocks, in rank order. Runs differ by at most one block
/// and may be empty. Backward finishes the buffer from the tail, so that is where exchanges begin.
public struct ParameterPartition: Equatable, Sendable {
  /// The elements of a block. Another value gives the gradient's norm other last bits.
  public static let blockLength = 4096

  /// The length of the parameter buffer.
  public let count: Int
  /// The number of ranks that share it.
  public let ranks: Int
  /// The elements of every bucket but the last, a multiple of the block's.
  public let bucketLength: Int

  /// Cuts a parameter buffer.
  ///
  /// - Parameters:
  ///   - count: The length of the buffer, 1 or more.
  ///   - ranks: The number of ranks, 1 or more.
  ///   - bucketBytes: The size of a bucket, rounded down to whole blocks but at least one.
  public init(count: Int, ranks: Int, bucketBytes: Int) {
    precondition(count >= 1, "A model has at least one parameter.")
    precondition(ranks >= 1, "There is at least one rank.")
    precondition(bucketBytes >= 1, "A bucket holds at least one byte.")
    self.count = count
    self.ranks = ranks
    let blockBytes = Self.blockLength * MemoryLayout<Float>.stride
    // One call of MPI counts in 32 bits.
    bucketLength = min(max(bucketBytes / blockBytes, 1), 1 << 18) * Self.blockLength
  }

  /// The number of blocks, the last of which may be short.
  public var blockCount: Int { (count + Self.blockLength - 1) / Self.blockLength }

  /// The number of buckets, the last of which may be short.
  public var bucketCount: Int { (count + bucketLength - 1) / bucketLength }

  /// The elements of a block.
  ///
  /// - Parameter index: 0 ..< blockCount.
  /// - Returns: A range of the parameter buffer.
  public func block(_ index: Int) -> Range<Int> {
    precondition(0..<blockCount ~= index, "Block \(index) does not exist.")
    return (index * Self.blockLength)..<min((index + 1) * Self.blockLength, count)
  }

  /// The elements of a bucket.
  ///
  /// - Parameter index: 0 ..< bucketCount.
  /// - Returns: A range of the parameter buffer.
  public func bucket(_ index: Int) -> Range<Int> {
    precondition(0..<bucketCount ~= index, "Bucket \(index) does not exist.")
    return (index * bucketLength)..<min((index + 1) * bucketLength, count)
  }

  /// The blocks that ranks own in a bucket.
  ///
  /// - Parameters:
  ///   - bucket: 0 ..< bucketCount.
  ///   - owners: Ranks that follow each other, of 0 ..< ranks.
  /// - Returns: A range of block indices, perhaps empty.
  public func blocks(ofBucket bucket: Int, owners: Range<Int>) -> Range<Int> {
    precondition(
      owners.lowerBound >= 0 && owners.upperBound <= ranks, "Ranks \(owners) do not exist.")
    let elements = self.bucket(bucket)
    let first = elements.lowerBound / Self.blockLength
    let blocks = (elements.count + Self.blockLength - 1) / Self.blockLength
    return
      (first + blocks * owners.lowerBound / ranks)..<(first + blocks * owners.upperBound / ranks)
  }

  /// The elements that ranks own in a bucket.
  ///
  /// - Parameters:
  ///   - bucket: 0 ..< bucketCount.
  ///   - owners: Ranks that follow each other, of 0 ..< ranks.
  /// - Returns: A range of the parameter buffer, perhaps empty.
  public func part(ofBucket bucket: Int, owners: Range<Int>) -> Range<Int> {
    let blocks = blocks(ofBucket: bucket, owners: owners)
    return min(
      blocks.lowerBound * Self.blockLength, count)..<min(
        blocks.upperBound * Self.blockLength, count)
  }

  /// The blocks that a rank owns in a bucket: `blocks(ofBucket:owners:)` of one.
  public func blocks(ofBucket bucket: Int, rank: Int) -> Range<Int> {
    blocks(ofBucket: bucket, owners: rank..<rank + 1)
  }

  /// The elements that a rank owns in a bucket: `part(ofBucket:owners:)` of one.
  public func part(ofBucket bucket: Int, rank: Int) -> Range<Int> {
    part(ofBucket: bucket, owners: rank..<rank + 1)
  }

  /// The most elements that ranks own in any bucket.
  ///
  /// - Parameter owners: How many ranks, following each other.
  func largestPart(owners: Int) -> Int {
    let blocks = min(bucketLength / Self.blockLength, blockCount)
    return (blocks * owners + ranks - 1) / ranks * Self.blockLength
  }

  /// The elements that a rank owns in all buckets.
  public func ownedCount(rank: Int) -> Int {
    (0..<bucketCount).reduce(0) { $0 + part(ofBucket: $1, rank: rank).count }
  }
}
