// What the benchmark repeats: training steps, and evaluations of a network.

import Models
import Parallel
import Tensors
import Training

/// Training steps, as `ddpm-dist train` makes them.
struct TrainingWork: NetworkBenchmark.Work {
  let trainer: Trainer
  let isTraining = true

  var images: Int { trainer.plan.configuration.training.batch }

  func run() throws { _ = try trainer.trainStep() }
}

/// Evaluations of noise without a tape, as sampling makes them, in whole groups of images.
struct EvaluationWork: NetworkBenchmark.Work {
  let images: Int
  let isTraining = false
  private let model: DenoisingDiffusion
  private let trained: TrainedModel
  private let groups: ImageGroups
  private let profile: OperationProfile?
  private let noise: [Float]

  /// The evaluation of a batch that the ranks share.
  init(
    _ model: DenoisingDiffusion, _ trained: TrainedModel, images: Int, _ groups: ImageGroups,
    _ profile: OperationProfile?
  ) {
    self.model = model
    self.trained = trained
    self.groups = groups
    self.profile = profile
    // Whole groups are computed, so whole groups count.
    self.images = ImageGroups.count(of: images) * ImageGroups.size
    var noise = [Float](repeating: 0, count: ImageGroups.size * trained.shape.count)
    noise.withUnsafeMutableBufferPointer {
      RandomStream(seed: 0, purpose: .start).fillNormal($0)
    }
    self.noise = noise
  }

  func run() throws {
    let (model, trained, profile, noise, size) = (model, trained, profile, noise, ImageGroups.size)
    let times = (0..<size).map { $0 * model.diffusion.schedule.steps / size }
    let shape = Shape(size, trained.shape.height, trained.shape.width, trained.shape.channels)
    // Its results are of no interest: none are collected.
    _ = try groups.map(images, width: 0) { _, pool -> [Float] in
      _ = model.output(
        Tensor(shape, noise, in: pool), times: times, trained.makePass(pool, profile: profile))
      return []
    }
  }
}
