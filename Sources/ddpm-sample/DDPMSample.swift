// ddpm-sample: images from a checkpoint.

import ArgumentParser
import Diffusion
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
      ddpm-sample --ckpt runs/mnist --sampler dpm-solver++ --steps 20
      ddpm-sample --ckpt runs/mnist --images 0-49999 --out samples/ --resume
      ddpm-sample --ckpt runs/digits-classes --class all --guidance 2

      SAMPLERS: \(SamplerKind.all.map { "\($0.name), \($0.help)" }.joined(separator: "; ")).

      A model=vae or hierarchical_vae shows the decoder's mean of each image, or with --sampler draw a \
      draw of what it says; an autoencoder has only --reconstruct.

      Images that are made from others stand right of these in a .png.

      Image i depends on the checkpoint, the sampler, the seed and i alone: not on --batch, \
      --workers or the ranks of mpirun -n N ddpm-sample.
      """,
    version: ProgramBuild.versionText)

  @Option(
    help: "A checkpoint, or a run folder: its newest good checkpoint.",
    completion: .file(extensions: ["h5"]))
  var ckpt: String
  @Option(
    help: ArgumentHelp(
      """
      The weights: average (over the training), model (of the last step), or one of \
      average_lengths, as average_0.05.
      """, valueName: "name"))
  var weights: WeightKind = .ema
  @Option(
    help: ArgumentHelp(
      "The autoencoder of a diffusion of latents, where it is not where training found it.",
      valueName: "CKPT"),
    completion: .file(extensions: ["h5"]))
  var latent: String?
  @Option(
    help: ArgumentHelp(
      """
      The operands of products: float32, or bfloat16, rounded ones, which CPUs with AVX-512 BF16 \
      multiply faster.
      """))
  var precision: Precision = .float32
  @Option(help: "The seed of all random numbers.")
  var seed: UInt64 = 1

  @OptionGroup(title: "WHICH IMAGES") var which: WhichImages
  @OptionGroup(title: "WHAT THEY SHOW") var what: ConditionArguments
  @OptionGroup(title: "SAMPLER") var how: SamplerArguments
  @OptionGroup(title: "IMAGES FROM OTHERS") var task: TaskArguments
  @OptionGroup(title: "OUTPUT") var output: OutputArguments

  @Option(help: "Worker threads of each rank. (default: the cores that the rank may use)")
  var workers: Int?

  func validate() throws {
    if let workers, !(1...Workers.largestCount).contains(workers) {
      throw ValidationError("--workers needs a number from 1 to \(Workers.largestCount).")
    }
    if output.trajectory, task.frames == 1 {
      throw ValidationError("--frames needs at least 2 with --trajectory.")
    }
    if task.frames != nil, task.interpolate == nil, task.walk == nil, !output.trajectory {
      throw ValidationError("--frames goes with --interpolate, --walk or --trajectory.")
    }
  }
}

/// Which images are drawn.
struct WhichImages: ParsableArguments {
  @Option(
    help: """
      The number of images. (default: 64, or as many as --init has; as --encode, --inpaint or \
      --from has, at most 64; the --frames of --interpolate, or those of --walk squared; 8 of each of several \
      classes)
      """)
  var count: Int?
  @Option(
    help: ArgumentHelp(
      """
      The numbers of the images instead of a count, from the first to the last, as 25000-49999: \
      parts of a job that can be joined.
      """, valueName: "A-B"))
  var images: ImageNumbers?
  @Option(
    help: """
      Images that are drawn together, over all ranks; rounded up to whole groups of 8. \
      (default: a group for each worker)
      """)
  var batch: Int?

  func validate() throws {
    let largest = Int(Int32.max)
    for (name, value) in [("count", count), ("batch", batch)] {
      if let value, value < 1 || value > largest {
        throw ValidationError("--\(name) needs a number from 1 to \(largest).")
      }
    }
    if count != nil, images != nil {
      throw ValidationError("--count and --images both say which images: leave one out.")
    }
  }
}

/// Numbers of images on a command line, `A-B`.
struct ImageNumbers: ExpressibleByArgument {
  let range: Range<Int>

  init?(argument: String) {
    let ends = argument.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
    guard ends.count == 2, let first = ends[0], let last = ends[1], first >= 0, first <= last,
      last < Int(Int32.max)
    else { return nil }
    range = first..<last + 1
  }
}

/// How images are drawn.
struct SamplerArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      The sampler: \(SamplerKind.all.map(\.name).joined(separator: ", ")). (default: ancestral; \
      ddim with --encode and --interpolate; of models with latents mean)
      """, valueName: "name"))
  var sampler: String?
  @Option(
    help: """
      Steps of the reverse process; of rk45, the most that an image may take. (default: all T of the \
      training; 20 for dpm-solver++, sde-dpm-solver++ and unipc, 18 for heun and euler, 1000 for rk45)
      """)
  var steps: Int?
  @Option(
    help: ArgumentHelp(
      """
      Which steps: \(TimestepGrid.named.map(\.name).joined(separator: ", ")), or a list such as \
      1,250,500,1000. (default: linspace for ancestral, karras for heun and euler, else trailing)
      """, valueName: "name"))
  var grid: String?
  @Option(
    help: """
      The noise of the steps of ddim and analytic-ddim, from 0 (none) to 1 (ancestral). (default: 0)
      """)
  var eta: Double?
  @Option(
    help: """
      Variance of the steps of ancestral and predictor-corrector: fixed_large, fixed_small, learned \
      or analytic. (default: the checkpoint's; fixed_small for fixed_large with fewer than T steps)
      """)
  var variance: ReverseVariance?
  @Option(help: "The order of dpm-solver++ and unipc: 1, 2 or 3. (default: 2)")
  var order: Int?
  @Option(
    help: ArgumentHelp(
      "The error that rk45 may make in a step. (default: 1e-5)", valueName: "number"))
  var tolerance: Double?
  @Option(
    help: ArgumentHelp(
      """
      The steps of predictor-corrector's corrector: its noise in units of the score. \
      (default: 0.16)
      """, valueName: "ratio"))
  var snr: Double?
  @Flag(help: "Leave the predicted x_0 of each step as it is, instead of forcing it into [-1, 1].")
  var noClip = false
  @Option(
    help: ArgumentHelp(
      """
      Instead of forcing it into [-1, 1], shrink each predicted image such that this share of its \
      values is within, as 0.995.
      """, valueName: "share"))
  var dynamicThreshold: Double?

  func validate() throws {
    do {
      if let sampler, !LatentVariableModel.samplers.contains(sampler) {
        _ = try SamplerKind(named: sampler)
      }
      try options.check()
    } catch SamplerError.unknown(let name) {
      let names = SamplerKind.all.map(\.name)
      throw ValidationError(
        "\(SamplerError.unknown(name))" + Self.hint(for: name, among: names))
    } catch {
      throw ValidationError("\(error)")
    }
    if let grid, TimestepGrid(grid) == nil {
      let names = TimestepGrid.named.map(\.name)
      throw ValidationError(
        "There is no grid '\(grid)': choose one of \(names.joined(separator: ", ")), or give a "
          + "list such as 1,250,500."
          + Self.hint(for: grid, among: names))
    }
    if let dynamicThreshold {
      guard dynamicThreshold > 0, dynamicThreshold <= 1 else {
        throw ValidationError(
          "--dynamic-threshold needs a share above 0 and at most 1, not \(dynamicThreshold).")
      }
      if noClip {
        throw ValidationError("--no-clip and --dynamic-threshold exclude each other.")
      }
    }
  }

  private static func hint(for word: String, among words: [String]) -> String {
    suggestion(for: word, among: words).map { " Did you mean \($0)?" } ?? ""
  }

  /// What the sampler is told.
  var options: SamplerOptions {
    var options = SamplerOptions()
    options.steps = steps
    options.grid = grid.flatMap { TimestepGrid($0) }
    options.eta = eta
    options.variance = variance
    options.order = order
    options.tolerance = tolerance
    options.snr = snr
    return options
  }

  /// What keeps x̂_0 in the range; nil: the task's default.
  var clipping: Clipping? {
    if noClip { return Clipping.none }
    return dynamicThreshold.map { .dynamic(share: $0) }
  }
}

