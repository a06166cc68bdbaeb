// The exchange over ranks gives the bits of one rank alone.

import MPI
import Parallel
import Tensors
import TestSupport
import Testing

@RankActor @Suite(.serialized) struct GradientExchangeRankTests {
  /// Shapes of parameter buffers: length and bucket size.
  struct Shape: CustomStringConvertible, Sendable {
    let count: Int
    let bucketBytes: Int
    var description: String { "\(count) parameters in buckets of \(bucketBytes) bytes" }
  }

  nonisolated static let shapes = [
    // Less than a block, blocks that ranks lack, more buckets than are under way at once.
    Shape(count: 5, bucketBytes: 1),
    Shape(count: 2 * 4096 + 1, bucketBytes: 4 << 20),
    Shape(count: 40_001, bucketBytes: 1),
    Shape(count: 100_000, bucketBytes: 5 * 4 * 4096),
  ]

  /// Shard counts that the world can share.
  private func shardCounts(_ world: Communicator) -> [Int] {
    [1, 2, 3, 4, 6, 8, 12, 16].filter {
      ShardTree(shards: $0).validRankCounts.contains(world.size)
    }
  }

  /// One group, and as many ranks a node as can be.
  private func hierarchies(_ world: Communicator) throws -> [RankHierarchy] {
    let nodes = [2, 4, 8].filter { $0 < world.size && world.size.isMultiple(of: $0) }
    return try [RankHierarchy(flat: world)]
      + nodes.map { try RankHierarchy(world, ranksPerNode: $0) }
  }

  @Test(arguments: shapes) func theSumHasTheBitsOfOneRank(shape: Shape) throws {
    try RankWorld.run { world throws in
      let alone = GradientExchange(
        communicator: try world.split(color: world.rank), count: shape.count,
        bucketBytes: shape.bucketBytes)
      #expect(!shardCounts(world).isEmpty)
      for hierarchy in try hierarchies(world) {
        let together = GradientExchange(
          hierarchy, count: shape.count, bucketBytes: shape.bucketBytes)
        for shards in shardCounts(world) {
          try compare(together, with: alone, shards: shards, count: shape.count, world)
        }
      }
    }
  }

  /// Adds and spreads the same gradients by both.
  private func compare(
    _ together: GradientExchange, with alone: GradientExchange, shards: Int, count: Int,
    _ world: Communicator
  ) throws {
    let mine = ShardTree(shards: shards).shards(ofRank: world.rank, ranks: world.size)
    let expected = gradientSum(shards: 0..<shards, count: count)
    let actual = gradientSum(shards: mine, count: count)
    try alone.reduce(expected.gradient)
    try together.reduce(actual.gradient)
    let whole = expected.gradient.values
    let sum = actual.gradient.values
    for bucket in 0..<together.partition.bucketCount {
      let part = together.partition.part(ofBucket: bucket, rank: together.owner)
      #expect(difference(Array(sum[part]), Array(whole[part])) == nil)
    }
    let norm = try together.squaredNorm()
    #expect(norm == (try alone.squaredNorm()))
    let own = [Double(world.rank), Double(-10 * world.rank)]
    let told = try together.sum(actual.values, beside: own)
    #expect(told.sum == expected.values)
    #expect(told.ranks == (0..<world.size).map { [Double($0), Double(-10 * $0)] })
    try together.gather(actual.gradient)
    #expect(difference(actual.gradient.values, whole) == nil)
  }

