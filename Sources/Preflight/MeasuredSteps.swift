// Training steps that are made to see how long they take.

import Benchmark
import MPI
import Parallel
import Storage
import Training

/// How long real steps take: on the run's images, with its network, on all ranks. Nothing is kept of them.
package struct MeasuredSteps: Codable, Equatable, Sendable {
  /// Seconds of a step.
  package let seconds: Statistics
  /// Seconds that the slowest rank computes and reads in a step, the median.
  package let computeSeconds: Double
  /// The most memory of the first rank and of the others so far, bytes; the others' is 0 of one rank.
  package let firstPeakBytes, otherPeakBytes: Int

  package init(
    seconds: Statistics, computeSeconds: Double, firstPeakBytes: Int = 0, otherPeakBytes: Int = 0
  ) {
    self.seconds = seconds
    self.computeSeconds = computeSeconds
    self.firstPeakBytes = firstPeakBytes
    self.otherPeakBytes = otherPeakBytes
  }

  /// The steps that count: three, and more of short ones, as the first are not the fastest.
  private static let (fewest, most, seconds) = (3, 50, 1.0)

  /// Makes the steps; collective.
  ///
  /// - Throws: `AgreedFailure` where images cannot be read, `MPIError`.
  package init(_ plan: TrainingPlan, _ job: Job, workers count: Int) throws {
    let communicator = try job.communicator()
    let workers = Workers(count: count)
    let trainer = try job.together { [communicator] in
      try Trainer(plan: plan, communicator: communicator, workers: workers)
    }
    let timer = RoundTimer(
      communicator: communicator, rounds: Self.fewest,
      progress: Progress(isSilent: communicator.rank != 0))
    // The first one takes the memory; the next warms up.
    let first = try timer.round { _ = try trainer.trainStep() }
    let second = first < 2 ? try timer.round { _ = try trainer.trainStep() } : first
    let count = min(max(Int(Self.seconds / max(second, 1e-6)), Self.fewest), Self.most)
    if count > Self.fewest { for _ in 0..<count / 2 { _ = try trainer.trainStep() } }
    var (rounds, computed): ([Double], [Double]) = ([], [])
    for _ in 0..<count {
      rounds.append(
        try timer.round {
          computed.append(StepTimes.slowest(try trainer.trainStep().times).times.work)
        })
    }
    let peaks = try communicator.allGather(PeakMemory.bytes)
    self.init(
      seconds: Statistics(rounds), computeSeconds: Statistics(computed).median,
      firstPeakBytes: peaks[0], otherPeakBytes: peaks.dropFirst().max() ?? 0)
  }
}
