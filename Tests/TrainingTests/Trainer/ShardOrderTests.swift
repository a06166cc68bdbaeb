// Which images each shard draws.

import Testing
import Training

@Suite struct ShardOrderTests {
  private func order(
    _ count: Int, shard: Int = 0, of shards: Int = 1, batch: Int, seed: UInt64 = 7
  ) -> ShardOrder {
    ShardOrder(count: count, shard: shard, shards: shards, batch: batch, seed: seed)
  }

  @Test(arguments: [(10, 3), (12, 4), (1797, 8), (7, 7), (48, 1)])
  func theShardsCoverTheDatasetOnce(count: Int, shards: Int) {
    let parts = (0..<shards).map { ShardOrder.images(count: count, shard: $0, shards: shards) }
    #expect(parts.flatMap { $0 } == Array(0..<count))
    #expect(parts.map(\.count).max()! - parts.map(\.count).min()! <= 1)
  }

  /// Batches that do not divide the shard cross the epochs.
  @Test(arguments: [(20, 5), (20, 7), (20, 20), (21, 1), (23, 16)])
  func eachEpochDrawsEachImageOnce(count: Int, batch: Int) {
    let order = order(2 * count, shard: 1, of: 2, batch: batch)
    let draws = (0..<3 * count).flatMap { order.indices(step: $0) }
    for epoch in 0..<2 {
      let once = draws[epoch * count..<(epoch + 1) * count]
      #expect(once.sorted() == Array(count..<2 * count))
    }
    #expect(Array(draws[..<count]) != Array(draws[count..<2 * count]))
    for step in 0..<3 * count {
      #expect(order.epochs(afterSteps: step) == step * batch / count)
    }
  }

  @Test func ordersDifferByShardAndSeed() {
    let first = order(200, shard: 0, of: 2, batch: 100)
    let second = order(200, shard: 1, of: 2, batch: 100)
    let reseeded = order(200, shard: 0, of: 2, batch: 100, seed: 8)
    let indices = first.indices(step: 0)
    #expect(indices != second.indices(step: 0).map { $0 - 100 })
    #expect(indices != reseeded.indices(step: 0))
    #expect(indices != indices.sorted())
  }

  /// A resumed run asks for a step in the middle first.
  @Test func aStepDoesNotDependOnTheStepsBefore() {
    let sequential = order(30, batch: 7)
    let steps = (0..<40).map { sequential.indices(step: $0) }
    let random = order(30, batch: 7)
    for step in [39, 0, 17, 4, 4, 5, 3, 38, 20] {
      #expect(random.indices(step: step) == steps[step])
      let fresh = order(30, batch: 7)
      #expect(fresh.indices(step: step) == steps[step])
    }
  }
}
