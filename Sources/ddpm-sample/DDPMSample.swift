// ddpm-sample: images from a checkpoint.

import ArgumentParser
import Diffusion
import Foundation
import HDF5
import Models
import Parallel
import Sampling
import Storage
import Tensors
import Training

/// The command `ddpm-sample`.
struct DDPMSample: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ddpm-sample",
    abstract: "Draw images from a trained checkpoint.",
    discussion: """
      ddpm-sample --ckpt runs/digits --count 64 --out digits.png --out digits.npz
      ddpm-sample --ckpt runs/mnist --sampler ddim --steps 50

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
  @Option(
    help: ArgumentHelp(
      "The sampler: \(Self.samplers). (default: \(SamplerKind.all[0].name))", valueName: "name"))
  var sampler: String?
  @Option(help: "Steps of the reverse process. (default: all T of the training)")
  var steps: Int?
  @Option(
    help: ArgumentHelp(
      """
      Which steps: \(TimestepGrid.named.map(\.name).joined(separator: ", ")), or a list such as \
      1,250,500,1000. (default: linspace for ancestral, else trailing)
      """, valueName: "name"))
  var grid: TimestepGrid?
  @Option(help: "The noise of ddim's steps, from 0 (none) to 1 (ancestral). (default: 0)")
  var eta: Double?
  @Option(
    help: """
      Variance of ancestral's steps: fixed_large or fixed_small. (default: the checkpoint's; \
      fixed_small with fewer than T steps)
      """)
  var variance: ReverseVariance?
  @Flag(help: "Leave the predicted x_0 of each step as it is, instead of forcing it into [-1, 1].")
  var noClip = false
  @Option(
    help: ArgumentHelp(
      """
      The weights: average (over the training), model (of the last step), or one of \
      average_lengths, as average_0.05.
      """, valueName: "name"))
  var weights: WeightKind = .ema
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

  private static var samplers: String {
    SamplerKind.all.map { "\($0.name), \($0.help)" }.joined(separator: "; ")
  }

  func validate() throws {
    let largest = Int(Int32.max)
    for (name, value, largest) in [
      ("count", count, largest), ("batch", batch, largest),
      ("workers", workers, Workers.largestCount),
    ] {
      if let value, value < 1 || value > largest {
        throw ValidationError("--\(name) needs a number from 1 to \(largest).")
      }
    }
    if let steps, steps < 1 { throw ValidationError("--steps needs at least 1.") }
    do {
      _ = try sampler.map(SamplerKind.init(named:))
    } catch {
      throw ValidationError("\(error)")
    }
    for path in out where Self.kind(of: path) == nil {
      throw ValidationError("--out \(path): the name must end in .png, .h5 or .npz.")
    }
  }

  /// The kinds of files that images can be written to.
  private static let kinds: [OutputKind] = [.picture, .samples, .archive]

  /// The kind of file that a name stands for; nil for an ending that stands for none.
  private static func kind(of path: String) -> OutputKind? {
    kinds.first { $0.fits(path) }
  }

  func run(_ job: Job) throws {
    let logger = try job.logger()
    let communicator = try job.communicator()
    let isFirst = communicator.rank == 0
    let outputs = out.isEmpty ? ["samples.png"] : out
    try job.together { if isFirst { try check(outputs) } }
    let loaded = try TrainedModel.load(path: ckpt, weights, job) { logger.warning("\($0)") }
    let starts = try starts(loaded.trained, job)
    let threads = try job.workers(requested: workers)
    let images = try job.together {
      try ImageSampler(
        loaded.trained, options(starts),
        ImageGroups(communicator: communicator, workers: threads))
    }
    for note in images.generation.notes { logger.notice("\(note)") }
    let total = count ?? starts.map { $0.count / loaded.trained.shape.count } ?? 64
    let progress = Progress(isSilent: !isFirst)
    let began = ContinuousClock.now
    let pixels = try images.images(
      count: total, together: batch ?? ImageGroups.size * threads.count * communicator.size
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
      guard isFirst else { return }
      for path in outputs { try write(pixels, total, images, loaded, to: path) }
      // Afterwards: that their names cannot be printed must not cost files.
      try StandardStreams.print(outputs.map { $0 + "\n" }.joined())
    }
  }

  /// Refuses outputs that cannot be written, before any work.
  private func check(_ outputs: [String]) throws {
    for path in outputs {
      try Self.kind(of: path)?.check(target: path, inputs: [ckpt, start].compactMap(\.self))
    }
  }

  /// x_T of each image, read on the first rank for all; nil where it is drawn.
  private func starts(_ trained: TrainedModel, _ job: Job) throws -> [Float]? {
    guard let start else { return nil }
    let communicator = try job.communicator()
    let read = try job.together { () throws -> NoisyImages? in
      guard communicator.rank == 0 else { return nil }
      let noisy = try NoisyImages(path: start, images: "x_T", shape: trained.shape)
      if let count, noisy.count < count {
        throw StorageError.badData(
          path: start, reason: "has \(noisy.count) images, fewer than --count \(count)")
      }
      return noisy
    }
    return try communicator.broadcast(read?.images ?? [], from: 0)
  }

  private func options(_ starts: [Float]?) -> GenerationOptions {
    var options = GenerationOptions()
    options.seed = seed
    options.sampler = sampler
    options.samplerOptions.steps = steps
    options.samplerOptions.grid = grid
    options.samplerOptions.eta = eta
    options.samplerOptions.variance = variance
    options.clipping = noClip ? Clipping.none : .range
    options.task = .images(from: starts.map(SampleStart.given) ?? .drawn)
    return options
  }

  private func write(
    _ pixels: [UInt8], _ total: Int, _ images: ImageSampler, _ loaded: TrainedModel.Loaded,
    to path: String
  ) throws(StorageError) {
    let (shape, format) = (loaded.trained.shape, loaded.trained.format)
    switch Self.kind(of: path) {
    case .picture:
      try ImageGrid(shape: shape, count: total).picture(of: pixels, format).writePNG(to: path)
    case .archive:
      try NumPyArchive.write(images: pixels, count: total, shape: shape, format: format, to: path)
    default:
      let origin: [String: AttributeValue] = [
        "checkpoint": .string(loaded.path), "step": .integer(loaded.step),
        "weights": .string(weights.rawValue), "seed": .unsigned(seed),
      ]
      try SampleFile.write(
        pixels, shape: shape, format: format,
        origin: origin.merging(images.generation.facts.mapValues(AttributeValue.init)) { $1 },
        to: path)
    }
  }
}

extension AttributeValue {
  /// A fact as an attribute of a file.
  fileprivate init(_ fact: Fact) {
    switch fact {
    case .text(let text): self = .string(text)
    case .integer(let number): self = .integer(number)
    case .number(let number): self = .double(number)
    }
  }
}

extension TimestepGrid: ExpressibleByArgument {
  /// The rule of a name, or a list.
  public init?(argument: String) { self.init(argument) }
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
        let refusal = RepeatedOption.refusal(
          in: CommandLine.arguments.dropFirst(), describedBy: DDPMSample._dumpHelp())
        if let refusal { throw ValidationError(refusal) }
      } catch {
        throw CommandLineEnd(
          text: DDPMSample.fullMessage(for: error),
          exitCode: DDPMSample.exitCode(for: error).rawValue)
      }
      try command.run(job)
    }
  }
}
