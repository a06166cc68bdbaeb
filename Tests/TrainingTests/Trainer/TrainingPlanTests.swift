// What a plan fills in and what it refuses.

import Models
import Storage
import Tensors
import Testing
import Training

@Suite struct TrainingPlanTests {
  private func refusal(ranks: Int = 1, _ change: (inout Configuration) -> Void) -> String {
    var configuration = Configuration()
    change(&configuration)
    do {
      _ = try TrainingPlan(configuration, rankCount: ranks)
      return "nothing is refused"
    } catch {
      return "\(error)"
    }
  }

  @Test func everythingIsFilledIn() throws {
    let plan = try TrainingPlan(Configuration(), rankCount: 1)
    let configuration = plan.configuration
    #expect(configuration.data.height == 8 && configuration.data.width == 8)
    #expect(configuration.data.imageChannels == 1 && configuration.data.levels == 17)
    #expect(configuration.training.shards == 8 && plan.shardBatch == 16)
    #expect(configuration.data.valueRange == [])
    let model = try #require(plan.objective as? DenoisingDiffusion)
    #expect(model.network.images == ImageShape(height: 8, width: 8, channels: 1))
    #expect(model.diffusion.levels == 17 && model.diffusion.schedule.steps == 200)
    #expect(model.diffusion.schedule.beta(200) == 0.999)
    // The plan of a plan is the same: a resumed run has the filled-in configuration.
    let again = try TrainingPlan(configuration, rankCount: 2)
    #expect(again.configuration == configuration)
  }

  @Test(arguments: [
    (128, [1, 2, 4, 8], 8), (96, [3, 6], 12), (96, [1, 2, 4, 8], 8), (12, [1, 2, 4], 4),
    (7, [1], 1), (7, [7], 7), (160, [5], 10), (160, [16], 16),
  ])
  func automaticShardsSuitManyRankCounts(batch: Int, ranks: [Int], shards: Int) throws {
    for rankCount in ranks {
      var configuration = Configuration()
      configuration.training.batch = batch
      let plan = try TrainingPlan(configuration, rankCount: rankCount)
      #expect(plan.tree.shards == shards && plan.configuration.training.shards == shards)
      #expect(plan.shardBatch * shards == batch)
    }
  }