  /// Between nodes go 1/n of the messages, and of the bytes, that n ranks would send by themselves.
  @Test func nodesSendTheirSum() throws {
    try RankWorld.run { world throws in
      // As many blocks in each bucket for every rank, so that parts are equally long.
      let count = 3 * 4 * world.size * ParameterPartition.blockLength
      let bucketBytes = 4 * world.size * ParameterPartition.blockLength * 4
      for hierarchy in try hierarchies(world) {
        let exchange = GradientExchange(hierarchy, count: count, bucketBytes: bucketBytes)
        let gradient = AlignedFloats(count: count)
        for _ in 0..<2 { try exchange.reduce(gradient) }
        try exchange.gather(gradient)
        let others = world.size / hierarchy.ranksPerNode - 1
        let last = exchange.traffic.last!
        guard hierarchy.levels > 1 else {
          #expect(last.messages == 3 * 3 * (world.size - 1))
          #expect(last.bytes == 3 * 4 * count * (world.size - 1) / world.size)
          continue
        }
        #expect(last.messages == 3 * 3 * others)
        #expect(last.bytes == 3 * 4 * count * others / world.size)
        #expect(exchange.traffic[0].messages == 3 * 3 * (hierarchy.ranksPerNode - 1))
      }
    }
  }

  @Test func theNormIsTheNorm() throws {
    try RankWorld.run { world throws in
      let count = 12_345
      let exchange = GradientExchange(communicator: world, count: count, bucketBytes: 16384)
      let gradient = AlignedFloats(
        (0..<count).map { Float($0 % 97 - 48) / Float(world.size) })
      try exchange.reduce(gradient)
      var expected = 0.0
      for i in 0..<count {
        let x = Double(i % 97 - 48)
        expected += x * x
      }
      #expect(abs(try exchange.squaredNorm() - expected) <= 1e-6 * expected)
    }
  }