/// What images are made from, if not from noise that the seed draws.
struct TaskArguments: ParsableArguments {
  @Option(
    name: .customLong("init"),
    help: "Start from /x_T, Float32 (N, H, W, C), of this HDF5 file, instead of drawing it.",
    completion: .file(extensions: ["h5"]))
  var start: String?
  @Option(
    help: ArgumentHelp(
      "Go from the images of one seed to those of another, in --frames images.",
      valueName: "SEED,SEED"))
  var interpolate: SeedPair?
  @Option(
    help: ArgumentHelp(
      """
      Of a model with latents: a square of --frames × --frames images across the quantiles of two \
      latents of the last layer, counted from 1, to the right and down; all others are 0.
      """, valueName: "LATENT,LATENT"))
  var walk: LatentPair?
  @Option(
    help: """
      The images of an interpolation or of a side of a --walk, or the moments of a --trajectory. \
      (default: 8; 15 with --walk)
      """)
  var frames: Int?
  @Option(
    name: [.customLong("encode"), .customLong("reconstruct")],
    help: ArgumentHelp(
      """
      Take images of a dataset to x_T and back by ddim, or to their latents and back, and say how much \
      is lost; .h5 files hold x_T or the latents. Nothing is clipped, unless --dynamic-threshold says so.
      """, valueName: "DATA"),
    completion: .file(extensions: ["h5"]))
  var encode: String?
  @Option(
    help: ArgumentHelp(
      "Paint a part of a dataset's images anew, where the --mask is white.", valueName: "DATA"),
    completion: .file(extensions: ["h5"]))
  var inpaint: String?
  @Option(
    help: ArgumentHelp(
      "A PNG file of the images' size: white is painted anew, black is kept.",
      valueName: "FILE.png"),
    completion: .file(extensions: ["png"]))
  var mask: String?
  @Option(
    help: """
      How often --inpaint goes each part of its way, so that the painted part fits the rest: it takes \
      nearly so many times its --steps. (default: 10)
      """)
  var repeats: Int?
  @Option(
    name: .customLong("from"),
    help: ArgumentHelp(
      "Draw variations of a dataset's images: from --noise-level on.", valueName: "DATA"),
    completion: .file(extensions: ["h5"]))
  var origin: String?
  @Option(
    help: ArgumentHelp(
      "How much noise --from adds: a step of the training, from 1 (none) to T (nothing is left).",
      valueName: "t"))
  var noiseLevel: Int?
  @Option(help: "The group of a DATA file with several splits, such as /train.")
  var group: String?

