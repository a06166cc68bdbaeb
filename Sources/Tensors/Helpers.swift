// A loop is shared with threads that have no work of their own.

import Foundation
import Synchronization

/// Threads that have nothing left to do, and the loops in which they help those that have.
///
/// A kernel offers the parts of a loop, and whoever is free takes the next one. The parts are
/// independent of each other, so that the results have the same bits whoever computes them.
public final class Helpers: Sendable {
  private let idle = Atomic(0)
  /// The loops that have parts left to take.
  private let open = Atomic(0)
  private let loops = Mutex<[SharedLoop]>([])

  /// Nobody yet.
  public init() {}

  /// The number of threads that help or wait for something to help with.
  public var count: Int { idle.load(ordering: .relaxed) }

  /// Runs `body` for each of some parts, on this thread and on those that are free.
  ///
  /// - Parameters:
  ///   - places: The number of threads that take part at most, this one included.
  ///   - body: Writes what no other part reads or writes. It is told its place, which no other
  ///     thread has in this loop: 0 on this thread.
  /// - Returns: The time that other threads have worked.
  @discardableResult
  public func share(
    parts: Int, places: Int = .max, _ body: @escaping (_ part: Int, _ place: Int) -> Void
  ) -> Duration {
    let loop = SharedLoop(parts: parts, places: places, body)
    loops.withLock { $0.append(loop) }
    open.add(1, ordering: .relaxed)
    loop.work(isOwner: true, onLast: close)
    loops.withLock { $0.removeAll { $0 === loop } }
    return loop.finish()
  }

  /// Helps others while it is wanted.
  ///
  /// - Parameter meanwhile: Called after each part, and again and again while there is none.
  public func help(while isWanted: () -> Bool, meanwhile: () -> Void = {}) {
    idle.add(1, ordering: .relaxed)
    defer { idle.subtract(1, ordering: .relaxed) }
    var (patience, rounds) = (Patience(), 0)
    while isWanted() {
      if open.load(ordering: .relaxed) > 0,
        let loop = loops.withLock({ $0.first { $0.hasRoom } })
      {
        loop.work(isOwner: false, onLast: close, afterPart: meanwhile)
        patience = Patience()
      } else {
        patience.wait()
        rounds += 1
        if rounds % 64 == 0 || patience.isLong { meanwhile() }
      }
    }
  }

  private func close() { open.subtract(1, ordering: .relaxed) }
}

/// One loop, whose parts its owner takes from the front and its helpers from the back: so one loop
/// after the other, a thread finds in its cache what it has written before.
private final class SharedLoop: @unchecked Sendable {
  private let parts: Int
  private let places: Int
  /// Nil once all parts are done.
  private var body: ((_ part: Int, _ place: Int) -> Void)?
  /// The number of parts taken from the front, and in the upper half of the bits from the back.
  private let taken = Atomic(0)
  private let finished = Atomic(0)
  private let helpers = Atomic(0)
  private let helpedNanoseconds = Atomic(0)

  init(parts: Int, places: Int, _ body: @escaping (_ part: Int, _ place: Int) -> Void) {
    self.parts = parts
    self.places = places
    self.body = body
  }

  /// Whether there is a part to take, and a place for one more thread.
  var hasRoom: Bool {
    Self.count(taken.load(ordering: .relaxed)) < parts
      && helpers.load(ordering: .relaxed) < places - 1
  }

  /// Takes parts until none is left.
  ///
  /// - Parameters:
  ///   - onLast: Called by whoever takes the last part, before it is done.
  ///   - afterPart: Called after each part.
  func work(isOwner: Bool, onLast: () -> Void, afterPart: () -> Void = {}) {
    var place = 0
    if !isOwner {
      place = helpers.add(1, ordering: .relaxed).newValue
      guard place < places else { return }
    }
    let step = isOwner ? 1 : 1 << 32
    while true {
      // The bound is checked after the addition; beyond it, only the sum's bits grow.
      let before = taken.add(step, ordering: .relaxed).oldValue
      let count = Self.count(before)
      guard count < parts else { return }
      if count == parts - 1 { onLast() }
      if isOwner {
        run(before & 0xffff_ffff, place)
      } else {
        let start = ContinuousClock.now
        run(parts - 1 - (before >> 32), place)
        let elapsed = (ContinuousClock.now - start) / .nanoseconds(1)
        helpedNanoseconds.add(Int(elapsed), ordering: .relaxed)
      }
      finished.add(1, ordering: .releasing)
      afterPart()
    }
  }

  /// Waits for the parts that helpers have taken, and releases the body: what it holds belongs to
  /// the owner's pool, and must return to it on the owner's thread.
  ///
  /// - Returns: The time that helpers have worked.
  func finish() -> Duration {
    var patience = Patience()
    while finished.load(ordering: .acquiring) < parts { patience.wait() }
    body = nil
    return .nanoseconds(helpedNanoseconds.load(ordering: .relaxed))
  }

  /// Not inlined, so that a helper holds nothing of the body when the part counts as finished.
  @inline(never)
  private func run(_ part: Int, _ place: Int) { body!(part, place) }

  private static func count(_ taken: Int) -> Int { (taken & 0xffff_ffff) + (taken >> 32) }
}

/// Waits again and again: at first by doing nothing, then by letting other threads run, then
/// asleep.
private struct Patience {
  private var misses = 0

  /// Whether waiting is more than doing nothing for a moment by now.
  var isLong: Bool { misses > 1000 }

  mutating func wait() {
    misses += 1
    if misses > 4000 {
      usleep(20)  // int usleep(useconds_t usec)
    } else if isLong {
      sched_yield()  // int sched_yield(void)
    }
  }
}
