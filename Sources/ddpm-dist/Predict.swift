import ArgumentParser
import Storage
import Training

/// `ddpm-dist predict`: the network's raw output, for comparison with other implementations.
struct Predict: JobCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write the network's raw output for given noisy images and timesteps.",
    discussion: """
      The input holds /x_t, Float32 (N, H, W, C), and /t, N integers 0 ... T-1; the output gets \
      /prediction, Float32 (N, H, W, C).
      """)

  @Option(help: "A checkpoint, or a run folder: its newest good checkpoint.")
  var ckpt: String
  @Option(help: "The HDF5 file with /x_t and /t.")
  var input: String
  @Option(help: "The HDF5 file to write /prediction to.")
  var output: String
  @Option(help: "The weights: average (over the training) or model (of the last step).")
  var weights: WeightKind = .average
  @Option(help: "Worker threads. (default: the cores that the process may use)")
  var workers: Int?

  func validate() throws {
    if let workers, workers < 1 { throw ValidationError("--workers needs at least 1.") }
  }

  func run(_ job: Job) throws {
    let logger = try job.logger()
    let workers = try job.workers(requested: workers)
    try job.together {
      guard job.launchedRank == 0 else { return }
      try AtomicFile.check(target: output)
      let (denoiser, _, _) = try Denoiser.load(path: ckpt, weights) { logger.warning("\($0)") }
      let noisy = try NoisyImages(
        path: input, images: "x_t", times: "t", shape: denoiser.shape,
        timeLimit: denoiser.diffusion.schedule.steps)
      let progress = Progress()
      let prediction = denoiser.predict(noisy.images, times: noisy.times, workers: workers) {
        done, total in
        progress.show(isLast: done == total) {
          "predicting \(Progress.bar(Double(done) / Double(total)))"
        }
      }
      try NoisyImages.writePrediction(prediction, shape: denoiser.shape, to: output)
    }
  }
}

extension WeightKind: ExpressibleByArgument {}
