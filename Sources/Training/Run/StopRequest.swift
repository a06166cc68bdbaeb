// Whether a job is to stop, asked by all ranks between two steps and answered alike.

import Foundation
import MPI

/// Why a job stops before its end.
public enum StopReason: Equatable, Sendable {
  /// A signal has come.
  case signal(Int32)
  /// There is a file `STOP`, here.
  case file(String)
  /// Too little time is left for another step.
  case timeLimit(String)

  /// As a sentence's end: "since USR1 came".
  var text: String {
    switch self {
    case .signal(let number): "\(StopSignals.name(of: number)) has come"
    case .file(let path): "there is a file \(path)"
    case .timeLimit(let source): "there is no time for more (\(source))"
    }
  }
}

/// The end of a job that was asked to stop, and has kept what it had done.
public struct Interruption: Error, Equatable, CustomStringConvertible {
  /// What was kept, and how to go on, in one line.
  public let description: String
  /// `ExitCode.interrupted`, or that of the signal where there was no time to keep anything.
  public let exitCode: Int32

  /// An end that has kept what was done.
  public init(_ description: String) {
    (self.description, exitCode) = (description, ExitCode.interrupted)
  }

  /// An end without time to keep anything.
  public init(_ description: String, signal: Int32) {
    (self.description, exitCode) = (description, 128 + signal)
  }
}

/// What a job is asked to stop by: signals, a file `STOP`, and limits of time.
///
/// All ranks ask together, and all get one answer, so that they stop after the same step. Signals are taken
/// from any rank; file and clock are the first rank's.
public final class StopRequest {
  private let communicator: Communicator
  private let file: String?
  private let limits: [TimeLimit]
  private let clock: () -> Double
  /// The longest piece of work and save so far, in seconds: what another one may take.
  private var longestWork = 0.0
  private var longestSave = 0.0
  private var lastLook = -Double.infinity
  private var workStart: Double
  private var decided: StopReason?

  /// Begins to look out; the same on all ranks.
  ///
  /// - Parameters:
  ///   - file: The file whose presence stops the job; nil: none does.
  ///   - timeLimit: What the user has said, `TimeLimit.seconds`; nil: nothing.
  public convenience init(_ communicator: Communicator, file: String?, timeLimit: String?) {
    StopSignals.install()
    let now = { Date.now.timeIntervalSince1970 }
    self.init(
      communicator, file: file, limits: TimeLimit.all(timeLimit, since: processStart), now)
  }

  package init(
    _ communicator: Communicator, file: String?, limits: [TimeLimit],
    _ clock: @escaping () -> Double
  ) {
    (self.communicator, self.file, self.limits, self.clock) = (communicator, file, limits, clock)
    workStart = clock()
  }

  /// Why the job is to stop now; nil where it goes on. Collective.
  ///
  /// Called after each piece of work: a step, a round of images. How long one takes is learned from the
  /// time between two calls.
  public func reason() throws(MPIError) -> StopReason? {
    if let decided { return decided }
    let now = clock()
    longestWork = max(longestWork, now - workStart)
    workStart = now
    // 0: nothing; 1 … 64: a signal; 100: the file; 101, …: a limit.
    var code = 0
    if let number = StopSignals.received { code = Int(number) }
    if communicator.rank == 0, code == 0 {
      if isThere(now) { code = 100 }
      let needed = 2 * (longestWork + longestSave)
      if let place = limits.firstIndex(where: { now + needed + $0.margin > $0.end }) {
        code = 101 + place
      }
    }
    let first = try communicator.allReduce(code, .maximum)
    if first == 0 { return nil }
    let reason: StopReason =
      switch first {
      case 100: .file(file ?? "STOP")
      case 101...: .timeLimit(limits[first - 101].source)
      default: .signal(Int32(first))
      }
    decided = reason
    return reason
  }

  /// Notes how long a save has taken, so that time for the next one is kept.
  public func noteSave(_ seconds: Double) {
    longestSave = max(longestSave, seconds)
    // What comes next is measured from here.
    workStart = clock()
  }

  /// Whether there is time to save: mpirun kills its ranks a second after TERM, INT and HUP.
  public static func hasTimeToSave(
    after reason: StopReason,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> Bool {
    guard case .signal(let number) = reason, number != SIGUSR1, number != SIGUSR2 else {
      return true
    }
    return environment["OMPI_COMM_WORLD_SIZE"] == nil
  }

  /// Takes back the file, which has been followed.
  public func removeFile() {
    if communicator.rank == 0, case .file(let path) = decided { unlink(path) }
  }

  /// Whether the file is there; asked four times a second at most, for disks far away.
  private func isThere(_ now: Double) -> Bool {
    guard let file, now - lastLook >= 0.25 else { return false }
    lastLook = now
    return access(file, F_OK) == 0
  }
}

/// When this process began, seconds since 1970.
private let processStart: Double = {
  // Field 22 of /proc/self/stat: clock ticks since the start of the system.
  let text = (try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8)) ?? ""
  let fields = text.drop { $0 != ")" }.split(separator: " ")
  let uptime = (try? String(contentsOfFile: "/proc/uptime", encoding: .utf8))?
    .split(separator: " ").first.flatMap { Double($0) }
  guard fields.count > 20, let ticks = Double(fields[20]), let uptime else {
    return Date.now.timeIntervalSince1970
  }
  return Date.now.timeIntervalSince1970 - uptime + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
}()
