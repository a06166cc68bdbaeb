// The ranks that a rank test runs on: those of `mpirun`, or this process alone.

import Foundation
import MPI

/// Runs the bodies of rank tests on all ranks of the job, in step.
///
/// Swift Testing knows nothing of ranks. Every rank runs the whole test program, so all of them
/// must run the same rank tests in the same order: the launcher passes `--no-parallel`, which
/// sorts the tests of a suite by source location, and filters the suites of one module at a time.
/// Before each test the ranks tell each other its name, and end the job if they are not at the
/// same one.
@RankActor
public enum RankWorld {
  /// The one session of the test process, finalised when the process exits.
  private static let session: MPISession = {
    do {
      let session = try MPISession()
      // mpirun takes a rank that exits without finalising for a crash.
      atexit {
        let left = DispatchSemaphore(value: 0)
        Task { @RankActor in
          try? RankWorld.session.finalize()
          left.signal()
        }
        left.wait()
      }
      return session
    } catch {
      fatalError("\(error)")
    }
  }()

  /// All ranks of the job.
  public static var world: Communicator { session.world }

  /// Runs the body of a rank test on all ranks.
  ///
  /// - Parameters:
  ///   - name: The test's name, the function's by default.
  ///   - body: The test. It must make the same collective calls on all ranks, whatever it finds:
  ///     use `#expect`, not `#require`, between them.
  /// - Throws: What the body throws on a single rank; several ranks are aborted.
  public static func run(
    _ name: String = #function, _ body: (Communicator) throws -> Void
  ) throws {
    let names = try world.allGather(Array(name.utf8)).map { String(decoding: $0, as: UTF8.self) }
    guard Set(names).count == 1 else { abort("The ranks are at different tests: \(names)") }
    do {
      try body(world)
    } catch  where world.size > 1 {
      // The others wait in a collective call that this rank will never make.
      abort("Rank \(world.rank) left \(name): \(error)")
    }
  }

  private static func abort(_ message: String) -> Never {
    FileHandle.standardError.write(Data("\(message)\n".utf8))
    world.abort(code: 70)
  }
}

/// Isolates rank tests to one thread, as `MPI_THREAD_FUNNELED` asks.
///
/// The main actor would not do: on Linux its jobs run on changing threads of Dispatch.
@globalActor
public actor RankActor {
  /// The actor of all rank tests.
  public static let shared = RankActor()

  /// Runs jobs on the rank thread.
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    RankThread.shared.asUnownedSerialExecutor()
  }
}

/// One thread, which runs what it is given, in order, as long as the process lives.
final class RankThread: SerialExecutor, @unchecked Sendable {
  static let shared = RankThread()
  private let condition = NSCondition()
  private var jobs: [() -> Void] = []

  private init() {
    Thread.detachNewThread { [unowned self] in
      while true { next()() }
    }
  }

  private func next() -> () -> Void {
    condition.withLock {
      while jobs.isEmpty { condition.wait() }
      return jobs.removeFirst()
    }
  }

  private func add(_ job: @escaping () -> Void) {
    condition.withLock {
      jobs.append(job)
      condition.signal()
    }
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    add { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
  }
}