  /// The dataset that images are made from.
  var data: String? { encode ?? inpaint ?? origin }

  func validate() throws {
    let tasks = [
      ("init", start != nil), ("interpolate", interpolate != nil), ("walk", walk != nil),
      ("encode", encode != nil),
      ("inpaint", inpaint != nil), ("from", origin != nil),
    ].filter(\.1).map { "--\($0.0)" }
    if tasks.count > 1 {
      throw ValidationError("\(tasks.joined(separator: " and ")) exclude each other.")
    }
    for (option, isSet, needs, isThere) in [
      ("mask", mask != nil, "inpaint", inpaint != nil),
      ("repeats", repeats != nil, "inpaint", inpaint != nil),
      ("noise-level", noiseLevel != nil, "from", origin != nil),
      ("group", group != nil, "encode, --inpaint or --from", data != nil),
    ] where isSet && !isThere {
      throw ValidationError("--\(option) goes with --\(needs).")
    }
    if inpaint != nil, mask == nil {
      throw ValidationError("--inpaint needs a --mask: a PNG file, white where to paint.")
    }
    if origin != nil, noiseLevel == nil {
      throw ValidationError("--from needs a --noise-level: a step from 1 to T.")
    }
    for (option, value, largest) in [("frames", frames, 1000), ("repeats", repeats, 1000)] {
      if let value, !(1...largest).contains(value) {
        throw ValidationError("--\(option) needs a number from 1 to \(largest).")
      }
    }
  }
}

