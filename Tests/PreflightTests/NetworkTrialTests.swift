// What a trial of few images says of many, against the many.

import Models
import Parallel
import Preflight
import Tensors
import Testing
import Training

@Suite struct NetworkTrialTests {
  private func plan(batch: Int, _ change: (inout Configuration) -> Void = { _ in }) throws
    -> TrainingPlan
  {
    var configuration = Configuration()
    configuration.network.channels = 8
    configuration.network.groups = 4
    configuration.training.batch = batch
    configuration.training.shards = 1
    change(&configuration)
    return try TrainingPlan(configuration, rankCount: 1)
  }

  /// The memory and the arithmetic of a whole shard.
  private func whole(_ plan: TrainingPlan) throws -> (bytes: Int, gigaflop: Double) {
    let count = plan.objective.parameters.layout.count
    let weights = AlignedFloats(plan.objective.parameters.initialWeights(seed: plan.seed))
    let (gradient, pool) = (AlignedFloats(count: count), BufferPool())
    let (images, profile) = (plan.dataset.shape, OperationProfile())
    let shape = Shape(plan.shardBatch, images.height, images.width, images.channels)
    let scalars = [Float](repeating: 0.1, count: shape.count)
    let work = ShardGradient(
      plan.objective, flips: false, seed: plan.seed, shards: 1,
      memory: plan.configuration.training.memory, profile: profile)
    var bytes = 0
    weights.withElements { weights in
      gradient.withElements { gradient in
        _ = work.compute(
          into: gradient.baseAddress!, Batch(images: Tensor(shape, scalars, in: pool)), step: 0,
          shard: 0, weights: UnsafePointer(weights.baseAddress!), pool: pool
        ) { offset in
          bytes = max(bytes, pool.pageBytes - (pool.givesPagesBack ? 4 * offset : 0))
        }
      }
    }
    let multiplyAdds = profile.work.values.reduce(0) { $0 + $1.multiplyAdds }
    return (bytes, 6e-9 * Double(multiplyAdds))
  }

  @Test(arguments: [1, 2, 3, 6, 16, 40, 64]) func aFewImagesTellOfMany(_ batch: Int) throws {
    let plan = try plan(batch: batch)
    let (trial, whole) = (try NetworkTrial(plan), try whole(plan))
    // Exact as far as it is tried out; beyond, rather too much.
    let ratio = Double(trial.shardBytes) / Double(whole.bytes)
    #expect((0.97...(batch > 32 ? 1.3 : 1.03)).contains(ratio), "\(trial) \(whole)")
    #expect(abs(trial.gigaflopPerImage * Double(batch) / whole.gigaflop - 1) < 1e-9)
    #expect(trial.weightBytes == 4 * plan.objective.parameters.layout.count)
    // Of both passes; sampling has those of one.
    #expect((1.9...2).contains(Double(trial.sharedKernelBytes) / Double(trial.preparedBytes)))
    #expect(trial.evaluationBytes > 0 && trial.preparedBytes > 0 && trial.programBytes > 1 << 20)
  }

  /// Less memory is less in the trial, the more the more images there are, for the same arithmetic.
  @Test func lessMemoryIsForetold() throws {
    let plans = try [MemoryUse.normal, .less].map { memory in
      try plan(batch: 64) { $0.training.memory = memory }
    }
    let (normal, less) = (try NetworkTrial(plans[0]), try NetworkTrial(plans[1]))
    // Of both four mebibytes are scratch memory.
    #expect(less.shardBytes < normal.shardBytes * 85 / 100, "\(less) \(normal)")
    #expect(less.gigaflopPerImage == normal.gigaflopPerImage)
    let whole = try whole(plans[1])
    #expect((0.9...1.3).contains(Double(less.shardBytes) / Double(whole.bytes)))
  }

  @Test func halvesGoOnUntilANumberIsOdd() {
    #expect(NetworkTrial.trialBatch(of: 16) == (8, 1))
    #expect(NetworkTrial.trialBatch(of: 12) == (6, 1))
    #expect(NetworkTrial.trialBatch(of: 128) == (16, 3))
    #expect(NetworkTrial.trialBatch(of: 40) == (10, 2))
    #expect(NetworkTrial.trialBatch(of: 7) == (7, 0))
  }

  private let trial = NetworkTrial(
    weightBytes: 4_000_000, shardBytes: 1000, sharedKernelBytes: 30_000_000, evaluationBytes: 100,
    preparedBytes: 16_000_000, programBytes: 50_000_000, gigaflopPerImage: 1, evaluationSeconds: 1)

  private func bytes(_ estimate: MemoryEstimate, _ name: String) -> Int? {
    estimate.training.first { $0.name.contains(name) }?.bytes
  }

  /// Every part by hand, for one rank and for eight.
  @Test func partsAreCountedOnce() throws {
    let plan = try plan(batch: 128) { $0.training.shards = 8 }
    let one = MemoryEstimate(trial, plan, ranks: 1, workers: 2)
    #expect(bytes(one, "gradients of 4 shards") == 16_000_000)
    #expect(bytes(one, "moments") == 8_000_000 && bytes(one, "average") == 4_000_000)
    #expect(bytes(one, "buckets") == 0 && bytes(one, "activations") == 2000)
    #expect(bytes(one, "images") == 1797 * 64)
    #expect(bytes(one, "kernels") == 30_000_000)
    // Weights at rest and groups of images take more than a checkpoint that is gathered into its file.
    #expect(one.peakBytes(isFirst: true) - one.residentBytes == 20_000_200)
    #expect(one.peakBytes(isFirst: false) - one.residentBytes == 20_000_200)
    let eight = MemoryEstimate(trial, plan, ranks: 8, workers: 2)
    #expect(bytes(eight, "kernels") == nil, "One shard a rank has nobody to share with.")
    #expect(bytes(eight, "gradients of 1 shards") == 4_000_000)
    // A million scalars are 245 blocks, of which a rank owns 31 at most.
    #expect(bytes(eight, "average") == 31 * 4096 * 4)
    #expect(bytes(eight, "activations") == 1000)
    #expect(bytes(eight, "buckets") == 4 * 7 * 31 * 4096 * 4)
  }

  @Test func onlyWhoDrawsNeedsMemoryForIt() throws {
    func estimate(sampleEvery: Int, steps: Int) throws -> MemoryEstimate {
      let plan = try plan(batch: 8) {
        $0.recording.sampleEvery = sampleEvery
        $0.training.steps = steps
      }
      return MemoryEstimate(trial, plan, ranks: 1, workers: 1)
    }
    #expect(try !estimate(sampleEvery: 500, steps: 500).drawing.isEmpty)
    let silent = try estimate(sampleEvery: 0, steps: 1200)
    let short = try estimate(sampleEvery: 500, steps: 400)
    #expect(silent.drawing.isEmpty && short.drawing.isEmpty)
    // The first rank needs a bucket, here the whole buffer, and little more.
    let more = silent.peakBytes(isFirst: true) - silent.peakBytes(isFirst: false)
    #expect(4_000_000..<16_000_000 ~= more)
  }

  /// What workers need who finish their shards in order, for some numbers by hand.
  @Test(arguments: [(8, 1, 4), (8, 2, 4), (8, 4, 6), (8, 8, 8), (1, 4, 1), (4, 1, 3), (2, 2, 2)])
  func buffersOfATree(leaves: Int, workers: Int, count: Int) {
    #expect(TreeSum.usualBufferCount(leaves: leaves, workers: workers) == count)
  }
}
