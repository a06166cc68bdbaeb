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
}
