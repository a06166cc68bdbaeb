// Training gives the same bits on any number of ranks and workers, and after any interruption.

import Foundation
import Layers
import MPI
import Models
import Parallel
import Storage
import Tensors
import TestSupport
import Testing
import Training

@RankActor @Suite(.serialized) struct TrainerRankTests {
  /// A tiny run whose shards the world can share, as one rank can.
  private func configuration(_ world: Communicator) -> Configuration {
    var configuration = Configuration.tiny
    configuration.training.shards = 4 * world.size
    configuration.training.batch = 12 * world.size
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

  /// The whole state as bits, on rank 0; collective.
  private func state(_ trainer: Trainer) throws -> [[UInt32]]? {
    guard let checkpoint = try trainer.wholeCheckpoint() else { return nil }
    return [
      checkpoint.model, checkpoint.ema, checkpoint.firstMoment, checkpoint.secondMoment,
    ].map { bits($0) }
  }

  @Test(arguments: DenoisingDiffusion.Target.allCases, [1, 2, 3])
  func ranksAndWorkersLeaveNoTrace(objective: DenoisingDiffusion.Target, workers: Int) throws {
    try RankWorld.run { world throws in
      var configuration = configuration(world)
      configuration.diffusion.objective = objective
      if objective == .hybrid { configuration.diffusion.variance = .learned }
      configuration.data.flip = true
      configuration.network.dropout = 0.2
      let reference = try trainer(configuration, world.alone())
      let together = try trainer(configuration, world, workers: workers)
      for _ in 0..<3 {
        let (expected, actual) = (try reference.trainStep(), try together.trainStep())
        #expect(actual.step == expected.step)
        #expect(actual.losses == expected.losses)
        #expect(actual.gradientNorm == expected.gradientNorm)
        #expect(actual.learningRate == expected.learningRate)
      }
      #expect(bits(together.weights.values) == bits(reference.weights.values))
      let (expected, actual) = (try state(reference), try state(together))
      #expect(world.rank > 0 || actual == expected)
      #expect(together.epochs == reference.epochs)
    }
  }

  /// Every term and the loss by timestep are those of the batch: parts of the loss that add up to
  /// it.
  @Test(arguments: DenoisingDiffusion.Target.allCases)
  func termsAndBinsAddUp(objective: DenoisingDiffusion.Target) throws {
    try RankWorld.run { world throws in
      var configuration = configuration(world)
      configuration.diffusion.objective = objective
      if objective == .hybrid { configuration.diffusion.variance = .learned }
      let trainer = try trainer(configuration, world)
      let names: [String] =
        switch objective {
        case .simple: ["simple"]
        case .hybrid: ["bound", "simple"]
        default: ["diffusion", "prior", "reconstruction"]
        }
      for _ in 0..<3 {
        let losses = try trainer.trainStep().losses
        #expect(losses.terms.keys.sorted() == names)
        let total = losses.terms.values.reduce(0, +)
        #expect(abs(total - losses.total) < 1e-12 * abs(total))
        let (sums, counts) = (
          losses.sums["loss_by_timestep"]!, losses.sums["images_by_timestep"]!
        )
        #expect(sums.count == 8 && counts.count == 8 && counts.allSatisfy { $0 == $0.rounded() })
        let batch = Double(configuration.training.batch)
        #expect(counts.reduce(0, +) == batch)
        #expect(abs(sums.reduce(0, +) / batch - total) < 1e-9 * abs(total))
      }
    }
  }

  /// However t is drawn, ranks and workers leave no trace, and neither does an interruption; what is
  /// kept of each t is not logged.
  @Test(arguments: DenoisingDiffusion.TimestepSampling.allCases)
  func timestepsAreThoseOfTheBatch(timesteps: DenoisingDiffusion.TimestepSampling) throws {
    try RankWorld.run { world throws in
      var configuration = configuration(world)
      configuration.diffusion.timesteps = timesteps
      // Both steps are seen in every batch, so that the losses are known after ten.
      configuration.diffusion.steps = 2
      configuration.diffusion.schedule = .linear
      configuration.diffusion.betaStart = 0.1
      configuration.diffusion.betaEnd = 0.5
      let reference = try trainer(configuration, world.alone())
      let together = try trainer(configuration, world, workers: 2)
      var saved: Checkpoint?
      for step in 0..<14 {
        let (expected, actual) = (try reference.trainStep(), try together.trainStep())
        #expect(actual.losses == expected.losses)
        #expect(
          Set(actual.losses.sums.keys) == ["loss_by_timestep", "images_by_timestep"])
        let batch = configuration.training.batch
        let counts = actual.losses.sums["images_by_timestep"]!
        // t = 1 and t = 2 are the first bin and the fifth.
        #expect(counts[0] + counts[4] == Double(batch))
        if timesteps == .lowDiscrepancy { #expect(counts[0] == Double(batch / 2)) }
        if step == 11 { saved = try together.wholeCheckpoint() }
      }
      let (expected, actual) = (
        try reference.wholeCheckpoint(), try together.wholeCheckpoint()
      )
      let isImportance = timesteps == .importance
      if let expected, let actual {
        #expect(actual.state == expected.state && actual.state.isEmpty == !isImportance)
        #expect(actual.state["timestep_visits"] == (isImportance ? [14, 14] : nil))
        #expect(bits(actual.model) == bits(expected.model))
      }
      let resumed = try trainer(configuration, world)
      try resumed.restore(ResumePoint.share(saved, world)!, saved)
      #expect(resumed.step == 12)
      var last = try resumed.trainStep()
      last = try resumed.trainStep()
      #expect(last.step == 14 && last.losses.total == together.loss)
      #expect(bits(resumed.weights.values) == bits(reference.weights.values))
      let after = try resumed.wholeCheckpoint()
      #expect(after?.state == actual?.state)
    }
  }

  /// Three steps by hand: plain loops over the shards, the tree and Adam's formulas.
  @Test func stepsAreThoseOfAPlainLoop() throws {
    try RankWorld.run { world throws in
      var configuration = configuration(world)
      // The first gradients are clipped.
      configuration.optimizer.clipNorm = 0.5
      let trainer = try trainer(configuration, world)
      let plan = trainer.plan
      let count = plan.objective.parameters.layout.count
      var weights = plan.objective.parameters.initialWeights(seed: 1)
      #expect(bits(trainer.weights.values) == bits(weights))
      var average = weights.map(Double.init)
      var (first, second) = (
        [Double](repeating: 0, count: count), [Double](repeating: 0, count: count)
      )
      let reader = try ImageReader(plan.dataset, range: 0..<plan.dataset.count)
      let work = ShardGradient(
        plan.objective, flips: false, seed: 1, shards: plan.tree.shards)
      let pool = BufferPool()
      let shape = Shape(plan.shardBatch, 8, 8, 1)
      for step in 0..<3 {
        var sum = [Double](repeating: 0, count: count)
        var losses = 0.0
        for shard in 0..<plan.tree.shards {
          let order = plan.order(ofShard: shard)
          let images = Tensor(shape, in: pool)
          try reader.read(order.indices(step: step), into: images.pointer)
          var gradient = [Float](repeating: 0, count: count)
          losses += gradient.withUnsafeMutableBufferPointer { gradient in
            weights.withUnsafeBufferPointer {
              work.compute(
                into: gradient.baseAddress!, Batch(images: images), step: step, shard: shard,
                weights: $0.baseAddress!, pool: pool
              ).terms[0]
            }
          }
          for i in 0..<count { sum[i] += Double(gradient[i]) }
        }
        let shards = Double(plan.tree.shards)
        let norm = sum.reduce(0) { $0 + $1 * $1 }.squareRoot() / shards
        let clip = min(1, 0.5 / norm)
        let rate = 2e-3 * min(1, Double(step + 1) / 2)
        let t = Double(step + 1)
        let decay = plan.configuration.optimizer.emaDecay
        for i in 0..<count {
          let g = sum[i] / shards * clip
          first[i] = 0.9 * first[i] + 0.1 * g
          second[i] = 0.999 * second[i] + 0.001 * g * g
          let (m, v) = (first[i] / (1 - pow(0.9, t)), second[i] / (1 - pow(0.999, t)))
          weights[i] = Float(Double(weights[i]) - rate * m / (v.squareRoot() + 1e-8))
          average[i] = decay * average[i] + (1 - decay) * Double(weights[i])
        }
        let report = try trainer.trainStep()
        #expect(abs(report.losses.total - losses / shards) < 1e-5 * report.losses.total)
        #expect(abs(report.gradientNorm - norm) < 1e-4 * norm)
        #expect(report.learningRate == rate)
        #expect(step > 0 || clip < 1)
        // Where a gradient is zero by nature, Adam makes whole steps of rounding noise: a few
        // entries differ.
        let differing = zip(trainer.weights.values, weights).count { abs($0 - $1) > 2e-5 }
        #expect(differing < count / 50, "\(differing) of \(count)")
      }
      if let checkpoint = try trainer.wholeCheckpoint() {
        let differing = zip(checkpoint.ema, average).count { abs(Double($0) - $1) > 1e-6 }
        #expect(differing < count / 50)
      }
    }
  }

  /// A run that moves through a checkpoint, to one rank and back, ends as if nothing had happened.
  @Test func aResumedRunEqualsAnUninterruptedOne() throws {
    try RankWorld.run { world throws in
      let configuration = configuration(world)
      let whole = try trainer(configuration, world)
      for _ in 0..<5 { _ = try whole.trainStep() }

      let before = try trainer(configuration, world, workers: 2)
      for _ in 0..<2 { _ = try before.trainStep() }
      let saved = try before.wholeCheckpoint(provenance: ["host": "a"])
      let point = try ResumePoint.share(saved, world)
      #expect(point?.step == 2)
      if let saved { #expect(saved.progress.imagesSeen == 2 * configuration.training.batch) }

      // Each rank for itself: rank 0's checkpoint in all, two more steps, back.
      let alone = try trainer(configuration, world.alone())
      let copies = try world.allGather(saved.map { $0.model + $0.ema + $0.firstMoment } ?? [])
      let second = try world.allGather(saved?.secondMoment ?? [])[0]
      let count = second.count
      var copy =
        saved
        ?? Checkpoint(
          layout: alone.plan.objective.parameters.layout, model: [], ema: [], firstMoment: [],
          secondMoment: second,
          progress: .init(step: 2, imagesSeen: 0, epochs: [], seed: 1, shards: 1, loss: 0),
          configuration: "", provenance: [:])
      copy.model = Array(copies[0][..<count])
      copy.ema = Array(copies[0][count..<2 * count])
      copy.firstMoment = Array(copies[0][(2 * count)...])
      try alone.restore(ResumePoint.share(copy, alone.exchange.communicator)!, copy)
      #expect(alone.step == 2)
      for _ in 0..<2 { _ = try alone.trainStep() }
      let moved = try alone.wholeCheckpoint(provenance: ["host": "b"])

      let after = try trainer(configuration, world, workers: 3)
      let atFour = world.rank == 0 ? moved : nil
      try after.restore(ResumePoint.share(atFour, world)!, atFour)
      #expect(after.step == 4)
      let (expected, actual) = (whole.loss, try after.trainStep().losses.total)
      #expect(actual == expected)
      let (states, resumed) = (try state(whole), try state(after))
      #expect(world.rank > 0 || states == resumed)
      #expect(bits(whole.weights.values) == bits(after.weights.values))
      #expect(whole.epochs == after.epochs)
    }
  }

  @Test func aCheckpointSaysWhatItHolds() throws {
    try RankWorld.run { world throws in
      let configuration = configuration(world)
      let trainer = try trainer(configuration, world)
      #expect(trainer.loss.isNaN)
      let report = try trainer.trainStep()
      let checkpoint = try trainer.wholeCheckpoint(provenance: ["host": "a"])
      #expect((checkpoint != nil) == (world.rank == 0))
      let ema = try trainer.emaModel()
      #expect(ema.shape == ImageShape(height: 8, width: 8, channels: 1))
      #expect(ema.format == .levels(17))
      #expect(try ResumePoint.share(nil, world) == nil)
      guard let checkpoint else { return }
      #expect(bits(checkpoint.model) == bits(trainer.weights.values))
      #expect(checkpoint.progress.loss == report.losses.total && checkpoint.progress.step == 1)
      #expect(checkpoint.progress.shards == 4 * world.size)
      #expect(checkpoint.facts == trainer.plan.objective.facts && checkpoint.state == [:])
      #expect(checkpoint.provenance == ["host": "a"])
      var read = Configuration()
      try read.apply(yaml: checkpoint.configuration, source: "checkpoint")
      #expect(read.training.shards == 4 * world.size && read.data.levels == 17)
      try trainer.plan.objective.parameters.layout.require(of: checkpoint, path: "runs/a")
      var other = configuration
      other.network.blocks = 2
      let plan = try TrainingPlan(other, rankCount: world.size)
      #expect(throws: StorageError.self) {
        try plan.objective.parameters.layout.require(of: checkpoint, path: "runs/a")
      }
    }
  }

  /// Numbers that are none are noticed on all ranks before they spread, whatever is made of it.
  @Test(arguments: [Float.nan, .infinity, 1e30], DivergencePolicy.allCases)
  func nothingSpreadsWhatIsNoNumber(value: Float, policy: DivergencePolicy) throws {
    try RankWorld.run { world throws in
      var configuration = configuration(world)
      configuration.training.onDivergence = policy
      let trainer = try trainer(configuration, world)
      _ = try trainer.trainStep()
      let (moments, before) = (bits(trainer.adam.first.values), trainer.objective.state)
      trainer.weights.withElements { weights in
        for i in weights.indices { weights[i] = value }
      }
      var recorded: [Int] = []
      let report = try trainer.trainStep { recorded.append($0.step) }
      #expect(recorded == [2] && report.step == 2)
      #expect(bits(trainer.adam.first.values) == moments && trainer.objective.state == before)
      #expect(trainer.weights.withElements { $0.allSatisfy { $0.bitPattern == value.bitPattern } })
      switch (policy, report.outcome) {
      case (.skip, .skipped(let evidence)):
        #expect(evidence.row == 1 && trainer.step == 2)
        #expect(trainer.adam.steps == 2 && trainer.adam.updates == 1)
      case (.stop, .diverged(let evidence)), (.rollback, .diverged(let evidence)):
        #expect(evidence.lastHealthyStep == 1 && trainer.step == 1)
        #expect(trainer.adam.steps == 1 && trainer.adam.updates == 1)
      default:
        Issue.record("\(policy) led to \(report.outcome)")
      }
    }
  }

  /// A checkpoint after which every step is suspicious.
  private func suspicious(_ checkpoint: Checkpoint?) -> Checkpoint? {
    var checkpoint = checkpoint
    let small = Array(repeating: 1e-12, count: DivergenceWatch.least)
    checkpoint?.trainer = ["watch_losses": small, "watch_norms": small, "watch_suspicious": [0]]
    return checkpoint
  }

  /// Steps that are left out change the averages alone, as their formulas say, and twenty in a row are
  /// a divergence; a run that is resumed among them ends in the same bits.
  @Test func skippedStepsOnlyMoveTheAverages() throws {
    try RankWorld.run { world throws in
      var configuration = configuration(world)
      configuration.training.onDivergence = .skip
      configuration.optimizer.averageLengths = [0.1]
      let trainer = try trainer(configuration, world)
      for _ in 0..<3 { _ = try trainer.trainStep() }
      let start = suspicious(try trainer.wholeCheckpoint())
      try trainer.restore(ResumePoint.share(start, world)!, start)
      var middle: Checkpoint?
      for step in 4...22 {
        guard case .skipped(let evidence) = try trainer.trainStep().outcome else {
          Issue.record("Step \(step) is not left out.")
          return
        }
        #expect(evidence.row == step - 3 && trainer.step == step)
        if step == 10 { middle = try trainer.wholeCheckpoint() }
      }
      #expect(trainer.adam.steps == 22 && trainer.adam.updates == 3)
      let end = try trainer.wholeCheckpoint()
      if let start, let end {
        #expect(bits(end.model) == bits(start.model))
        #expect(bits(end.firstMoment) == bits(start.firstMoment))
        #expect(bits(end.secondMoment) == bits(start.secondMoment))
        let rate = Float(1 - configuration.optimizer.emaDecay)
        var (ema, power) = (start.ema, start.averages[0.1]!)
        for step in 4...22 {
          let share = Float(PowerAverage(length: 0.1).rate(atStep: step))
          for i in ema.indices {
            ema[i] += (start.model[i] - ema[i]) * rate
            power[i] += (start.model[i] - power[i]) * share
          }
        }
        #expect(bits(end.ema) == bits(ema) && bits(end.averages[0.1]!) == bits(power))
        #expect(end.trainer["skipped"] == [19] && end.progress.step == 22)
      }
      let resumed = try self.trainer(configuration, world, workers: 2)
      try resumed.restore(ResumePoint.share(middle, world)!, middle)
      for _ in 11...22 { _ = try resumed.trainStep() }
      #expect(try resumed.wholeCheckpoint() == end)
      guard case .diverged = try trainer.trainStep().outcome else {
        Issue.record("Twenty in a row are not noticed.")
        return
      }
      #expect(trainer.step == 22)
    }
  }

  /// Going back is the same as having left out all steps since then, and the one that has diverged: to a
  /// checkpoint, and to the beginning.
  @Test(arguments: [0, 2]) func goingBackIsHavingSkipped(target: Int) throws {
    try RankWorld.run { world throws in
      var configuration = configuration(world)
      configuration.optimizer.averageLengths = [0.1]
      let whole = try trainer(configuration, world)
      for _ in 0..<target { _ = try whole.trainStep() }
      let start = try whole.wholeCheckpoint()
      for _ in 0..<3 { _ = try whole.trainStep() }
      let point = target == 0 ? nil : try ResumePoint.share(start, world)
      try whole.rollBack(to: point, target == 0 ? nil : start)
      #expect(whole.step == target + 4 && whole.adam.updates == target)
      #expect(whole.rollbacks == [Rollback(target: target, step: target + 4)])

      configuration.training.onDivergence = .skip
      let other = try trainer(configuration, world)
      let bad = suspicious(start)
      try other.restore(ResumePoint.share(bad, world)!, bad)
      for _ in 0..<4 { _ = try other.trainStep() }
      let (expected, actual) = (try state(other), try state(whole))
      #expect(world.rank > 0 || expected == actual)
      #expect(bits(whole.weights.values) == bits(other.weights.values))
      #expect(
        whole.adam.averages.map { bits($0.values) } == other.adam.averages.map { bits($0.values) })
      #expect(whole.step == other.step && whole.adam.updates == other.adam.updates)

      // A run that is resumed after it knows of it, and goes on alike.
      let saved = try whole.wholeCheckpoint()
      configuration.training.onDivergence = .stop
      let resumed = try trainer(configuration, world, workers: 2)
      try resumed.restore(ResumePoint.share(saved, world)!, saved)
      #expect(resumed.rollbacks == whole.rollbacks)
      let (next, again) = (try whole.trainStep(), try resumed.trainStep())
      #expect(next.losses == again.losses && next.gradientNorm == again.gradientNorm)
      #expect(bits(whole.weights.values) == bits(resumed.weights.values))
    }
  }

