// What a network needs and computes, from a trial on a few images.

import Benchmark
import Models
import Parallel
import Storage
import Tensors
import Training

/// The memory and the arithmetic of a network.
///
/// Nothing is predicted of single layers: the network computes the gradient of a few images of the dataset.
/// The sizes of its buffers lie on a grid that is the same between any two powers of two, so that a batch
/// of twice the images takes buffers of twice the size, and what n and 2n images need tells what 4n, 8n, …
/// need.
package struct NetworkTrial: Codable, Equatable, Sendable {
  /// The bytes of all learned scalars.
  package let weightBytes: Int
  /// The bytes that a worker's buffers take for the gradient of a shard, beside the gradient itself. With
  /// `memory: less`: what both take at most together, of which the gradient grows while maps leave, less
  /// a whole gradient.
  package let shardBytes: Int
  /// The bytes of the kernels that the shards of a step share, where they do.
  package let sharedKernelBytes: Int
  /// The bytes that a worker's buffers take for a group of eight images without a gradient; 0 where the
  /// run neither validates nor draws.
  package let evaluationBytes: Int
  /// The bytes of kernels that are transformed once where weights rest; 0 there too.
  package let preparedBytes: Int
  /// The bytes of this process without all of these: the program and its libraries.
  package let programBytes: Int
  /// 2 × the multiply-adds by definition of a training step, 10⁹ for each image: three times forward.
  package let gigaflopPerImage: Double
  /// The seconds that one worker takes for a group of eight images without a gradient; 0 there too.
  package let evaluationSeconds: Double

  package init(
    weightBytes: Int, shardBytes: Int, sharedKernelBytes: Int, evaluationBytes: Int,
    preparedBytes: Int, programBytes: Int, gigaflopPerImage: Double, evaluationSeconds: Double
  ) {
    self.weightBytes = weightBytes
    self.shardBytes = shardBytes
    self.sharedKernelBytes = sharedKernelBytes
    self.evaluationBytes = evaluationBytes
    self.preparedBytes = preparedBytes
    self.programBytes = programBytes
    self.gigaflopPerImage = gigaflopPerImage
    self.evaluationSeconds = evaluationSeconds
  }

  /// What is known of a network that is not tried: its weights.
  package init(untried plan: TrainingPlan) {
    self.init(
      weightBytes: 4 * plan.objective.parameters.layout.count, shardBytes: 0, sharedKernelBytes: 0,
      evaluationBytes: 0, preparedBytes: 0, programBytes: 0, gigaflopPerImage: 0,
      evaluationSeconds: 0)
  }

  /// Tries the network of a plan, on the calling thread.
  ///
  /// - Throws: `StorageError` for images that cannot be read.
  package init(_ plan: TrainingPlan) throws(StorageError) {
    let before = PeakMemory.anonymousBytes
    let weights = plan.drawnWeights(Workers(count: 1))
    weightBytes = 4 * weights.count
    let images = Images(
      plan, try ImageReader(plan.dataset, range: 0..<plan.imageCount, memoryLimit: 0))
    (shardBytes, sharedKernelBytes, gigaflopPerImage) = try Self.training(plan, weights, images)
    // The gradient and its maps are gone by now, as they are in a run that evaluates.
    (evaluationBytes, preparedBytes, evaluationSeconds) =
      plan.evaluatesImages ? try Self.evaluation(plan, weights, images) : (0, 0, 0)
    // What the process had taken before, and the pages of programs and libraries that it has used by now.
    programBytes = before + PeakMemory.currentBytes - PeakMemory.anonymousBytes
  }

  /// The gradient of a shard: the bytes beside it, those of kernels to share, and the arithmetic of an
  /// image.
  private static func training(
    _ plan: TrainingPlan, _ weights: AlignedFloats, _ images: Images
  ) throws(StorageError) -> (bytes: Int, kernelBytes: Int, gigaflopPerImage: Double) {
    let gradient = AlignedFloats(count: weights.count)
    let (few, doublings) = trialBatch(of: plan.shardBatch)

    // The bytes beside the gradient as each operation ends, backward, less what is missing of the gradient.
    func shard(
      _ count: Int, _ kernels: PreparedKernels? = nil
    ) throws(StorageError) -> (bytes: [Int], multiplyAdds: Int) {
      let (pool, profile) = (BufferPool(), OperationProfile())
      let work = ShardGradient(
        plan.objective, flips: plan.configuration.data.flip, seed: plan.seed,
        shards: plan.tree.shards, memory: plan.configuration.training.memory,
        precision: plan.configuration.training.precision, profile: profile,
        preparedKernels: kernels)
      var bytes: [Int] = []
      _ = work.compute(
        into: gradient.elements.baseAddress!, try images.batch(count, pool), step: 0, shard: 0,
        weights: UnsafePointer(weights.elements.baseAddress!), pool: pool
      ) { offset in bytes.append(pool.pageBytes - (pool.givesPagesBack ? 4 * offset : 0)) }
      return (bytes, profile.work.values.reduce(0) { $0 + $1.multiplyAdds })
    }
    let first = try shard(few)
    let second = doublings == 0 ? nil : try shard(2 * few)
    let times = plan.shardBatch / few - 1
    let bytes = zip(first.bytes, second?.bytes ?? first.bytes).map { $0 + ($1 - $0) * times }
    let perImage = (second.map { $0.multiplyAdds - first.multiplyAdds } ?? first.multiplyAdds)
    let kernels = PreparedKernels()
    if plan.hasFewKernels { _ = try shard(few, kernels) }
    return (bytes.max()!, kernels.allocatedBytes, 6e-9 * Double(perImage) / Double(few))
  }

  /// A group of images without a gradient: the bytes of buffers and of transformed kernels, and the time.
  private static func evaluation(
    _ plan: TrainingPlan, _ weights: AlignedFloats, _ images: Images
  ) throws(StorageError) -> (bytes: Int, preparedBytes: Int, seconds: Double) {
    let trained = TrainedModel(
      plan.objective, adopting: weights, plan.configuration.data)
    let pool = BufferPool()
    func evaluate() throws(StorageError) -> Double {
      let batch = try images.batch(min(ImageGroups.size, plan.imageCount), pool)
      let began = ContinuousClock.now
      _ = trained.model.loss(batch, images.draws, trained.makePass(pool))
      return (ContinuousClock.now - began) / .seconds(1)
    }
    // The first one transforms the kernels.
    _ = try evaluate()
    let seconds = try evaluate()
    return (pool.peakBytes, trained.preparedBytes, seconds)
  }

  /// The images of a trial at most, where the number of those of a shard is even: with fewer, pieces of scratch
  /// memory that stop growing with the batch would count as if they went on.
  private static let largestTrial = 32

  /// How many images become those of a shard by doubling, and how often: as many as there may be twice in a
  /// trial. 0 doublings of an odd number.
  package static func trialBatch(of shardBatch: Int) -> (images: Int, doublings: Int) {
    var (images, doublings) = (shardBatch, 0)
    while images.isMultiple(of: 2), doublings == 0 || 2 * images > largestTrial {
      (images, doublings) = (images / 2, doublings + 1)
    }
    return (images, doublings)
  }

  /// The first images of a dataset.
  private struct Images {
    let plan: TrainingPlan
    let reader: ImageReader

    init(_ plan: TrainingPlan, _ reader: ImageReader) { (self.plan, self.reader) = (plan, reader) }

    var draws: Draws { Draws(seed: plan.seed, step: 0, shard: 0, of: plan.tree.shards) }

    func batch(_ count: Int, _ pool: BufferPool) throws(StorageError) -> Batch {
      let shape = plan.dataset.shape
      let images = Tensor(Shape(count, shape.height, shape.width, shape.channels), in: pool)
      let numbers = Array(0..<count)
      try reader.read(numbers, into: images.pointer)
      return Batch(
        images: images, conditions: plan.conditions.conditions(of: numbers, draws),
        numbers: numbers)
    }
  }
}