  /// Buckets that begin while others still change give the same sum.
  @Test func bucketsMayBeginEarly() throws {
    try RankWorld.run { world throws in
      let count = 60_000
      for hierarchy in try hierarchies(world) {
        let exchange = GradientExchange(hierarchy, count: count, bucketBytes: 16384)
        let values = (0..<count).map { roughNumber($0, stream: world.rank) }
        let expected = AlignedFloats(values)
        try exchange.reduce(expected)
        let norm = try exchange.squaredNorm()
        try exchange.gather(expected)

        let actual = AlignedFloats(count: count)
        exchange.start(actual)
        var end = count
        for offset in [59_999, 50_000, 49_152, 20_480, 7, 0] {
          actual.fill(offset..<end) { values[$0] }
          end = offset
          try exchange.begin(downTo: offset)
          try exchange.progress()
        }
        try exchange.finish()
        #expect(try exchange.squaredNorm() == norm)
        try exchange.gather(actual)
        #expect(difference(actual.values, expected.values) == nil)
      }
    }
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func allRanksSeeANumberThatIsNone(value: Float) throws {
    try RankWorld.run { world throws in
      let exchange = GradientExchange(communicator: world, count: 9000, bucketBytes: 16384)
      for place in [0, 4097, 8999] {
        let gradient = AlignedFloats(count: 9000)
        if world.rank == world.size - 1 { gradient.fill(place..<(place + 1)) { _ in value } }
        try exchange.reduce(gradient)
        #expect(!(try exchange.squaredNorm()).isFinite)
      }
      let largest = AlignedFloats(count: 9000) { _ in
        Float.greatestFiniteMagnitude / Float(world.size)
      }
      try exchange.reduce(largest)
      #expect(try exchange.squaredNorm().isFinite)
    }
  }

  /// Whole numbers have one sum in every order.
  @Test func allreduceUpdatesEverything() throws {
    try RankWorld.run { world throws in
      let count = 10_000
      let exchange = GradientExchange(
        communicator: world, count: count, bucketBytes: 16384, reduction: .allreduce)
      let gradient = AlignedFloats((0..<count).map { Float($0 % 11 * (world.rank + 1)) })
      try exchange.reduce(gradient)
      let factor = world.size * (world.size + 1) / 2
      #expect(difference(gradient.values, (0..<count).map { Float($0 % 11 * factor) }) == nil)
      var squares = 0.0
      for value in gradient.values { squares += Double(value * value) }
      #expect(try exchange.squaredNorm() == squares)
      #expect(OwnedBuffer(partition: exchange.partition, rank: exchange.owner).count == count)
      try exchange.gather(gradient)
      #expect(difference(gradient.values, (0..<count).map { Float($0 % 11 * factor) }) == nil)
    }
  }

  @Test(arguments: GradientReduction.allCases)
  func partsGoToOneRankAndBack(reduction: GradientReduction) throws {
    try RankWorld.run { world throws in
      let count = 50_021
      for hierarchy in try hierarchies(world) {
        let exchange = GradientExchange(
          hierarchy, count: count, bucketBytes: 32768, reduction: reduction)
        let whole = AlignedFloats((0..<count).map { Float($0) })
        for root in [0, world.size - 1] {
          let owned = OwnedBuffer(partition: exchange.partition, rank: exchange.owner)
          let source = world.rank == root ? whole : nil
          try exchange.scatter(source, into: owned, root: root)
          #expect(difference(owned.values, owned.ranges.flatMap { $0.map { Float($0) } }) == nil)
          var gathered: [Float] = []
          try exchange.gather(owned, on: root) { gathered += $0 }
          #expect(difference(gathered, source?.values ?? []) == nil)
          let everywhere = AlignedFloats(count: count)
          try exchange.gatherEverywhere(owned, into: everywhere)
          #expect(difference(everywhere.values, whole.values) == nil)
        }
      }
    }
  }

  /// Three steps on R ranks, then one more after a move through rank 0, as a checkpoint does.
  @Test func adamOnAllRanksEqualsAdamOnOne() throws {
    try RankWorld.run { world throws in
      let count = 30_000
      let shards = 4 * world.size
      let mine = ShardTree(shards: shards).shards(ofRank: world.rank, ranks: world.size)
      let initial = (0..<count).map { roughNumber($0, stream: -1) }

      func run(_ hierarchy: RankHierarchy, shards: Range<Int>) throws -> [AlignedFloats] {
        let exchange = GradientExchange(hierarchy, count: count, bucketBytes: 16384)
        let weights = AlignedFloats(initial)
        func makeAdam() -> Adam {
          Adam(
            settings: AdamSettings(), weights: weights,
            partition: exchange.partition, rank: exchange.owner)
        }
        var adam = makeAdam()
        for step in 0..<4 {
          if step == 3 {
            let resumed = makeAdam()
            let isRoot = hierarchy.world.rank == 0
            for path in [\Adam.first, \Adam.second, \Adam.ema] {
              var stored: [Float] = []
              try exchange.gather(adam[keyPath: path]) { stored += $0 }
              try exchange.scatter(
                isRoot ? AlignedFloats(stored) : nil, into: resumed[keyPath: path])
            }
            resumed.resume(afterSteps: adam.steps)
            adam = resumed
          }
          let gradient = gradientSum(shards: shards, count: count, step: step).gradient
          try exchange.reduce(gradient)
          let norm = try exchange.squaredNorm().squareRoot()
          try adam.update(
            weights, by: gradient, learningRate: 0.01,
            scale: Adam.clipFactor(norm: norm, limit: 1), over: exchange, Workers(count: 2))
        }
        let rest = [\Adam.first, \Adam.second, \Adam.ema].map { _ in
          AlignedFloats(count: count)
        }
        for (path, buffer) in zip([\Adam.first, \Adam.second, \Adam.ema], rest) {
          try exchange.gatherEverywhere(adam[keyPath: path], into: buffer)
        }
        return [weights] + rest
      }

      let one = try run(
        RankHierarchy(flat: try world.split(color: world.rank)), shards: 0..<shards)
      #expect(difference(one[0].values, initial) != nil)
      for hierarchy in try hierarchies(world) {
        for (one, all) in zip(one, try run(hierarchy, shards: mine)) {
          #expect(difference(one.values, all.values) == nil)
        }
      }
    }
  }
}
