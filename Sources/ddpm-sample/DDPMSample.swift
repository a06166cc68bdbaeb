import ArgumentParser
import Diffusion
import Foundation
import Logging
import Sampling
import Storage
import Training

/// The command `ddpm-sample`: images from a checkpoint.
struct DDPMSample: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ddpm-sample",
    abstract: "Draw images from a trained checkpoint.",
    discussion: """
      ddpm-sample --ckpt runs/digits --count 64 --out digits.png --out digits.npz

      Image i depends on the checkpoint, the sampler, the seed and i alone: not on --batch, \
      --workers or the ranks of mpirun -n N ddpm-sample.
      """,
    version: programVersion)

  @Option(help: "A checkpoint, or a run folder: its newest good checkpoint.")
  var ckpt: String
  @Option(help: "The number of images. (default: 64, or as many as --init has)")
  var count: Int?
  @Option(help: "The seed of all random numbers.")
  var seed: UInt64 = 1
  @Option(
    help: """
      Images that are drawn together, over all ranks; rounded up to whole groups of 8. \
      (default: a group for each worker)
      """)
  var batch: Int?
  @Option(help: "The sampler: ancestral.")
  var sampler: SamplerName = .ancestral
  @Option(help: "Steps of the reverse process, evenly strided. (default: all T of the training)")
  var steps: Int?
  @Option(
    help: "Variance of a reverse step: fixed_large or fixed_small. (default: the checkpoint's)")
  var variance: ReverseVariance?
  @Flag(help: "Leave the predicted x_0 of each step as it is, instead of forcing it into [-1, 1].")
  var noClip = false
  @Option(help: "The weights: average (over the training) or model (of the last step).")
  var weights: WeightKind = .average
  @Option(
    name: .customLong("init"),
    help: "Start from /x_T, Float32 (N, H, W, C), of this HDF5 file, instead of drawing it.")
  var start: String?
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Where to write the images: one file or several. (default: samples.png)",
      valueName: "FILE.png|.h5|.npz"))
  var out: [String] = []
  @Option(help: "Worker threads of each rank. (default: the cores that the rank may use)")
  var workers: Int?

  func validate() throws {
    for (name, value) in [("count", count), ("batch", batch), ("workers", workers)] {
      if let value, value < 1 || value > Int(Int32.max) {
        throw ValidationError("--\(name) needs a number from 1 to \(Int32.max).")
      }
    }
    if let steps, steps < 1 { throw ValidationError("--steps needs at least 1.") }
    for path in out where OutputKind(path: path) == nil {
      throw ValidationError("--out \(path): the name must end in .png, .h5 or .npz.")
    }
  }

  /// What the command line names, read and checked.
  private struct Inputs {
    let denoiser: Denoiser
    let diffusion: GaussianDiffusion
    let checkpoint: String
    let step: Int
    let starts: NoisyImages?
  }

  func run(_ job: Job) throws {
    let logger = try job.logger()
    let outputs = out.isEmpty ? ["samples.png"] : out
    // One rank looks for the newest checkpoint: a training run may save another one meanwhile.
    let isFirst = try job.communicator().rank == 0
    let newest = try job.together {
      isFirst ? try Denoiser.checkpointPath(ckpt) { logger.warning("\($0)") } : ""
    }
    let file = try job.communicator().broadcast(newest, from: 0)
    let inputs = try job.together { try read(file, isFirst ? outputs : [], logger) }
    let threads = try job.workers(requested: workers)
    let total = count ?? inputs.starts?.count ?? 64
    let communicator = try job.communicator()
    let images = ImageSampler(
      denoiser: inputs.denoiser,
      sampler: AncestralSampler(diffusion: inputs.diffusion, seed: seed, clipping: !noClip),
      communicator: communicator, workers: threads)
    let progress = Progress(isSilent: communicator.rank != 0)
    let began = ContinuousClock.now
    let pixels = try images.images(
      count: total,
      batch: batch ?? Denoiser.groupSize * threads.count * communicator.size,
      starts: inputs.starts?.images
    ) { share in
      progress.show {
        let elapsed = (ContinuousClock.now - began) / .seconds(1)
        return "sampling \(Progress.bar(share)) "
          + "ETA \(Progress.duration(elapsed / share * (1 - share)))"
      }
    }
    let seconds = (ContinuousClock.now - began) / .seconds(1)
    progress.show(isLast: true) {
      "sampled \(total) images in \(Progress.duration(seconds))"
    }
    try job.together {
      guard communicator.rank == 0 else { return }
      for path in outputs {
        try write(pixels, total, inputs, to: path)
        print(path)
      }
    }
  }

  /// Reads everything before any work.
  private func read(_ file: String, _ outputs: [String], _ logger: Logger) throws -> Inputs {
    for path in outputs {
      try AtomicFile.check(target: path)
      if OutputKind(path: path) == .hdf5 { try SampleFile.check(target: path) }
    }
    let (denoiser, checkpoint, step) = try Denoiser.load(path: file, weights) {
      logger.warning("\($0)")
    }
    let starts = try start.map {
      try NoisyImages(path: $0, images: "x_T", shape: denoiser.shape)
    }
    if let count, let starts, starts.count < count {
      throw StorageError.badData(
        path: start ?? "", reason: "has \(starts.count) images, fewer than --count \(count)")
    }
    return Inputs(
      denoiser: denoiser, diffusion: try chain(denoiser.diffusion), checkpoint: checkpoint,
      step: step,
      starts: starts)
  }

  /// The checkpoint's process with the variance and the steps that were asked for.
  private func chain(_ diffusion: GaussianDiffusion) throws(DiffusionError) -> GaussianDiffusion {
    let chosen = GaussianDiffusion(
      schedule: diffusion.schedule, prediction: diffusion.prediction,
      variance: variance ?? diffusion.variance, levels: diffusion.levels)
    return try steps.map { (steps) throws(DiffusionError) in
      try chosen.respaced(to: steps)
    } ?? chosen
  }

  private func write(
    _ pixels: [UInt8], _ total: Int, _ inputs: Inputs, to path: String
  ) throws(StorageError) {
    let (shape, levels) = (inputs.denoiser.shape, inputs.denoiser.levels)
    switch OutputKind(path: path) {
    case .png:
      try ImageGrid(shape: shape, count: total).picture(of: pixels, levels: levels)
        .writePNG(to: path)
    case .numpy:
      // Evaluators expect the full range of a byte.
      let top = levels - 1
      try NumPyArchive.write(
        images: pixels.map { UInt8((Int($0) * 255 + top / 2) / top) }, count: total, shape: shape,
        to: path)
    case .hdf5, nil:
      try SampleFile.write(
        pixels, shape: shape, levels: levels,
        origin: [
          "checkpoint": .string(inputs.checkpoint),
          "step": .integer(inputs.step),
          "weights": .string(weights.rawValue),
          "sampler": .string(sampler.rawValue),
          "steps": .integer(inputs.diffusion.schedule.steps),
          "variance": .string(inputs.diffusion.variance.rawValue),
          "clipping": .integer(noClip ? 0 : 1),
          "seed": .unsigned(seed),
        ], to: path)
    }
  }
}

/// The samplers by the names of the command line.
enum SamplerName: String, CaseIterable, ExpressibleByArgument {
  /// One random step of the chain at a time (Ho, Jain, Abbeel 2020, algorithm 2).
  case ancestral
}

extension WeightKind: ExpressibleByArgument {}
extension ReverseVariance: ExpressibleByArgument {}

@main
enum Main {
  static func main() {
    Job.run { job in
      let command: DDPMSample
      do {
        command = try DDPMSample.parse()
      } catch {
        throw CommandLineEnd(
          text: DDPMSample.fullMessage(for: error),
          exitCode: DDPMSample.exitCode(for: error).rawValue)
      }
      try command.run(job)
    }
  }
}
