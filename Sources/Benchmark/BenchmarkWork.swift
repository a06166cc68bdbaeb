import MPI
import Parallel
import Tensors
import Training

/// Training steps, as `ddpm-dist train` makes them.
struct TrainingWork: NetworkBenchmark.Work {
  let trainer: Trainer
  let isTraining = true

  var images: Int { trainer.plan.configuration.batch }

  func run() throws { _ = try trainer.trainStep() }
}

/// Evaluations of noise without a tape, as sampling makes them, in whole groups of images.
struct EvaluationWork: NetworkBenchmark.Work {
  let images: Int
  let isTraining = false
  private let denoiser: Denoiser
  private let workers: Workers
  /// This rank's share of the groups.
  private let groups: Range<Int>
  private let noise: [Float]

  /// The evaluation of a batch that the ranks share.
  init(_ denoiser: Denoiser, images: Int, workers: Workers, communicator: Communicator) {
    self.denoiser = denoiser
    self.workers = workers
    let all = (images + Denoiser.groupSize - 1) / Denoiser.groupSize
    // Whole groups are computed, so whole groups count.
    self.images = all * Denoiser.groupSize
    let (rank, size) = (communicator.rank, communicator.size)
    groups = all * rank / size..<all * (rank + 1) / size
    var noise = [Float](repeating: 0, count: denoiser.groupShape.count)
    noise.withUnsafeMutableBufferPointer {
      RandomStream(seed: 0, purpose: .start).fillNormal($0)
    }
    self.noise = noise
  }

  func run() {
    let (denoiser, noise) = (denoiser, noise)
    let count = Denoiser.groupSize
    let times = (0..<count).map { $0 * denoiser.diffusion.schedule.steps / count }
    workers.forEach(groups) { _, pool in
      let x = Tensor(denoiser.groupShape, noise, in: pool)
      _ = denoiser(x, times: times, pool: pool)
    }
  }
}
