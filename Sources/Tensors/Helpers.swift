import Foundation
import Synchronization

/// Threads that have nothing left to do, and the loops in which they help those that have.
///
/// A kernel offers the parts of a loop, and whoever is free takes the next one. The parts are
/// independent of each other, so that the results have the same bits whoever computes them.
public final class Helpers: Sendable {
  private let idle = Atomic(0)
  private let open = Atomic(0)
  private let loops = Mutex<[SharedLoop]>([])

  /// Nobody yet.
  public init() {}

  /// The number of threads that wait for something to help with.
  public var count: Int { idle.load(ordering: .relaxed) }

  /// Runs `body` for each of some parts, on this thread and on those that are free.
  ///
  /// - Parameter body: Writes what no other part reads or writes.
  public func share(parts: Int, _ body: @escaping (_ part: Int) -> Void) {
    let loop = SharedLoop(parts: parts, body)
    loops.withLock { $0.append(loop) }
    open.add(1, ordering: .relaxed)
    loop.work(isOwner: true)
    open.subtract(1, ordering: .relaxed)
    loops.withLock { $0.removeAll { $0 === loop } }
    loop.finish()
  }

  /// Helps others while it is wanted.
  ///
  /// - Parameter meanwhile: Called now and then, at least every tenth of a millisecond between loops.
  public func help(while isWanted: () -> Bool, meanwhile: () -> Void = {}) {
    idle.add(1, ordering: .relaxed)
    defer { idle.subtract(1, ordering: .relaxed) }
    var (patience, rounds) = (Patience(), 0)
    while isWanted() {
      if open.load(ordering: .relaxed) > 0,
        let loop = loops.withLock({ $0.first { $0.hasMore } })
      {
        loop.work(isOwner: false)
        patience = Patience()
      } else {
        patience.wait()
      }
      rounds += 1
      if rounds % 64 == 0 || patience.isSleeping { meanwhile() }
    }
  }
}

/// One loop, whose parts its owner takes from the front and its helpers from the back: so one loop
/// after the other, a thread finds in its cache what it has written before.
private final class SharedLoop: @unchecked Sendable {
  private let parts: Int
  /// Nil once all parts are done.
  private var body: ((Int) -> Void)?
  /// The number of parts taken from the front, and in the upper half of the bits from the back.
  private let taken = Atomic(0)
  private let finished = Atomic(0)

  init(parts: Int, _ body: @escaping (Int) -> Void) {
    self.parts = parts
    self.body = body
  }

  var hasMore: Bool { Self.count(taken.load(ordering: .relaxed)) < parts }

  /// Takes parts until none is left.
  func work(isOwner: Bool) {
    let step = isOwner ? 1 : 1 << 32
    while true {
      // The bound is checked after the addition; beyond it, only the sum's bits grow.
      let before = taken.add(step, ordering: .relaxed).oldValue
      guard Self.count(before) < parts else { return }
      run(isOwner ? before & 0xffff_ffff : parts - 1 - (before >> 32))
      finished.add(1, ordering: .releasing)
    }
  }

  /// Waits for the parts that helpers have taken, and lets go of the body: what it holds belongs to
  /// the owner's pool, and must return to it on the owner's thread.
  func finish() {
    var patience = Patience()
    while finished.load(ordering: .acquiring) < parts { patience.wait() }
    body = nil
  }

  /// Not inlined, so that a helper holds nothing of the body when the part counts as finished.
  @inline(never)
  private func run(_ part: Int) { body!(part) }

  private static func count(_ taken: Int) -> Int { (taken & 0xffff_ffff) + (taken >> 32) }
}

/// Waits again and again: at first by doing nothing, then by letting other threads run, then asleep.
private struct Patience {
  private var misses = 0

  /// Whether waiting takes tens of microseconds by now.
  var isSleeping: Bool { misses > 4000 }

  mutating func wait() {
    misses += 1
    if isSleeping {
      usleep(20)  // int usleep(useconds_t usec)
    } else if misses > 1000 {
      sched_yield()  // int sched_yield(void)
    }
  }
}
