// Weight decay, schedules and power averages: the same bits on any ranks, and after resuming.

import Foundation
import Layers
import MPI
import Parallel
import Storage
import Tensors
import TestSupport
import Testing
import Training

@RankActor @Suite(.serialized) struct AverageRankTests {
  private func trainer(
    _ world: Communicator, of all: Communicator, lengths: [Double] = [0.05, 0.1, 0.28]
  ) throws -> Trainer {
    BLAS.useOneThread()
    var configuration = Configuration.tiny
    configuration.training.shards = 4 * all.size
    configuration.training.batch = 12 * all.size
    configuration.optimizer.weightDecay = 0.5
    configuration.optimizer.learningRateSchedule = .cosine
    configuration.optimizer.averageLengths = lengths
    return try Trainer(
      plan: TrainingPlan(configuration, rankCount: world.size), communicator: world,
      workers: Workers(count: 2))
  }

  @Test func ranksAndResumingLeaveNoTrace() throws {
    try RankWorld.run { world throws in
      let alone = try trainer(world.alone(), of: world)
      let together = try trainer(world, of: world)
      for _ in 0..<3 { _ = (try alone.trainStep(), try together.trainStep()) }
      // Of one rank each: every rank has it.
      let expected = try #require(try alone.wholeCheckpoint())
      #expect(expected.averages.keys.sorted() == [0.05, 0.1, 0.28])
      #expect(Set(expected.averages.values.map { bits($0) }).count == 3)
      let saved = try together.wholeCheckpoint()
      let snapshot = try together.wholeSnapshot()
      #expect((saved != nil) == (world.rank == 0) && (snapshot != nil) == (world.rank == 0))
      if let saved, let snapshot {
        #expect(saved.averages == expected.averages && saved.model == expected.model)
        #expect(snapshot.averages == saved.averages && snapshot.step == 3)
        #expect(snapshot.layout == saved.layout)
      }

      // Through the bytes of a file, from one rank to all; one average is dropped.
      let decoded = world.rank == 0 ? try Checkpoint.decode(expected.encoded()) : nil
      let resumed = try trainer(world, of: world)
      let fewer = try trainer(world, of: world, lengths: [0.1])
      for trainer in [resumed, fewer] {
        try trainer.restore(ResumePoint.share(decoded, world)!, decoded)
      }
      for _ in 0..<2 {
        let rates = [
          try alone.trainStep(), try resumed.trainStep(), try fewer.trainStep(),
        ].map(\.learningRate)
        #expect(Set(rates).count == 1)
      }
      let end = try #require(try alone.wholeCheckpoint())
      let (all, one) = (
        try resumed.wholeCheckpoint(), try fewer.wholeCheckpoint()
      )
      if let all, let one {
        #expect(all.averages == end.averages && all.model == end.model && all.ema == end.ema)
        #expect(one.averages == [0.1: end.averages[0.1]!] && one.model == end.model)
        #expect(end.averages[0.1] != expected.averages[0.1])
      }
    }
  }

  /// Only the tensors that map activations decay: the others' first step is Adam's.
  @Test func whatDecays() throws {
    try RankWorld.run { world throws in
      let trainer = try trainer(world, of: world)
      let parameters = trainer.objective.parameters
      let decaying = Set(parameters.decaying.flatMap { $0 })
      for entry in parameters.layout.entries {
        #expect(entry.range.allSatisfy { decaying.contains($0) == entry.name.hasSuffix("/W") })
      }
      #expect(trainer.adam.settings.weightDecay == 0.5)
      var plain = trainer.plan.configuration
      plain.optimizer.weightDecay = 0
      let other = try Trainer(
        plan: TrainingPlan(plain, rankCount: world.size), communicator: world,
        workers: Workers(count: 1))
      let before = trainer.weights.values
      let rate = Float(try trainer.trainStep().learningRate)
      _ = try other.trainStep()
      for (i, (decayed, kept)) in zip(trainer.weights.values, other.weights.values).enumerated() {
        let difference = decaying.contains(i) ? -0.5 * rate * before[i] : 0
        #expect(abs(decayed - kept - difference) <= 1e-6 * (abs(before[i]) + rate))
      }
    }
  }

  /// A power average begins with its run.
  @Test func averagesDoNotBeginInTheMiddle() throws {
    try RankWorld.run { world throws in
      let trainer = try trainer(world, of: world, lengths: [0.1])
      _ = try trainer.trainStep()
      guard let saved = try trainer.wholeCheckpoint() else { return }
      var settings = OptimizerSettings()
      for lengths in [[], [0.1]] {
        settings.averageLengths = lengths
        try settings.requireAverages(of: saved)
      }
      settings.averageLengths = [0.05, 0.1]
      let error = #expect(throws: ConfigurationError.self) {
        try settings.requireAverages(of: saved)
      }
      #expect(error?.source == "average_lengths")
      #expect(error?.reason.hasPrefix("the average 0.05 cannot begin at step 1: a power") == true)
    }
  }
}
