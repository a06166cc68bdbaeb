// Who owns which parameters.

import Parallel
import Testing

@Suite struct ParameterPartitionTests {
  static let sizes = [1, 4095, 4096, 4097, 100_000, 1_000_003]

  @Test(arguments: sizes, [1, 2, 3, 4, 8, 17])
  func everyParameterHasOneOwner(count: Int, ranks: Int) {
    for bucketBytes in [1, 16384, 65536, 4 << 20] {
      let partition = ParameterPartition(count: count, ranks: ranks, bucketBytes: bucketBytes)
      var end = 0
      for bucket in 0..<partition.bucketCount {
        #expect(partition.bucket(bucket).lowerBound == end)
        var blocks: [Int] = []
        for rank in 0..<ranks {
          let part = partition.part(ofBucket: bucket, rank: rank)
          #expect(part.lowerBound == end)
          end = part.upperBound
          // Whole blocks, but for the end of the buffer.
          #expect(end.isMultiple(of: ParameterPartition.blockLength) || end == count)
          let owned = partition.blocks(ofBucket: bucket, rank: rank)
          #expect(owned.flatMap { Array(partition.block($0)) } == Array(part))
          blocks.append(owned.count)
        }
        #expect(blocks.max()! - blocks.min()! <= 1)
        #expect(partition.bucket(bucket).upperBound == end)
      }
      #expect(end == count)
    }
  }

  @Test func bucketsDoNotDependOnTheRanks() {
    let one = ParameterPartition(count: 1_000_003, ranks: 1, bucketBytes: 100_000)
    let many = ParameterPartition(count: 1_000_003, ranks: 7, bucketBytes: 100_000)
    #expect(one.bucketLength == 6 * ParameterPartition.blockLength)
    #expect(one.bucketCount == many.bucketCount)
    #expect(
      (0..<one.bucketCount).map { one.bucket($0) } == (0..<one.bucketCount).map { many.bucket($0) })
  }

  /// A bucket is one call of MPI, which counts in 32 bits.
  @Test func aBucketIsNeverTooLongForOneCall() {
    let partition = ParameterPartition(count: 1 << 33, ranks: 2, bucketBytes: 1 << 40)
    #expect(partition.bucketLength <= Int(Int32.max))
    #expect(partition.bucketCount == 8)
  }
}
