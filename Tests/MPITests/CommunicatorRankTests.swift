// Every collective operation, on as many ranks as mpirun started.

import MPI
import TestSupport
import Testing

@RankActor @Suite(.serialized) struct CommunicatorRankTests {
  @Test func ranksAreNumbered() throws {
    try RankWorld.run { world throws in
      #expect(try world.allGather(world.rank) == Array(0..<world.size))
      try world.barrier()
    }
  }

  /// All ranks of a test run on one machine, unless somebody tests on a cluster.
  @Test func theNodeHasItsOwnRanks() throws {
    try RankWorld.run { world throws in
      let node = try world.splitByNode()
      #expect(1...world.size ~= node.size)
      #expect(try node.allReduce(1, .sum) == node.size)
      let worldRanks = try node.allGather(world.rank)
      #expect(worldRanks[node.rank] == world.rank)
      #expect(worldRanks == worldRanks.sorted())
    }
  }

  @Test func groupsAreSplitByColor() throws {
    try RankWorld.run { world throws in
      let half = try world.split(color: world.rank % 2)
      #expect(half.size == (world.size + 1 - world.rank % 2) / 2)
      #expect(
        try half.allGather(world.rank)
          == Array(stride(from: world.rank % 2, to: world.size, by: 2)))
    }
  }

  @Test func theLibraryNamesItself() {
    #expect(MPISession.libraryVersion.contains("MPI"))
    #expect(!MPISession.libraryVersion.contains("\n"))
  }

  @Test func everyRankBroadcasts() throws {
    try RankWorld.run { world throws in
      for root in 0..<world.size {
        let mine = (0..<(root + 3)).map { Float(100 * world.rank + $0) }
        let expected = (0..<(root + 3)).map { Float(100 * root + $0) }
        #expect(try world.broadcast(world.rank == root ? mine : [], from: root) == expected)
        #expect(try world.broadcast("ᾱ of \(world.rank)", from: root) == "ᾱ of \(root)")
      }
    }
  }

  @Test func reductions() throws {
    try RankWorld.run { world throws in
      let n = world.size
      #expect(try world.allReduce(world.rank + 1, .sum) == n * (n + 1) / 2)
      #expect(try world.allReduce(Float(world.rank) - 2, .minimum) == -2)
      #expect(try world.allReduce(Double(world.rank) * 0.5, .maximum) == Double(n - 1) * 0.5)
      var values = (0..<5).map { Double($0 * (world.rank + 1)) }
      try values.withUnsafeMutableBufferPointer { try world.allReduce($0, .sum) }
      #expect(values == (0..<5).map { Double($0 * n * (n + 1) / 2) })
    }
  }

  @Test func unequalPartsAreGathered() throws {
    try RankWorld.run { world throws in
      // Rank 1 has nothing.
      let mine = world.rank == 1 ? [] : (0..<(world.rank + 1)).map { 10 * world.rank + $0 }
      let all = try world.allGather(mine)
      #expect(all.count == world.size)
      for (rank, part) in all.enumerated() {
        #expect(part == (rank == 1 ? [] : (0..<(rank + 1)).map { 10 * rank + $0 }))
      }
    }
  }

  /// The cuts of long messages and the long ways round are seen with an artificially small limit.
  @Test(arguments: [Int(Int32.max), 7, 1]) func gatherAndScatterAreInverse(limit: Int) throws {
    try RankWorld.run { world throws in
      world.maximumCount = limit
      defer { world.maximumCount = Int(Int32.max) }
      let counts = (0..<world.size).map { $0 == 1 ? 0 : 5 + 3 * $0 }
      let offset = counts[..<world.rank].reduce(0, +)
      let total = counts.reduce(0, +)
      let whole = (0..<total).map { Float($0) * 0.25 }
      for root in 0..<world.size {
        let mine = Array(whole[offset..<(offset + counts[world.rank])])
        var gathered = [Float](repeating: -1, count: world.rank == root ? total : 0)
        try mine.withUnsafeBufferPointer { part in
          try gathered.withUnsafeMutableBufferPointer {
            try world.gather(part, into: $0, counts: counts, root: root)
          }
        }
        #expect(gathered == (world.rank == root ? whole : []))
        var scattered = [Float](repeating: -1, count: mine.count)
        try gathered.withUnsafeBufferPointer { buffer in
          try scattered.withUnsafeMutableBufferPointer {
            try world.scatter(buffer, into: $0, counts: counts, root: root)
          }
        }
        #expect(scattered == mine)
      }
    }
  }

  @Test(arguments: [Int(Int32.max), 7, 1]) func longMessagesAreCut(limit: Int) throws {
    try RankWorld.run { world throws in
      world.maximumCount = limit
      defer { world.maximumCount = Int(Int32.max) }
      let last = world.size - 1
      let sent = (0..<23).map { UInt64($0) << 40 }
      #expect(try world.broadcast(world.rank == last ? sent : [], from: last) == sent)
      var sums = (0..<23).map { Float($0) }
      try sums.withUnsafeMutableBufferPointer { try world.allReduce($0, .sum) }
      #expect(sums == (0..<23).map { Float($0 * world.size) })
      let all = try world.allGather((0..<9).map { world.rank * 9 + $0 })
      #expect(all.flatMap { $0 } == Array(0..<(9 * world.size)))
    }
  }

  @Test func messagesGoRound() throws {
    try RankWorld.run { world throws in
      guard world.size > 1 else { return }
      let next = (world.rank + 1) % world.size
      let previous = (world.rank + world.size - 1) % world.size
      let sent = [Double(world.rank), .infinity]
      var received = [0.0, 0.0]
      // Short messages are buffered by the library, but do not rely on it: even ranks send first.
      for turn in 0..<2 {
        if (world.rank % 2 == 0) == (turn == 0) {
          try sent.withUnsafeBufferPointer { try world.send($0, to: next, tag: 3) }
        }
        if (previous % 2 == 0) == (turn == 0) {
          try received.withUnsafeMutableBufferPointer {
            try world.receive(into: $0, from: previous, tag: 3)
          }
        }
      }
      #expect(received == [Double(previous), .infinity])
    }
  }

  @Test func severalExchangesGoOnAtOnce() throws {
    try RankWorld.run { world throws in
      let n = world.size
      // Rank r sends r + 1 numbers to each rank, tagged with both ranks and the round.
      let rounds = 3
      let length = world.rank + 1
      let source = (0..<rounds).map { round in
        (0..<n).flatMap { to in
          (0..<length).map { Float(1000 * round + 100 * world.rank + 10 * to + $0) }
        }
      }
      let sent = (0..<n).map { $0 * length..<($0 + 1) * length }
      let received = (0..<n).map { ($0 * ($0 + 1) / 2)..<(($0 + 1) * ($0 + 2) / 2) }
      let total = received.last!.upperBound
      let into = UnsafeMutableBufferPointer<Float>.allocate(capacity: rounds * total)
      let from = UnsafeMutableBufferPointer<Float>.allocate(capacity: rounds * n * length)
      _ = from.initialize(from: source.flatMap { $0 })
      into.initialize(repeating: -1)
      defer {
        into.deallocate()
        from.deallocate()
      }
      func begin(_ round: Int) throws -> Request {
        try world.beginAllToAll(
          from: UnsafeBufferPointer(
            rebasing: from[(round * n * length)..<((round + 1) * n * length)]),
          parts: sent,
          into: UnsafeMutableBufferPointer(
            rebasing: into[(round * total)..<((round + 1) * total)]),
          parts: received)
      }
      var first = try begin(0)
      let second = try begin(1)
      let third = try begin(2)
      while try !first.test() {}
      try third.wait()
      try second.wait()
      try first.wait()
      for round in 0..<rounds {
        let expected = (0..<n).flatMap { rank in
          (0...rank).map { Float(1000 * round + 100 * rank + 10 * world.rank + $0) }
        }
        #expect(Array(into[(round * total)..<((round + 1) * total)]) == expected)
      }
    }
  }

  @Test func aBufferIsCompletedInTheBackground() throws {
    try RankWorld.run { world throws in
      let counts = (0..<world.size).map { $0 == 1 ? 0 : 4 + $0 }
      let offset = counts[..<world.rank].reduce(0, +)
      let total = counts.reduce(0, +)
      let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: total)
      defer { buffer.deallocate() }
      buffer.initialize(repeating: -1)
      for i in offset..<(offset + counts[world.rank]) { buffer[i] = Float(i) }
      try world.beginAllGather(inPlace: buffer, counts: counts).wait()
      #expect(Array(buffer) == (0..<total).map { Float($0) })
    }
  }

  @Test func allGoOnWhenNobodyFails() throws {
    try RankWorld.run { world throws in
      #expect(try world.agree(nil) == nil)
    }
  }

  @Test func theLowestFailingRankIsHeardByAll() throws {
    try RankWorld.run { world throws in
      for lowest in 0..<world.size {
        let mine: Failure? =
          world.rank < lowest
          ? nil : Failure("Rank \(world.rank) has no data: μ.", exitCode: Int32(60 + world.rank))
        let agreed = try world.agree(mine)
        #expect(agreed?.rank == lowest)
        #expect(agreed?.failure.message == "Rank \(lowest) has no data: μ.")
        #expect(agreed?.failure.exitCode == Int32(60 + lowest))
      }
    }
  }

  /// A status of the library becomes an error with the library's words, not the end of the process.
  @Test func aFailingCallThrows() throws {
    try RankWorld.run { world throws in
      let values: [Float] = [1]
      do {
        try values.withUnsafeBufferPointer { try world.send($0, to: world.rank, tag: -7) }
        Issue.record("A negative tag was accepted.")
      } catch let error as MPIError {
        #expect("\(error)".contains("MPI_Send failed"))
        #expect("\(error)".contains("MPI_ERR_TAG"))
      }
    }
  }
}
