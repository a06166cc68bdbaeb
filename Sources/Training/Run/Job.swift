// The processes of one command, and how they leave together.

import Foundation
import Logging
import MPI
import Parallel
import Tensors

/// The end of a command by its command line alone: help, the version, or wrong arguments.
public struct CommandLineEnd: Error {
  /// What to print, on stdout where the exit code is 0.
  public let text: String
  /// The exit code.
  public let exitCode: Int32

  /// A text and an exit code.
  public init(text: String, exitCode: Int32) {
    self.text = text
    self.exitCode = exitCode
  }
}

/// The processes that run one command together, and how they leave together when one has failed.
///
/// A command runs inside `Job.run`. Whatever it throws becomes one line on stderr, printed by one
/// rank, and one exit code for all.
public final class Job {
  private var session: MPISession?

  /// The number of this process among those of the job, known before MPI is initialised.
  public let launchedRank: Int

  private init() {
    let environment = ProcessInfo.processInfo.environment
    let variables = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"]
    let rank = variables.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first
    launchedRank = rank ?? 0
    isLaunched = rank != nil
  }

  private let isLaunched: Bool

  /// All ranks of the job; initialises MPI at the first use, on all ranks together.
  public func communicator() throws(MPIError) -> Communicator {
    if let session { return session.world }
    let session = try MPISession()
    self.session = session
    return session.world
  }

  /// Runs a piece of work that may fail on some ranks only, and lets all ranks know.
  ///
  /// - Parameter body: Work without collective operations.
  /// - Throws: `AgreedFailure`, the same on all ranks, if the body threw on any of them.
  public func together<Result>(_ body: () throws -> Result) throws -> Result {
    try communicator().together(body)
  }

  /// Runs a piece of work on the first rank only, and lets all ranks know how it went.
  ///
  /// A process that no launcher has started does without MPI.
  ///
  /// - Parameter body: Work without collective operations.
  /// - Throws: What the body throws, or `AgreedFailure` on all ranks.
  public func onFirstRank(_ body: () throws -> Void) throws {
    guard isLaunched else { return try body() }
    let rank = try communicator().rank
    try together { if rank == 0 { try body() } }
  }

  /// A logger whose messages go to stderr on rank 0, and nowhere on the others.
  public func logger() throws(MPIError) -> Logger {
    let isFirst = try communicator().rank == 0
    return Logger(label: "ddpm") { _ in
      if isFirst { ShortLog() } else { SwiftLogNoOpLogHandler() }
    }
  }

  /// The worker threads of this rank, with OpenBLAS on one thread in each; collective.
  ///
  /// - Parameter requested: How many; nil: this rank's share of the cores that it may use.
  public func workers(requested: Int?) throws(MPIError) -> Workers {
    BLAS.useOneThread()
    let report = try NodeReport(communicator: communicator(), requested: requested)
    return Workers(count: report.workers)
  }

  /// Runs a command and ends the process with its exit code.
  ///
  /// - Parameter listening: Whether signals that ask to stop are noted from the beginning, for a body that
  ///   looks at them (`StopRequest`); otherwise they end the process.
  public static func run(listening: Bool = false, _ body: (Job) throws -> Void) -> Never {
    StandardStreams.prepare()
    if listening { StopSignals.install() }
    HiddenCommands.runIfAsked()
    LaunchCheck.requireSuitableCPU()
    let job = Job()
    do {
      // Under a launcher even a wrong argument must end all ranks together.
      if job.isLaunched { _ = try job.communicator() }
      try body(job)
      job.leave(0)
    } catch let error as AgreedFailure {
      if error.rank == job.session?.world.rank ?? 0 { job.print(error.failure.message) }
      job.leave(error.failure.exitCode)
    } catch let error as MPIError {
      // Each rank is alone with such an error, or all have it and the first one says it.
      if job.launchedRank == 0 || job.session != nil { job.print("\(error)") }
      job.abandon(ExitCode.failure(for: error).exitCode)
    } catch let interruption as Interruption {
      // All ranks have agreed on it.
      if job.session?.world.rank ?? 0 == 0 { job.say("\(interruption)", as: "notice", "") }
      job.leave(interruption.exitCode)
    } catch let end as CommandLineEnd {
      job.leave(job.launchedRank == 0 ? job.show(end) : end.exitCode)
    } catch {
      let failure = ExitCode.failure(for: error)
      job.print(failure.message)
      job.abandon(failure.exitCode)
    }
  }

  private func print(_ message: String) { say(message, as: "error", "error: ") }

  /// Says how the command ends.
  private func say(_ message: String, as level: String, _ prefix: String) {
    let line = prefix + message.escapingControls(keepingLines: false) + "\n"
    StandardStreams.tell(LogStyle.current.isJSON ? ShortLog.json(level, message) : line)
  }

  /// Prints what a command line alone has led to, and gives the exit code.
  private func show(_ end: CommandLineEnd) -> Int32 {
    guard end.exitCode == 0 else {
      StandardStreams.tell(end.text + "\n")
      return end.exitCode
    }
    do {
      try StandardStreams.print(end.text + "\n")
      return 0
    } catch {
      print("\(error)")
      return ExitCode.failure(for: error).exitCode
    }
  }

  /// Ends the process together with the other ranks.
  private func leave(_ exitCode: Int32) -> Never {
    fflush(nil)
    if let session {
      // A rank that exits with a code lets mpirun kill the others: wait until all have printed.
      try? session.world.barrier()
      try? session.finalize()
    }
    exit(exitCode)
  }

  /// Ends the whole job at once: the other ranks may wait for this one in a collective operation.
  private func abandon(_ exitCode: Int32) -> Never {
    fflush(nil)
    if let session, session.world.size > 1 { session.world.abort(code: exitCode) }
    try? session?.finalize()
    exit(exitCode)
  }
}

extension Communicator {
  /// What `Job.together` says, of these ranks.
  func together<Result>(_ body: () throws -> Result) throws -> Result {
    var result: Result?
    var failure: Failure?
    do {
      result = try body()
    } catch {
      failure = ExitCode.failure(for: error)
    }
    if let agreed = try agree(failure) { throw agreed }
    return result!
  }
}
