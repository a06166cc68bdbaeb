import Foundation
import Synchronization
import Tensors
import Testing

@Suite struct HelpersTests {
  private final class Tally: Sendable {
    let running: Atomic<Int>
    let wrong = Atomic(0)

    init(running: Int) { self.running = Atomic(running) }
  }

  /// Notes whether the last owner lets go of it on the thread that made it.
  private final class Possession {
    private let thread = pthread_self()
    private let tally: Tally

    init(_ tally: Tally) { self.tally = tally }

    deinit {
      // int pthread_equal(pthread_t t1, pthread_t t2)
      if pthread_equal(thread, pthread_self()) == 0 { tally.wrong.add(1, ordering: .relaxed) }
    }
  }

  /// Several owners and helpers at once: each part of each loop runs once, and is there when its
  /// owner goes on; what the body holds is let go of by the owner, as it may belong to its pool.
  @Test(arguments: [(1, 0), (1, 1), (2, 2), (3, 1)])
  func everyPartRunsOnce(owners: Int, others: Int) {
    let helpers = Helpers()
    let tally = Tally(running: owners)
    onThreads(owners + others) { thread in
      if thread < owners {
        for round in 0..<5000 {
          let parts = 1 + round % 13
          let counts = UnsafeMutablePointer<Int>.allocate(capacity: parts)
          counts.initialize(repeating: 0, count: parts)
          shareOnce(helpers, parts, counts, Possession(tally))
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
  }

  private func shareOnce(
    _ helpers: Helpers, _ parts: Int, _ counts: UnsafeMutablePointer<Int>, _ held: Possession
  ) {
    helpers.share(parts: parts) { part in
      withExtendedLifetime(held) { counts[part] += part + 1 }
    }
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

  /// Who waits for work is called now and then.
  @Test func waitingIsNotIdle() {
    let helpers = Helpers()
    var calls = 0
    helpers.help(while: { calls < 10 }) { calls += 1 }
    #expect(calls == 10)
  }
}