  /// A run that begins with given weights has them, new moments and their average, and goes back to them.
  @Test func givenWeightsAreTheFirst() throws {
    try RankWorld.run { world throws in
      let plan = try TrainingPlan(configuration(world), rankCount: world.size)
      let given = normals(plan.objective.parameters.layout.count, seed: 5, scale: 0.1)
      let trainer = try Trainer(
        plan: plan, communicator: world, workers: Workers(count: 1), initialWeights: given)
      func requireFirst() throws {
        #expect(bits(trainer.weights.values) == bits(given))
        guard let checkpoint = try trainer.wholeCheckpoint() else { return }
        #expect(bits(checkpoint.ema) == bits(given))
        #expect(checkpoint.firstMoment.allSatisfy { $0 == 0 })
        #expect(checkpoint.secondMoment.allSatisfy { $0 == 0 })
      }
      try requireFirst()
      #expect(trainer.step == 0)
      _ = try trainer.trainStep()
      #expect(bits(trainer.weights.values) != bits(given))
      try trainer.rollBack(to: nil, nil)
      try requireFirst()
    }
  }

  /// One bit of one weight on one rank.
  @Test func otherWeightsAreNoticed() throws {
    try RankWorld.run { world throws in
      let trainer = try trainer(configuration(world), world)
      _ = try trainer.trainStep()
      #expect(try trainer.ranksWithOtherWeights() == [])
      if world.rank == world.size - 1 {
        trainer.weights.withElements { $0[5] = Float(bitPattern: $0[5].bitPattern ^ 1) }
      }
      #expect(try trainer.ranksWithOtherWeights() == (world.size == 1 ? [] : [world.size - 1]))
    }
  }

