// Times of work that ranks do together.

import MPI
import Training

/// Times rounds of work that all ranks do together; a round takes as long as its slowest rank.
package struct RoundTimer {
  let communicator: Communicator
  /// The rounds that count; one before them warms up.
  let rounds: Int
  let progress: Progress

  /// A timer.
  ///
  /// - Parameters:
  ///   - communicator: The ranks.
  ///   - rounds: The rounds that count, 1 or more.
  ///   - progress: Shows what is timed.
  package init(communicator: Communicator, rounds: Int, progress: Progress) {
    (self.communicator, self.rounds, self.progress) = (communicator, rounds, progress)
  }

  /// The seconds of one round; collective.
  package func round(_ body: () throws -> Void) throws -> Double {
    try communicator.barrier()
    let start = ContinuousClock.now
    try body()
    return try communicator.allReduce((ContinuousClock.now - start) / .seconds(1), .maximum)
  }

  /// The seconds of one repetition, of each round after one that warms up; collective.
  ///
  /// - Parameters:
  ///   - name: What is timed, for the progress line.
  ///   - repetitions: How often the body runs in a round.
  ///   - warmedUp: Called between the first round and those that count.
  ///   - body: The work, collective.
  func seconds(
    _ name: String, repetitions: Int, warmedUp: () -> Void = {}, _ body: () throws -> Void
  ) throws -> [Double] {
    func repeated() throws { for _ in 0..<repetitions { try body() } }
    progress.show { "\(name): warming up" }
    _ = try round(repeated)
    warmedUp()
    return try (1...rounds).map { number in
      progress.show { "\(name): round \(number) of \(rounds)" }
      return try round(repeated) / Double(repetitions)
    }
  }

  /// As `seconds`, for short work: repeated until a round takes about 50 ms.
  func secondsOfShort(_ name: String, _ body: () throws -> Void) throws -> [Double] {
    _ = try round(body)
    // Step by step: one time that is too short by chance must not make rounds of minutes.
    var repetitions = 1
    while repetitions < 100_000 {
      let seconds = try round { for _ in 0..<repetitions { try body() } }
      if seconds >= 0.04 { break }
      let factor = (0.05 / max(seconds, 1e-7)).rounded(.up)
      repetitions = min(100_000, repetitions * Int(min(max(factor, 2), 8)))
    }
    return try seconds(name, repetitions: repetitions, body)
  }
}
