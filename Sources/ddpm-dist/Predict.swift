// ddpm-dist predict: the network's raw output, for comparison with other implementations.

import ArgumentParser
import Layers
import MPI
import Models
import Parallel
import Storage
import Synchronization
import Tensors
import Training

/// `ddpm-dist predict`.
struct Predict: JobCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write the network's raw output for given noisy images and timesteps.",
    discussion: """
      The input holds /x_t, Float32 (N, H, W, C), and /t, N integers 0 ... T-1; for a model with K \
      classes also /labels, N integers 0 ... K-1, or -1 for no class, which is what it is without \
      them. The output gets /prediction, Float32 (N, H, W, C), or (N, H, W, 2C) where the variance is \
      learned.
      """)

  @Option(help: "A checkpoint, or a run folder: its newest good checkpoint.", completion: .hdf5)
  var ckpt: String
  @Option(help: "The HDF5 file with /x_t and /t.", completion: .hdf5)
  var input: String
  @Option(help: "The HDF5 file to write /prediction to.", completion: .hdf5)
  var output: String
  @Flag(help: .force)
  var force = false
  @Option(
    help: ArgumentHelp(
      """
      The weights: average (over the training), model (of the last step), or one of \
      average_lengths, as average_0.05.
      """, valueName: "name"))
  var weights: WeightKind = .ema
  @Option(help: "Worker threads of each rank. (default: the cores that the rank may use)")
  var workers: Int?

  func validate() throws {
    if let workers, !(1...Workers.largestCount).contains(workers) {
      throw ValidationError("--workers needs a number from 1 to \(Workers.largestCount).")
    }
    if let fault = OutputKind.prediction.fault(inName: output) {
      throw ValidationError("--output \(fault)")
    }
  }

  func run(_ job: Job) throws {
    let logger = try job.logger()
    let communicator = try job.communicator()
    let isFirst = communicator.rank == 0
    try job.together {
      guard isFirst else { return }
      try OutputKind.prediction.check(target: output, inputs: [ckpt, input], isForced: force)
    }
    let trained = try TrainedModel.load(path: ckpt, weights, job) { logger.warning("\($0)") }
      .trained
    let model = try job.together {
      try trained.require(DenoisingDiffusion.self, to: "predict noise")
    }
    let classes = if case .classes(let count) = model.condition { count } else { 0 }
    let noisy = try job.together {
      isFirst
        ? try NoisyImages(
          path: input, images: "x_t", times: "t", shape: trained.shape,
          timeLimit: model.diffusion.schedule.steps, classes: classes) : nil
    }
    let images = try communicator.broadcast(noisy?.images ?? [], from: 0)
    let times = try communicator.broadcast(noisy?.times ?? [], from: 0)
    let labels = try communicator.broadcast(noisy?.labels ?? [], from: 0)
    let groups = ImageGroups(
      communicator: communicator, workers: try job.workers(requested: workers))
    let (size, width, extents) = (ImageGroups.size, trained.shape.count, trained.shape)
    // A learned variance is as many channels again.
    let emitted = ImageShape(
      height: extents.height, width: extents.width, channels: model.network.outputChannels)
    let progress = Progress(isSilent: !isFirst)
    let done = Atomic(0)
    let total = groups.ownedCount(of: times.count)
    let prediction = try groups.map(times.count, width: emitted.count) { group, pool in
      let present = group.clamped(to: 0..<times.count)
      let xt = Tensor(Shape(size, extents.height, extents.width, extents.channels), in: pool)
      xt.scalars.update(repeating: 0)
      _ = xt.scalars.update(from: images[present.lowerBound * width..<present.upperBound * width])
      let padding = [Int](repeating: 0, count: size - present.count)
      let conditions: [Condition] =
        labels.isEmpty
        ? [] : labels[present].map { $0 < 0 ? .none : .label($0) } + padding.map { _ in .none }
      let output = model.output(
        xt, times: Array(times[present]) + padding, conditions: conditions,
        trained.makePass(pool))
      let finished = done.add(1, ordering: .relaxed).newValue
      progress.show(isLast: finished == total) {
        "predicting \(Progress.bar(Double(finished) / Double(total)))"
      }
      return Array(output.scalars)
    }
    try job.together {
      if isFirst { try NoisyImages.writePrediction(prediction, shape: emitted, to: output) }
    }
  }
}

extension WeightKind: ExpressibleByArgument {}
