// The signals by which a process is asked to stop, noted and looked at where it can be done.

import Glibc
import Synchronization

/// The signals that ask this process to stop: noted by a handler, looked at between two steps.
///
/// A signal that comes again, and an interrupt from the keyboard after any other, end the process at
/// once, as they would without a handler. What comes within a third of a second of the first is the same
/// wish: launchers and `timeout` deliver one signal twice.
enum StopSignals {
  /// Those that ask for a checkpoint and a requeue, and are forwarded by mpirun: USR1 and USR2; and those
  /// that say that the end is near: TERM, INT and HUP.
  static let all = [SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP]

  /// The first signal that has come; 0 where none has.
  private static let first = Atomic<Int32>(0)
  /// A bit for each signal that has come.
  private static let seen = Atomic<UInt64>(0)
  /// When the first signal came, in milliseconds of the monotonic clock.
  private static let firstTime = Atomic<Int>(0)

  /// Installs the handler, before a loop that looks at `received`.
  static func install() {
    // Made before a handler can want them: making a static is nothing for a handler.
    _ = (
      first.load(ordering: .relaxed), seen.load(ordering: .relaxed),
      firstTime.load(ordering: .relaxed)
    )
    // A launcher may have blocked them, and this thread inherited that.
    var blocked = sigset_t()
    sigemptyset(&blocked)
    for number in all {
      sigaddset(&blocked, number)
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { StopSignals.note($0) }
      // A system call that a signal interrupts goes on.
      action.sa_flags = SA_RESTART
      // int sigaction(int signum, const struct sigaction *act, struct sigaction *oldact)
      sigaction(number, &action, nil)
    }
    // int pthread_sigmask(int how, const sigset_t *set, sigset_t *oldset)
    pthread_sigmask(SIG_UNBLOCK, &blocked, nil)
  }

  /// The first signal that has come; nil where none has.
  static var received: Int32? {
    let number = first.load(ordering: .acquiring)
    return number == 0 ? nil : number
  }

  /// What the handler does: nothing but atomic operations, and what POSIX lets a handler call.
  private static func note(_ number: Int32) {
    var now = timespec()
    // int clock_gettime(clockid_t clockid, struct timespec *tp)
    clock_gettime(CLOCK_MONOTONIC, &now)
    let time = now.tv_sec * 1000 + now.tv_nsec / 1_000_000
    // Before the bit, which another thread's handler may look at meanwhile.
    _ = firstTime.compareExchange(
      expected: 0, desired: time, ordering: .acquiringAndReleasing)
    let bit = UInt64(1) << UInt64(number)
    let before = seen.bitwiseOr(bit, ordering: .acquiringAndReleasing).oldValue
    let isAgain = before & bit != 0 || before != 0 && number == SIGINT
    if isAgain, time - firstTime.load(ordering: .acquiring) > 333 {
      // sighandler_t signal(int signum, sighandler_t handler); int raise(int sig)
      signal(number, SIG_DFL)
      raise(number)
      return
    }
    _ = first.compareExchange(
      expected: 0, desired: number, ordering: .acquiringAndReleasing)
  }

  /// Ends the process by a signal, as it would have without a handler.
  static func end(by number: Int32) -> Never {
    signal(number, SIG_DFL)
    raise(number)
    // The signal is blocked, which nobody here does.
    exit(128 + number)
  }

  /// As `USR1`.
  static func name(of number: Int32) -> String {
    switch number {
    case SIGUSR1: "USR1"
    case SIGUSR2: "USR2"
    case SIGTERM: "TERM"
    case SIGINT: "INT"
    case SIGHUP: "HUP"
    default: "\(number)"
    }
  }
}