/// Two seeds on a command line, `A,B`.
struct SeedPair: ExpressibleByArgument {
  let first: UInt64
  let second: UInt64

  init?(argument: String) {
    let seeds = argument.split(separator: ",", omittingEmptySubsequences: false)
      .map { UInt64($0) }
    guard seeds.count == 2, let first = seeds[0], let second = seeds[1] else { return nil }
    (self.first, self.second) = (first, second)
  }
}

/// Two latents on a command line, `A,B`, counted from 1.
struct LatentPair: ExpressibleByArgument {
  let across: Int
  let down: Int

  init?(argument: String) {
    let latents = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard latents.count == 2, let across = latents[0], let down = latents[1],
      across > 0, down > 0, across != down
    else { return nil }
    (self.across, self.down) = (across, down)
  }
}

/// Where images go.
struct OutputArguments: ParsableArguments {
  /// How messages look.
  enum LogFormat: String, ExpressibleByArgument, CaseIterable { case text, json }

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      """
      Where to write the images: a picture of all, an HDF5 file, an npz file, or a folder for one PNG \
      file an image; one or several. Files of the same kind are replaced. (default: samples.png)
      """, valueName: "FILE.png|.h5|.npz|DIR/"),
    completion: .file(extensions: ["png", "h5", "npz"]))
  var out: [String] = []
  @Flag(help: "Replace a file of another kind too; never an input, a folder or a device.")
  var force = false
  @Flag(
    help: """
      Keep x_t and the predicted x_0 along the way, from T on the left: two rows for each image of \
      a .png, as /t, /x_t and /x_0 of an .h5.
      """)
  var trajectory = false
  @Flag(
    help: """
      Go on where an earlier job of the same images was ended; begin where there was none. The files \
      are those of a job that was not interrupted.
      """)
  var resume = false

  @Option(
    help: ArgumentHelp(
      """
      Stop in time, with everything kept for --resume and exit code 75: minutes, or \
      hours:minutes:seconds, from the start of the process. (default: none, but Slurm's end of the job)
      """, valueName: "11:50:00"))
  var timeLimit: String?
  @Flag(help: "Say warnings and errors only.")
  var quiet = false
  @Option(help: "Messages on stderr as text, or each as a JSON object in a line.")
  var logFormat = LogFormat.text

  /// Where images go.
  var outputs: [SampleOutput] {
    (out.isEmpty ? ["samples.png"] : out).compactMap { SampleOutput($0) }
  }

  func validate() throws {
    if let fault = TimeLimit.fault(in: timeLimit) { throw ValidationError(fault) }
    for path in out where SampleOutput(path) == nil {
      throw ValidationError(
        "--out \(path): the name must end in .png, .h5 or .npz, or in / for a folder.")
    }
    for (place, path) in out.enumerated() where out[..<place].contains(path) {
      throw ValidationError("--out \(path): is named twice.")
    }
    let canShowWays = outputs.contains { output in
      switch output {
      case .picture, .samples: true
      case .archive, .folder: false
      }
    }
    if trajectory, !canShowWays {
      throw ValidationError("--trajectory needs an --out FILE.png or FILE.h5, which can hold it.")
    }
  }
}

extension Precision: ExpressibleByArgument {}
extension WeightKind: ExpressibleByArgument {}
extension ReverseVariance: ExpressibleByArgument {}

@main
enum Main {
  static func main() {
    Job.run(listening: true) { job in
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
