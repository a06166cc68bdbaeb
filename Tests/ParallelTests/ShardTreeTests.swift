// The order of summation: one tree, whatever the ranks.

import Parallel
import Testing

@Suite struct ShardTreeTests {
  /// The sum of numbers, as the first of two components; the other one must not matter.
  private func sum(_ values: [Double]) -> Double {
    let sums = ShardTree.sum(values.map { [$0, -2 * $0] })
    #expect(sums.count == 2 && sums[1] == -2 * sums[0])
    return sums[0]
  }

  @Test func ranksThatShareTheShards() {
    #expect(ShardTree(shards: 1).validRankCounts == [1])
    #expect(ShardTree(shards: 5).validRankCounts == [1, 5])
    #expect(ShardTree(shards: 6).validRankCounts == [1, 3, 6])
    #expect(ShardTree(shards: 8).validRankCounts == [1, 2, 4, 8])
    #expect(ShardTree(shards: 12).validRankCounts == [1, 3, 6, 12])
    #expect(ShardTree(shards: 40).validRankCounts == [1, 5, 10, 20, 40])
  }

  @Test func aRankCountThatDoesNotFitIsRefused() {
    #expect(ShardTree(shards: 12).refusal(ranks: 3) == nil)
    #expect(ShardTree(shards: 8).refusal(ranks: 1) == nil)
    #expect(
      ShardTree(shards: 12).refusal(ranks: 2)
        == "2 ranks cannot share 12 shards evenly: start this run with one of 1, 3, 6, 12 ranks.")
    #expect(
      ShardTree(shards: 1).refusal(ranks: 2)
        == "2 ranks cannot share 1 shards evenly: start this run with 1 rank.")
  }

  @Test func additionsByHand() {
    // In another order these lose the ones.
    let x = [1e16, 1, -1e16, 1, 3]
    #expect(sum(x) == ((x[0] + x[1]) + (x[2] + x[3])) + x[4])
    #expect(sum(x) != ((x[0] + x[2]) + (x[1] + x[3])) + x[4])
    let y = (0..<7).map { Double(roughNumber($0, stream: 3)) * 0.1 }
    #expect(
      sum(y) == ((y[0] + y[1]) + (y[2] + y[3])) + ((y[4] + y[5]) + y[6]))
    #expect(sum([7]) == 7)
  }

  /// The blocks' sums are the leaves of a tree over the ranks, for every valid rank count.
  @Test func blocksAreNodes() {
    for shards in 1...48 {
      let tree = ShardTree(shards: shards)
      let values = (0..<shards).map { Double(roughNumber($0, stream: shards)) * 0.1 }
      for ranks in tree.validRankCounts {
        let blocks = (0..<ranks).map { tree.shards(ofRank: $0, ranks: ranks) }
        #expect(blocks.flatMap { $0 } == Array(0..<shards))
        let sums = blocks.map { sum(Array(values[$0])) }
        #expect(sum(sums) == sum(values), "\(shards) shards, \(ranks) ranks")
      }
    }
  }
}
