// Threads that help each other: each part once, and the same bits whoever computes it.

import Foundation
import Synchronization
import TestSupport
import Tensors
import Testing

@Suite struct HelpersTests {
  private final class Tally: Sendable {
    let running: Atomic<Int>
    let wrong = Atomic(0)
    let helped = Atomic(0)

    init(running: Int) { self.running = Atomic(running) }
  }

  /// Notes whether the last owner releases it on the thread that made it.
  private final class Possession {
    private let thread = pthread_self()
    private let tally: Tally

    init(_ tally: Tally) { self.tally = tally }

    deinit {
      // int pthread_equal(pthread_t t1, pthread_t t2)
      if pthread_equal(thread, pthread_self()) == 0 { tally.wrong.add(1, ordering: .relaxed) }
    }
  }

  /// Several owners and helpers at once: each part of each loop runs once, at a place that is its
  /// thread's alone, and is there when its owner goes on; what the body holds is released by the
  /// owner, as it may belong to its pool.
  @Test(arguments: [(1, 0), (1, 1), (2, 2), (3, 1)])
  func everyPartRunsOnce(owners: Int, others: Int) {
    let helpers = Helpers()
    let tally = Tally(running: owners)
    onThreads(owners + others) { thread in
      if thread < owners {
        while helpers.count < min(others, 1) { usleep(100) }
        for round in 0..<5000 {
          let parts = 1 + round % 13
          let counts = UnsafeMutablePointer<Int>.allocate(capacity: parts)
          counts.initialize(repeating: 0, count: parts)
          // Now and then a slow one, so that others can help even on a single core.
          shareOnce(helpers, parts, counts, Possession(tally), tally, isSlow: round % 250 == 12)
          for part in 0..<parts where counts[part] != part + 1 {
            tally.wrong.add(1, ordering: .relaxed)
          }
          counts.deallocate()
        }
        tally.running.subtract(1, ordering: .releasing)
      }
      helpers.help(while: { tally.running.load(ordering: .acquiring) > 0 })
    }
    #expect(tally.wrong.load(ordering: .relaxed) == 0)
    #expect(helpers.count == 0)
    // With more owners than one, those that are done help too.
    #expect(owners + others == 1 || tally.helped.load(ordering: .relaxed) > 0)
  }

  private func shareOnce(
    _ helpers: Helpers, _ parts: Int, _ counts: UnsafeMutablePointer<Int>, _ held: Possession,
    _ tally: Tally, isSlow: Bool
  ) {
    let threads = UnsafeMutablePointer<pthread_t?>.allocate(capacity: 2)
    threads.initialize(repeating: nil, count: 2)
    helpers.share(parts: parts, places: 2) { part, place in
      if isSlow { usleep(200) }
      withExtendedLifetime(held) { counts[part] += part + 1 }
      if place > 0 { tally.helped.add(1, ordering: .relaxed) }
      let isFirst = threads[place] == nil
      if isFirst { threads[place] = pthread_self() }
      if pthread_equal(threads[place]!, pthread_self()) == 0 {
        tally.wrong.add(1, ordering: .relaxed)
      }
    }
    threads.deallocate()
  }

  /// Who helps is called after each part, and while it waits.
  @Test func helpingLeavesTimeForOtherThings() {
    let helpers = Helpers()
    let tally = Tally(running: 1)
    onThreads(2) { thread in
      if thread == 0 {
        while helpers.count == 0 { usleep(100) }
        for _ in 0..<5 {
          helpers.share(parts: 20) { _, place in
            usleep(1000)
            if place > 0 { tally.helped.add(1, ordering: .relaxed) }
          }
        }
        usleep(20_000)
        tally.running.subtract(1, ordering: .releasing)
      } else {
        var calls = 0
        helpers.help(while: { tally.running.load(ordering: .acquiring) > 0 }) { calls += 1 }
        let parts = tally.helped.load(ordering: .relaxed)
        if parts == 0 || calls <= parts { tally.wrong.add(1, ordering: .relaxed) }
      }
    }
    #expect(tally.wrong.load(ordering: .relaxed) == 0)
  }

