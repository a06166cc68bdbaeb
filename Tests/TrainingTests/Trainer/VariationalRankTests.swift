// Variational diffusion models in the engine: the same bits on any ranks, after any interruption, by any
// reduction within rounding; and what of their settings is refused.

import Layers
import MPI
import Models
import Parallel
import Sampling
import Storage
import Tensors
import TestSupport
import Testing
import Training

@RankActor @Suite(.serialized) struct VariationalRankTests {
  private func configuration(
    _ world: Communicator, _ learning: VariationalDiffusion.Learning
  ) -> Configuration {
    var configuration = Configuration.tiny
    configuration.run.model = "vdm"
    configuration.vdm.learning = learning
    configuration.training.shards = 4 * world.size
    // After six steps each 64th part of the schedule has its ten images, and the interior is learned.
    configuration.training.batch = 128 * world.size
    return configuration
  }

  private func trainer(
    _ configuration: Configuration, _ communicator: Communicator, workers: Int = 1
  ) throws -> Trainer {
    BLAS.useOneThread()
    return try Trainer(
      plan: TrainingPlan(configuration, rankCount: communicator.size),
      communicator: communicator, workers: Workers(count: workers))
  }

  @Test(arguments: VariationalDiffusion.Learning.allCases)
  func ranksAndInterruptionsLeaveNoTrace(learning: VariationalDiffusion.Learning) throws {
    try RankWorld.run { world throws in
      let configuration = configuration(world, learning)
      let reference = try trainer(configuration, world.alone())
      let together = try trainer(configuration, world, workers: 2)
      var saved: Checkpoint?
      for step in 0..<9 {
        let (expected, actual) = (try reference.trainStep(), try together.trainStep())
        #expect(actual.losses == expected.losses && actual.gradientNorm == expected.gradientNorm)
        #expect(Set(actual.losses.terms.keys) == ["prior", "diffusion", "reconstruction"])
        #expect(Set(actual.losses.sums.keys) == ["loss_by_timestep", "images_by_timestep"])
        let counts = actual.losses.sums["images_by_timestep"]!
        #expect(counts.allSatisfy { $0 == Double(16 * world.size) })
        if step == 7 { saved = try together.wholeCheckpoint() }
      }
      #expect(bits(together.weights.values) == bits(reference.weights.values))
      let (expected, actual) = (
        try reference.wholeCheckpoint(), try together.wholeCheckpoint()
      )
      if let expected, let actual {
        #expect(actual.state == expected.state && actual.facts == expected.facts)
        #expect(bits(actual.ema) == bits(expected.ema))
        #expect(actual.state.isEmpty == (learning != .monotone))
        if learning == .monotone {
          #expect(actual.state["gamma_visits"]!.allSatisfy { $0 >= 10 })
        }
        let ends = actual.layout.entries.filter { $0.name.hasPrefix("gamma/") }
        #expect(ends.count == (learning == .linear ? 0 : 2))
        // The ends have moved away from where they began.
        let initial = together.plan.objective.parameters.initialWeights(seed: 1)
        for end in ends {
          #expect(actual.model[end.range.lowerBound] != initial[end.range.lowerBound])
        }
      }
      let resumed = try trainer(configuration, world, workers: 3)
      try resumed.restore(ResumePoint.share(saved, world)!, saved)
      let last = try resumed.trainStep()
      #expect(last.step == 9 && last.losses.total == together.loss)
      #expect(bits(resumed.weights.values) == bits(together.weights.values))
      let after = try resumed.wholeCheckpoint()
      #expect(after?.state == actual?.state)
    }
  }

  /// The sum over all ranks at once has another order, and the same state beside the weights.
  @Test func anAllreduceIsNearlyTheSame() throws {
    try RankWorld.run { world throws in
      var configuration = configuration(world, .monotone)
      let reference = try trainer(configuration, world)
      configuration.training.reduction = .allreduce
      let other = try trainer(configuration, world)
      for _ in 0..<4 {
        let (expected, actual) = (try reference.trainStep(), try other.trainStep())
        #expect(abs(actual.losses.total - expected.losses.total) < 1e-3 * expected.losses.total)
      }
      let states = (
        try reference.wholeCheckpoint()?.state,
        try other.wholeCheckpoint()?.state
      )
      #expect(states.0?["gamma_visits"] == states.1?["gamma_visits"])
    }
  }

