// Who computes which images, and what comes of it on any ranks.

import MPI
import Parallel
import Synchronization
import Tensors
import TestSupport
import Testing

@RankActor @Suite(.serialized) struct ImageGroupsRankTests {
  /// Each image gives its number and its square.
  private nonisolated func body(_ images: Range<Int>, _ pool: BufferPool) -> [Double] {
    images.flatMap { [Double($0), Double($0 * $0)] }
  }

  @Test func imagesComeInOrderWhateverTheyAreDealtTo() throws {
    try RankWorld.run { world throws in
      for (count, together, workers) in [
        (37, nil, 3), (37, 8, 2), (37, 1, 1), (8, 100, 2), (1, nil, 1), (0, nil, 2), (24, .max, 2),
      ] as [(Int, Int?, Int)] {
        let groups = ImageGroups(communicator: world, workers: Workers(count: workers))
        let seen = Collected<Range<Int>>()
        let result = try groups.map(count, together: together, width: 2) { images, pool in
          seen.append(images)
          return self.body(images, pool)
        }
        #expect(result == (world.rank == 0 ? body(0..<count, BufferPool()) : []))
        // Whole groups, each computed once, as many as are said.
        #expect(seen.values.allSatisfy { $0.count == 8 && $0.lowerBound % 8 == 0 })
        #expect(seen.values.count == groups.ownedCount(of: count, together: together))
        let all = try world.allGather(seen.values.map(\.lowerBound)).flatMap { $0 }
        #expect(all.sorted() == Array(stride(from: 0, to: count, by: 8)))
      }
    }
  }

  /// Sums of groups, of which the last one is as small as it is.
  @Test func groupsComeInOrderAndAreNotFilledUp() throws {
    try RankWorld.run { world throws in
      for (count, workers) in [(37, 3), (8, 2), (9, 1), (3, 2), (0, 1)] {
        let groups = ImageGroups(communicator: world, workers: Workers(count: workers))
        let result = try groups.mapGroups(of: count, width: 2) { images, _ in
          [Double(images.count), Double(images.reduce(0, +))]
        }
        let expected = stride(from: 0, to: count, by: 8).flatMap { first in
          let images = first..<min(first + 8, count)
          return [Double(images.count), Double(images.reduce(0, +))]
        }
        #expect(result == (world.rank == 0 ? expected : []))
      }
    }
  }

  /// All ranks learn of a failure, also those that computed nothing, and the rest is left undone.
  @Test func allRanksLearnOfAFailure() throws {
    try RankWorld.run { world throws in
      let groups = ImageGroups(communicator: world, workers: Workers(count: 1))
      let calls = Atomic(0)
      let error = #expect(throws: AgreedFailure.self) {
        try groups.map(800, together: 8 * world.size, width: 1) { images, _ throws(Failure) in
          calls.add(1, ordering: .relaxed)
          if images.lowerBound == 8 { throw Failure("image 8 is bad", exitCode: 65) }
          return [Double](repeating: 0, count: 8)
        }
      }
      #expect(error?.failure == Failure("image 8 is bad", exitCode: 65))
      #expect(calls.load(ordering: .relaxed) <= 2)
    }
  }

  @Test func sharesCoverTheGroups() throws {
    try RankWorld.run { world throws in
      let groups = ImageGroups(communicator: world, workers: Workers(count: 1))
      for range in [0..<0, 0..<1, 3..<10, 0..<101] {
        let shares = (0..<world.size).map { groups.share(of: range, rank: $0) }
        #expect(shares.flatMap { $0 } == Array(range))
        #expect(shares.map(\.count).max()! - shares.map(\.count).min()! <= 1)
        #expect(groups.share(of: range) == shares[world.rank])
      }
    }
  }
}