  /// The library's own reduction reaches nearly the same weights.
  @Test func allreduceIsCloseToTheTree() throws {
    try RankWorld.run { world throws in
      var configuration = configuration(world)
      let tree = try trainer(configuration, world)
      configuration.training.reduction = .allreduce
      let library = try trainer(configuration, world)
      for _ in 0..<2 {
        let (expected, actual) = (try tree.trainStep(), try library.trainStep())
        #expect(abs(actual.losses.total - expected.losses.total) < 1e-5 * expected.losses.total)
        #expect(abs(actual.gradientNorm - expected.gradientNorm) < 1e-4 * expected.gradientNorm)
      }
      let weights = library.weights.values
      let all = try world.allGather(
        weights.map(\.bitPattern).reduce(into: [UInt64(7)]) {
          $0[0] = $0[0] &* 31 &+ UInt64($1)
        })
      #expect(Set(all).count == 1, "The ranks' weights differ.")
    }
  }

  /// Training lowers the loss.
  @Test func theLossFalls() throws {
    try RankWorld.run { world throws in
      var configuration = configuration(world)
      configuration.optimizer.learningRate = 0.01
      let trainer = try trainer(configuration, world, workers: 2)
      let losses = try (0..<25).map { _ in try trainer.trainStep().losses.total }
      let (early, late) = (losses[..<5].reduce(0, +) / 5, losses[20...].reduce(0, +) / 5)
      #expect(late < 0.9 * early, "\(early) → \(late)")
    }
  }
}