  @Test func numbersThatDoNotFitAreRefused() {
    #expect(
      refusal(ranks: 3) { $0.training.batch = 128 }
        == "batch: 128 images cannot be shared by 3 ranks; choose a multiple of 3, "
        + "or another number of ranks.")
    #expect(
      refusal {
        $0.training.batch = 128
        $0.training.shards = 12
      } == "batch: 128 images cannot be cut into 12 shards; choose a multiple of 12.")
    #expect(
      refusal(ranks: 5) {
        $0.training.batch = 96
        $0.training.shards = 12
      }
        == "mpirun: 5 ranks cannot share 12 shards evenly: "
        + "start this run with one of 1, 3, 6, 12 ranks.")
    #expect(
      refusal(ranks: 200) { $0.training.batch = 128 }
        == "batch: 128 images cannot be shared by 200 ranks; choose a multiple of 200, "
        + "or another number of ranks.")
    #expect(
      refusal { $0.training.batch = 1798 }
        == "the embedded digits: has 1797 images, fewer than one batch of 1798; "
        + "set batch to at most 1797")
  }

  /// The cosine schedule ends with the run as it begins; other schedules have no end.
  @Test func theCosineScheduleGetsAnEnd() throws {
    var configuration = Configuration()
    configuration.training.steps = 300
    #expect(
      try TrainingPlan(configuration, rankCount: 1).configuration.optimizer.learningRateSteps == nil
    )
    configuration.optimizer.learningRateSchedule = .cosine
    var filled = try TrainingPlan(configuration, rankCount: 1).configuration
    #expect(filled.optimizer.learningRateSteps == 300)
    filled.training.steps = 100
    #expect(try TrainingPlan(filled, rankCount: 1).configuration == filled)
    #expect(
      refusal {
        $0 = filled
        $0.training.steps = 301
      } == "steps: is 301, but the cosine schedule ends at step 300 (learning_rate_steps) with a "
        + "learning rate of 0; give at most 300, or choose another learning_rate_schedule.")
    filled.training.steps = 301
    for schedule in [LearningRateSchedule.constant, .inverseSquareRoot] {
      filled.optimizer.learningRateSchedule = schedule
      #expect(try TrainingPlan(filled, rankCount: 1).configuration == filled)
    }
  }

  @Test func snapshotsNeedAverages() {
    #expect(
      refusal { $0.optimizer.averageEvery = 5 }
        == "average_every: is 5, but there is no power average to keep; give their lengths, as in "
        + "average_lengths=[0.05, 0.1], or leave it 0.")
  }

  @Test func imagesOfAnotherKindAreRefused() {
    #expect(
      refusal { $0.data.levels = 256 }
        == "levels: is 256, but the images of the embedded digits have 17.")
    #expect(refusal { $0.data.levels = 0 }.hasPrefix("levels: is 0, but"))
    #expect(refusal { $0.data.height = 28 }.hasPrefix("height: is 28, but"))
    #expect(refusal { $0.data.width = 9 }.hasPrefix("width: is 9, but"))
    #expect(refusal { $0.data.imageChannels = 3 }.hasPrefix("image_channels: is 3, but"))
    #expect(refusal { $0.data.valueRange = [0, 1] }.hasPrefix("value_range: is [0.0, 1.0], but"))
  }

  @Test func anImpossibleNetworkOrProcessIsRefused() {
    #expect(refusal { $0.network.groups = 7 }.hasPrefix("network: 7 groups do not divide"))
    #expect(refusal { $0.network.multipliers = [1, 1, 1, 1, 1] }.contains("divided by 16"))
    #expect(refusal { $0.network.attention = [3] }.contains("Attention at height 3"))
    #expect(
      refusal {
        $0.diffusion.schedule = .linear
        $0.diffusion.betaStart = 0.03
      } == "beta_start: is larger than beta_end; noise must not shrink.")
    #expect(refusal { $0.data.path = "/no/such.h5" }.hasPrefix("/no/such.h5: "))
  }

  @Test func ordersAreThoseOfTheShards() throws {
    let plan = try TrainingPlan(Configuration(), rankCount: 4)
    let ranges = (0..<8).map { plan.order(ofShard: $0).images }
    #expect(ranges.flatMap { $0 } == Array(0..<1797))
  }

  // MARK: Validation

  private func plan(_ source: ValidationSource?, batch: Int = 128) throws -> TrainingPlan {
    var configuration = Configuration()
    (configuration.validation.source, configuration.training.batch) = (source, batch)
    return try TrainingPlan(configuration, rankCount: 1)
  }

  @Test func aShareIsTheEndOfTheDataset() throws {
    let plan = try plan(.share(0.2))
    #expect(plan.configuration.validation.heldOut == 359 && plan.imageCount == 1438)
    #expect(plan.validation?.range == 1438..<1797)
    #expect(plan.configuration.validation.images == 359)
    let ranges = (0..<8).map { plan.order(ofShard: $0).images }
    #expect(ranges.flatMap { $0 } == Array(0..<1438))
    // The plan of a plan is the same, and so is one that is told the number only.
    #expect(try TrainingPlan(plan.configuration, rankCount: 2).configuration == plan.configuration)
    var told = plan.configuration
    told.validation.source = nil
    let silent = try TrainingPlan(told, rankCount: 1)
    #expect(silent.imageCount == 1438 && silent.validation == nil)
    // Without validation nothing is held out.
    let without = try self.plan(nil)
    #expect(without.configuration.validation.heldOut == 0 && without.validation == nil)
    #expect(without.configuration.validation.images == nil)
  }

  /// Products of decimals are rounded: 0.29 · 100 is 28.999999999999996.
  @Test(arguments: [
    (0.2, 1797, 359), (0.29, 100, 29), (0.07, 100, 7), (0.57, 100, 57), (0.1, 30, 3),
    (1e-3, 1797, 1), (0.999, 1000, 999), (0.5, 7, 3), (1e-3, 999, 0), (0.2, 60_000, 12_000),
  ]) func sharesAreWholeImages(share: Double, count: Int, expected: Int) {
    #expect(ValidationSource.count(ofShare: share, of: count) == expected)
  }

  /// A third of a training image each: 0.06 · batch · period of them are 2 % of the time.
  @Test(arguments: [
    (8, 100, 48), (128, 100, 359), (8, 1, 8), (32, 10, 19), (16, 100_000_000, 359),
  ]) func validationCostsLittle(batch: Int, every: Int, images: Int) throws {
    var configuration = Configuration()
    configuration.training.batch = batch
    configuration.validation.source = .share(0.2)
    configuration.validation.every = every
    let plan = try TrainingPlan(configuration, rankCount: 1)
    #expect(plan.validation?.range == 1438..<1438 + images)
    // Checkpoints are validated too.
    configuration.recording.checkpointEvery = 1
    #expect(
      try TrainingPlan(configuration, rankCount: 1).validation?.range.count == 8)
    configuration.validation.images = 12
    #expect(
      try TrainingPlan(configuration, rankCount: 1).validation?.range == 1438..<1450)
    configuration.validation.every = 0
    #expect(try TrainingPlan(configuration, rankCount: 1).validation == nil)
  }

  @Test func otherImagesLeaveTheDatasetWhole() throws {
    let plan = try plan(.digits)
    #expect(plan.imageCount == 1797 && plan.validation?.range == 0..<768)
  }

  @Test func whatCannotBeHeldOutIsRefused() {
    #expect(
      refusal { $0.validation.source = .share(1e-4) }
        == "validation: 0.0001 of the 1797 images of the embedded digits is not one image; "
        + "choose a larger share.")
    #expect(
      refusal { $0.validation.source = .share(0.95) }
        == "the embedded digits: has 90 images beside the 1707 that are held out, fewer than one "
        + "batch of 128")
    #expect(
      refusal {
        $0.validation.source = .share(0.2)
        $0.validation.heldOut = 0
      }
        == "held_out: is 0, but validation: 0.2 holds out the last 359 of the 1797 images of the "
        + "embedded digits; a run keeps the images that it trains on.")
    #expect(refusal { $0.validation.heldOut = 5000 }.contains("has 0 images beside the 5000"))
    #expect(
      refusal { $0.validation.source = .file(path: "/no.h5", group: "/") }.hasPrefix("/no.h5: "))
  }
}