  /// Kernels have the same bits whoever helps: blocks of tiles that cut images, several heads,
  /// channels that fill no vectors.
  @Test func kernelsHaveTheSameBits() {
    let helpers = Helpers()
    let tally = Tally(running: 1)
    onThreads(3) { thread in
      guard thread == 0 else {
        return helpers.help(while: { tally.running.load(ordering: .acquiring) > 0 })
      }
      let alone = results(BufferPool())
      while helpers.count == 0 { usleep(100) }
      for _ in 0..<3 {
        let pool = BufferPool(helpers: helpers)
        if results(pool) != alone { tally.wrong.add(1, ordering: .relaxed) }
        if pool.helped > .zero { tally.helped.add(1, ordering: .relaxed) }
      }
      tally.running.subtract(1, ordering: .releasing)
    }
    #expect(tally.wrong.load(ordering: .relaxed) == 0)
    #expect(tally.helped.load(ordering: .relaxed) > 0)
  }

  private func results(_ pool: BufferPool) -> [[Float]] {
    func tensor(_ shape: Shape, _ index: Int) -> Tensor {
      Tensor(shape, normals(shape.count, index: index), in: pool)
    }
    var results: [[Float]] = []
    for (kernel, shape, o) in [
      (3, Shape(5, 21, 22, 32), 512), (3, Shape(9, 4, 4, 64), 64), (1, Shape(3, 9, 9, 48), 80),
      (3, Shape(3, 7, 6, 16), 3), (3, Shape(1, 37, 30, 80), 64), (3, Shape(2, 12, 12, 256), 96),
    ] {
      let convolution = Convolution(
        kernel: kernel, stride: 1, paddingBefore: kernel / 2, paddingAfter: kernel / 2,
        outputChannels: o)
      let (x, dy) = (tensor(shape, 0), tensor(shape.with(channels: o), 1))
      let (y, dx) = (Tensor(dy.shape, in: pool), Tensor(shape, in: pool))
      let sums = Tensor(Shape(shape.n, 1, 1, o), in: pool)
      let W = normals(kernel * kernel * shape.c * o, index: 2)
      convolution.forward(x, W, biases: normals(o, index: 3), into: y, pool)
      var dW = [Float](repeating: .nan, count: W.count)
      dW.withUnsafeMutableBufferPointer {
        convolution.backward(
          x, W, dy, dx: dx, dW: $0.baseAddress!, adds: false, sums: sums, pool)
      }
      results += [y, dx, sums].map { Array($0.scalars) } + [dW]
    }
    // Few images are cut by channels, whole groups and vectors.
    for (shape, groups) in [
      (Shape(1, 40, 41, 96), 8), (Shape(2, 33, 20, 128), 32), (Shape(1, 30, 30, 70), 7),
      (Shape(4, 9, 8, 70), 7),
    ] {
      let (x, dy, dx) = (tensor(shape, 4), tensor(shape, 5), Tensor(shape, in: pool))
      let normalization = GroupNormalization(groups: groups, activates: true)
      let statistics = Tensor(normalization.statisticsShape(for: shape), in: pool)
      let y = Tensor(shape, in: pool)
      let gamma = normals(shape.c, index: 6)
      normalization.forward(x, gamma, gamma, into: y, statistics: statistics, pool)
      var slopes = [Float](repeating: 0, count: 2 * shape.c)
      slopes.withUnsafeMutableBufferPointer {
        normalization.backward(
          x, gamma, gamma, dy, statistics: statistics, into: dx,
          slopes: ($0.baseAddress!, $0.baseAddress! + shape.c), pool)
      }
      results += [y, dx, statistics].map { Array($0.scalars) } + [slopes]
    }
    let shape = Shape(4, 9, 8, 70)
    let (q, k, v) = (tensor(shape, 4), tensor(shape, 5), tensor(shape, 7))
    let attention = Attention(heads: 2)
    let trace = attention.trace(shape, shape, in: pool)
    let z = Tensor(shape, in: pool)
    let gradients = [0, 1, 2].map { _ in Tensor(shape, in: pool) }
    attention.forward(q, k, v, trace: trace, into: z, pool)
    attention.backward(
      q, k, v, trace: trace, z, tensor(shape, 8), dq: gradients[0], dk: gradients[1],
      dv: gradients[2], pool)
    return results + ([z] + gradients).map { Array($0.scalars) }
  }

  /// Calls `body` on as many threads, which all run at the same time, and waits for them.
  private func onThreads(_ count: Int, _ body: @escaping @Sendable (_ thread: Int) -> Void) {
    let group = DispatchGroup()
    for number in 0..<count {
      group.enter()
      Thread {
        body(number)
        group.leave()
      }.start()
    }
    group.wait()
  }
}
