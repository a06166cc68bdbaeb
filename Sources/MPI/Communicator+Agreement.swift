// How all ranks leave together when one of them has failed.

/// Why a rank cannot go on.
public struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
  /// The line for the user: what, where, what to do.
  public let message: String
  /// The exit code of the program.
  public let exitCode: Int32

  /// A reason and its exit code.
  ///
  /// - Parameters:
  ///   - message: The line for the user.
  ///   - exitCode: The exit code of the program, 1 … 255.
  public init(_ message: String, exitCode: Int32) {
    self.message = message
    self.exitCode = exitCode
  }

  /// The line for the user.
  public var description: String { message }
}

/// The failure that all ranks have agreed to report, and the rank that met it.
public struct AgreedFailure: Error, Equatable, Sendable, CustomStringConvertible {
  /// The lowest rank that failed.
  public let rank: Int
  /// Why it failed.
  public let failure: Failure

  /// A failure that all ranks know of without having asked each other.
  ///
  /// - Parameters:
  ///   - rank: The rank that reports it, the same on all ranks.
  ///   - failure: Why the job cannot go on.
  public init(rank: Int, failure: Failure) {
    self.rank = rank
    self.failure = failure
  }

  /// The line for the user.
  public var description: String { failure.message }
}

extension Communicator {
  /// Lets all ranks know whether one of them has failed.
  ///
  /// Called wherever ranks may fare differently (files, memory), before the next collective
  /// operation: one rank prints the one line, and all leave with the same exit code.
  ///
  /// - Parameter failure: Why this rank cannot go on; `nil` if it can.
  /// - Returns: The failure of the lowest rank that has one, the same everywhere; `nil` if all can
  ///   go on.
  /// - Throws: `MPIError.call`.
  public func agree(_ failure: Failure?) throws(MPIError) -> AgreedFailure? {
    let first = try allReduce(failure == nil ? size : rank, .minimum)
    guard first < size else { return nil }
    let code = try broadcast([Int(failure?.exitCode ?? 0)], from: first)[0]
    let message = try broadcast(failure?.message ?? "", from: first)
    return AgreedFailure(rank: first, failure: Failure(message, exitCode: Int32(code)))
  }
}