  /// The moving average draws images with its own ends.
  @Test func whatIsTrainedDraws() throws {
    try RankWorld.run { world throws in
      let trainer = try trainer(configuration(world, .monotone), world)
      for _ in 0..<7 { _ = try trainer.trainStep() }
      var options = GenerationOptions()
      (options.sampler, options.samplerOptions.steps) = ("ddim", 3)
      let groups = ImageGroups(communicator: world, workers: Workers(count: 1))
      let average = try trainer.emaModel()
      let facts = try average.require((any Likelihood).self, to: "be evaluated")
        .evaluation(EvaluationOptions()).facts
      if let checkpoint = try trainer.wholeCheckpoint() {
        let entry = try #require(checkpoint.layout.entries.first { $0.name == "gamma/first" })
        let (own, last) = (
          checkpoint.ema[entry.range.lowerBound], checkpoint.model[entry.range.lowerBound]
        )
        #expect(facts["gamma_first"] == .number(Double(own)) && own != last)
      }
      let sampler = try ImageSampler(average, options, groups)
      let pixels = try sampler.images(count: 8, together: 8) { _ in }
      #expect(world.rank > 0 || pixels.count == 8 * 64)
    }
  }

  @Test(
    arguments: [
      (["gamma_min=5"], "gamma_min: is 5.0, not below gamma_max"),
      (["gamma_max=-9.0"], "gamma_min: is -8.3"),
      (["vdm_steps=10"], "gamma_schedule: monotone is learned in continuous time"),
      (["vdm_steps=10", "gamma_schedule=endpoints"], "set vdm_steps=0"),
      (["groups=7"], "network: 7 groups"),
    ] as [([String], String)])
  func contradictionsAreRefused(assignments: [String], part: String) throws {
    try RankWorld.run { world throws in
      var configuration = configuration(world, .monotone)
      for assignment in assignments { try configuration.apply(assignment: assignment) }
      let error = #expect(throws: ConfigurationError.self) {
        try TrainingPlan(configuration, rankCount: world.size)
      }
      #expect(error?.description.contains(part) == true, "\(error as Any)")
    }
  }

  /// Continuous images have no levels: what follows from these is to be said.
  @Test func continuousImagesNeedTheirSettings() throws {
    try RankWorld.run { world throws in
      var configuration = configuration(world, .linear)
      configuration.data.levels = 0
      (configuration.data.height, configuration.data.width) = (8, 8)
      configuration.data.imageChannels = 1
      func refusal() -> String? {
        do {
          _ = try configuration.model()
          return nil
        } catch {
          return "\(error)"
        }
      }
      #expect(refusal()?.contains("set fourier_features=false") == true)
      configuration.vdm.fourierFeatures = false
      #expect(refusal()?.contains("gamma_min: is auto by the grey levels") == true)
      configuration.vdm.first = -13.3
      #expect(refusal() == nil)
      configuration.vdm.steps = 10
      #expect(refusal() == nil)
    }
  }

  /// 256 levels have the waves of Kingma et al.
  @Test(arguments: [(256, [7.0, 8]), (17, [3, 4]), (2, [-1, 0]), (16, [3, 4])])
  func wavesAreByTheLevels(levels: Int, exponents: [Double]) throws {
    try RankWorld.run { _ throws in
      var configuration = Configuration.tiny
      configuration.run.model = "vdm"
      configuration.data.levels = levels
      (configuration.data.height, configuration.data.width) = (8, 8)
      configuration.data.imageChannels = 1
      #expect(try configuration.model().facts?.tables["fourier_exponents"] == exponents)
    }
  }
}
