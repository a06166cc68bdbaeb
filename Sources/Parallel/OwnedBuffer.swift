// What a rank keeps of a buffer that all share.

import Tensors

/// One rank's parts of a buffer that is as long as the parameters: 1/R of it.
///
/// Adam's moments and the moving average exist only in this form. The parts of the buckets follow
/// each other without gaps. It has no lock: two threads never touch the same part at once.
public final class OwnedBuffer: @unchecked Sendable {
  /// Who owns what.
  public let partition: ParameterPartition
  /// The rank whose parts these are.
  public let rank: Int
  /// For each bucket, its elements of the whole buffer.
  public let ranges: [Range<Int>]
  private let offsets: [Int]
  private let storage: AlignedFloats

  /// Zeros.
  ///
  /// - Parameters:
  ///   - partition: Who owns what.
  ///   - rank: The rank whose parts these are.
  public init(partition: ParameterPartition, rank: Int) {
    self.partition = partition
    self.rank = rank
    ranges = (0..<partition.bucketCount).map { partition.part(ofBucket: $0, rank: rank) }
    var offsets: [Int] = []
    var count = 0
    for range in ranges {
      offsets.append(count)
      count += range.count
    }
    self.offsets = offsets
    storage = AlignedFloats(count: count)
  }

  /// The number of elements that the rank owns.
  public var count: Int { storage.count }

  /// A copy of the parts, one after the other.
  public var values: [Float] { storage.values }

  /// The memory of a bucket's part: as many elements as `ranges[bucket]`, valid only as long as
  /// this object.
  subscript(bucket: Int) -> UnsafeMutableBufferPointer<Float> {
    let start = offsets[bucket]
    return UnsafeMutableBufferPointer(
      rebasing: storage.elements[start..<(start + ranges[bucket].count)])
  }

  /// Writes the parts to their places in a whole buffer; the rest of it is left alone.
  ///
  /// - Parameter whole: As many elements as the partition's.
  public func copy(to whole: AlignedFloats) {
    precondition(whole.count == partition.count, "The buffer must have the partition's length.")
    for (bucket, range) in ranges.enumerated() {
      let place = UnsafeMutableBufferPointer(rebasing: whole.elements[range])
      _ = place.update(from: self[bucket])
    }
  }

  /// Fills the parts from the whole buffer.
  ///
  /// - Parameter whole: As many elements as the partition's.
  public func copy(from whole: AlignedFloats) {
    precondition(whole.count == partition.count, "The buffer must have the partition's length.")
    for (bucket, range) in ranges.enumerated() {
      _ = self[bucket].update(from: UnsafeBufferPointer(rebasing: whole.elements[range]))
    }
  }

  /// Sets all elements to a value.
  func fill(_ value: Float) { storage.elements.update(repeating: value) }

  /// Moves each element the same share of the way towards that of a whole buffer, with the bits of
  /// `AdamStep`.
  ///
  /// - Parameter whole: As many elements as the partition's.
  func approach(_ whole: AlignedFloats, by share: Float) {
    precondition(whole.count == partition.count, "The buffer must have the partition's length.")
    for (bucket, range) in ranges.enumerated() {
      let own = self[bucket]
      for (i, j) in zip(own.indices, range) { own[i] += (whole.elements[j] - own[i]) * share }
    }
  }
}
