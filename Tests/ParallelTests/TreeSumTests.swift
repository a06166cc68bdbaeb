// Shard gradients of several workers, added in one order.

import Foundation
import Parallel
import TestSupport
import Testing

@Suite struct TreeSumTests {
  private func fill(_ work: TreeSum.Work) {
    work.buffer.fill(0..<work.buffer.count) { roughNumber($0, stream: work.leaf) }
  }

  /// Runs a function on threads of their own, all at the same time, and waits for them.
  private func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let group = DispatchGroup()
    for index in 0..<count {
      group.enter()
      Thread.detachNewThread {
        body(index)
        group.leave()
      }
    }
    group.wait()
  }

  @Test func additionsByHand() {
    let x = (0..<6).map { shard in (0..<33).map { roughNumber($0, stream: shard) } }
    let expected = (0..<33).map { i -> Float in
      let left = (x[0][i] + x[1][i]) + (x[2][i] + x[3][i])
      let right = x[4][i] + x[5][i]
      return left + right
    }
    let (gradient, values) = gradientSum(shards: 0..<6, count: 33)
    #expect(difference(gradient.values, expected) == nil)
    #expect(values == ShardTree.sum((0..<6).map { [shardLoss($0)] }))
  }

  @Test(arguments: 1...13) func theOrderOfArrivalDoesNotMatter(leaves: Int) {
    let count = 50
    let expected = gradientSum(shards: 0..<leaves, count: count).gradient.values
    var orders = [Array(0..<leaves), Array((0..<leaves).reversed())]
    for step in [3, 5, 7] where !leaves.isMultiple(of: step) {
      orders.append((0..<leaves).map { $0 * step % leaves })
    }
    for order in orders {
      let sum = TreeSum(leaves: leaves, count: count, workers: leaves)
      let work = (0..<leaves).map { _ in sum.claim()! }
      #expect(sum.claim() == nil)
      for leaf in order {
        fill(work[leaf])
        sum.deposit(work[leaf], values: [Double(leaf), 1])
      }
      #expect(difference(sum.result().gradient.values, expected) == nil)
      #expect(sum.result().values == [Double(leaves * (leaves - 1) / 2), Double(leaves)])
    }
  }

  /// A gradient that has been added takes no memory until the next one comes: its pages are zeros again.
  @Test func whatIsAddedGoesBackToTheSystem() {
    let count = 1 << 16
    let sum = TreeSum(
      leaves: 2, count: count, workers: 1, segmentLength: count / 4, givesPagesBack: true)
    func zeros(_ work: TreeSum.Work) -> Int { work.buffer.values.count { $0 == 0 } }
    for _ in 0..<2 {
      sum.restart()
      let left = sum.claim()!
      #expect(zeros(left) >= count - 2048)
      left.buffer.fill(0..<count) { _ in 1 }
      sum.deposit(left)
      let right = sum.claim()!
      right.buffer.fill(0..<count) { _ in 2 }
      sum.advance(right, downTo: count / 2)
      // Half of it is added: the tail.
      #expect((count / 2 - 4096...count / 2).contains(zeros(right)))
      sum.deposit(right)
      #expect(zeros(right) >= count - 8192)
      #expect(sum.result().gradient.values.allSatisfy { $0 == 3 })
    }
  }

  @Test(arguments: [1, 2, 3, 8]) func theNumberOfWorkersDoesNotMatter(workers: Int) {
    let leaves = 16
    let expected = gradientSum(shards: 0..<leaves, count: 301).gradient.values
    let sum = TreeSum(leaves: leaves, count: 301, workers: workers)
    for round in 0..<5 {
      sum.restart()
      onThreads(workers) { worker in
        while let work = sum.claim() {
          fill(work)
          // Every worker is the slow one once, so that the others run ahead.
          if worker == round % workers { Thread.sleep(forTimeInterval: 0.0005) }
          sum.deposit(work)
        }
      }
      #expect(difference(sum.result().gradient.values, expected) == nil)
    }
    #expect(sum.bufferCount <= workers + 4)
  }

  /// Shards that finish piece by piece, each at its own pace, give the bits of whole ones, and what
  /// is called final stays as it is.
  @Test(arguments: [1, 2, 5, 8], [7, 16, 100]) func segmentsAreAddedAlone(leaves: Int, length: Int)
  {
    let count = 100
    let expected = gradientSum(shards: 0..<leaves, count: count).gradient.values
    let sum = TreeSum(leaves: leaves, count: count, workers: leaves, segmentLength: length)
    for round in 0..<3 {
      let works = (0..<leaves).map { _ in sum.claim()! }
      for offset in stride(from: count, through: 0, by: -5) {
        for i in works.indices {
          let work = works[(i + round) % leaves]
          // Later leaves lag behind in some rounds, and run ahead in others.
          let lag = round == 1 ? 9 * work.leaf : 9 * (leaves - work.leaf)
          let from = min(count, offset + lag)
          work.buffer.fill(from..<min(count, from + 5)) { roughNumber($0, stream: work.leaf) }
          sum.advance(work, downTo: from)
        }
        let (gradient, final) = sum.finished()!
        #expect(gradient.values[final...].elementsEqual(expected[final...]))
      }
      #expect(leaves == 1 || sum.finished()!.downTo > 0)
      for work in works {
        let rest = round == 1 ? 9 * work.leaf : 9 * (leaves - work.leaf)
        work.buffer.fill(0..<min(count, rest)) { roughNumber($0, stream: work.leaf) }
        sum.deposit(work, values: [Double(work.leaf)])
      }
      #expect(sum.finished()!.downTo == 0)
      #expect(difference(sum.result().gradient.values, expected) == nil)
      #expect(sum.result().values == [Double(leaves * (leaves - 1) / 2)])
      sum.restart()
    }
    #expect(sum.bufferCount <= leaves)
  }

  @Test func oneWorkerNeedsFewBuffers() {
    let sum = TreeSum(leaves: 64, count: 1, workers: 1)
    while let work = sum.claim() { sum.deposit(work) }
    #expect(sum.bufferCount == 7)
  }

  /// The first shard takes long; the others are added as far as the buffers go, then wait.
  @Test func aSlowShardBoundsTheBuffers() {
    let sum = TreeSum(leaves: 64, count: 10, workers: 2)
    let slow = sum.claim()!
    onThreads(2) { thread in
      if thread == 0 {
        Thread.sleep(forTimeInterval: 0.02)
        #expect(sum.bufferCount == 8)
        fill(slow)
        sum.deposit(slow)
      }
      while let work = sum.claim() {
        fill(work)
        sum.deposit(work)
      }
    }
    #expect(sum.bufferCount == 8)
    let expected = gradientSum(shards: 0..<64, count: 10).gradient
    #expect(difference(sum.result().gradient.values, expected.values) == nil)
  }

  /// A shard that cannot be computed ends the sum for all who wait for a buffer.
  @Test func anAbandonedSumHoldsNobody() {
    let sum = TreeSum(leaves: 64, count: 10, workers: 2)
    let slow = sum.claim()!
    onThreads(2) { thread in
      if thread == 0 {
        Thread.sleep(forTimeInterval: 0.02)
        sum.abandon()
      }
      while let work = sum.claim() { sum.deposit(work) }
    }
    #expect(slow.leaf == 0 && sum.claim() == nil)
  }
}
