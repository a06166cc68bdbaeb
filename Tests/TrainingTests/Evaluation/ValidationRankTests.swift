// Validation: the mean that is computed by hand, with the same bits on any ranks and after resuming.

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

/// A loss that needs no network: w · Σ x + noise, and a class, of each image; times a state.
private struct Brightness: Objective {
  var state: [String: [Double]] = ["scale": [1]]
  let parameters: ParameterRegistry
  let terms = ["light", "class"]
  let sums = [SumVector("images", count: 1)]

  init() {
    var registry = ParameterRegistry()
    _ = registry.add("w", [1], .constant(2))
    parameters = registry
  }

  func loss(_ batch: Batch, _ draws: Draws, _ pass: Pass) -> Losses {
    var terms = [0.0, 0.0]
    for n in 0..<batch.count {
      let noise = Double(draws.stream(.timestep, image: n).integer(below: 1000))
      terms[0] += 2 * batch.images.image(n).reduce(0.0) { $0 + Double($1) } + noise
      terms[1] += Double(batch.labels[n])
    }
    let scale = state["scale"]![0]
    return Losses(
      terms: terms.map { scale * $0 / Double(batch.count) }, sums: [[Double(batch.count)]])
  }
}

@RankActor @Suite(.serialized) struct ValidationRankTests {
  private func plan(
    _ world: Communicator, images: Int?, _ change: (inout Configuration) -> Void = { _ in }
  ) throws -> TrainingPlan {
    var configuration = Configuration.tiny
    configuration.training.shards = 4 * world.size
    configuration.training.batch = 12 * world.size
    configuration.validation.source = .share(0.2)
    configuration.validation.images = images
    configuration.conditioning.condition = .class
    change(&configuration)
    return try TrainingPlan(configuration, rankCount: world.size)
  }

  private nonisolated func groups(_ communicator: Communicator, workers: Int = 1) -> ImageGroups {
    ImageGroups(communicator: communicator, workers: Workers(count: workers))
  }

  /// The last group holds 8, 1, 3 and 5 images; with 4 of them, some ranks have none.
  @Test(arguments: [16, 9, 11, 4, 53]) func isTheMeanOverTheImages(count: Int) throws {
    try RankWorld.run { world throws in
      let plan = try plan(world, images: count)
      var model = Brightness()
      model.state = ["scale": [0.5]]
      let trained = TrainedModel(model, weights: [2], plan.configuration.data)
      let validation = try #require(try Validation(plan, groups(world, workers: 2)))
      let report = try validation.loss(of: trained)

      let first = 1797 - 359
      let reader = try ImageReader(plan.dataset, range: first..<1797)
      var (light, classes) = (0.0, 0.0)
      for place in 0..<count {
        var pixels = [Float](repeating: 0, count: 64)
        try pixels.withUnsafeMutableBufferPointer {
          try reader.read([first + place], into: $0.baseAddress!)
        }
        let draws = Draws(seed: plan.seed, firstImage: place)
        light += 2 * pixels.reduce(0.0) { $0 + Double($1) }
        light += Double(draws.stream(.timestep, image: 0).integer(below: 1000))
        classes += Double(plan.dataset.labels![first + place])
      }
      let n = Double(count)
      #expect(abs(report.terms["light"]! - 0.5 * light / n) <= 1e-12 * abs(light / n))
      #expect(abs(report.terms["class"]! - 0.5 * classes / n) <= 1e-12 * (classes / n))
      #expect(report.total == report.terms["light"]! + report.terms["class"]!)
      // Each image is asked once.
      #expect(report.sums["images"] == [n])
      // All ranks have the bits of one, with any number of workers.
      let alone = try #require(try Validation(plan, groups(world.alone())))
      #expect(try alone.loss(of: trained) == report)
    }
  }

  /// The loss of a diffusion model: as its images are dealt, as the moving average is gathered, and
  /// as a checkpoint brings it back.
  @Test func isTheSameOnAnyRanksAndAfterResuming() throws {
    try RankWorld.run { world throws in
      BLAS.useOneThread()
      let plan = try plan(world, images: 53)
      func trainer(_ communicator: Communicator, workers: Int) throws -> Trainer {
        try Trainer(plan: plan, communicator: communicator, workers: Workers(count: workers))
      }
      func loss(_ trainer: Trainer, _ communicator: Communicator, workers: Int) throws -> LossReport
      {
        let validation = try #require(
          try Validation(plan, groups(communicator, workers: workers)))
        return try validation.loss(of: trainer.emaModel())
      }
      let alone = try world.alone()
      let (reference, together) = (
        try trainer(alone, workers: 1), try trainer(world, workers: 2)
      )
      let before = try loss(reference, alone, workers: 1)
      var found: [Double] = []
      for _ in 0..<2 {
        for trainer in [reference, together] { _ = try trainer.trainStep() }
        let expected = try loss(reference, alone, workers: 1)
        for workers in [1, 2, 3] {
          #expect(try loss(together, world, workers: workers) == expected)
        }
        found.append(expected.total)
      }
      // Training lowers it, and nothing but training changes it.
      #expect(found[1] < found[0] && found[0] < before.total)
      let saved = try together.wholeCheckpoint()
      let resumed = try trainer(world, workers: 1)
      try resumed.restore(ResumePoint.share(saved, world)!, saved)
      #expect(try loss(resumed, world, workers: 1).total == found[1])
    }
  }

  /// What rank 0 has read of a history is known to all.
  @Test func aHistoryIsShared() throws {
    try RankWorld.run { world throws in
      let plan = try plan(world, images: 9)
      let trainer = try Trainer(plan: plan, communicator: world, workers: Workers(count: 1))
      for history in [
        nil, ValidationHistory(subject: "x – y", steps: [0, 7], losses: [0.25, 1e-300]),
      ] {
        var saved = try trainer.wholeCheckpoint()
        saved?.progress.step = 9
        saved?.validation = history
        #expect(try ResumePoint.share(saved, world)?.validation == history)
      }
    }
  }
}
