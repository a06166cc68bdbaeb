// ddpm-dist evaluate: what images cost by a trained model, on all ranks.

import ArgumentParser
import Diffusion
import MPI
import Models
import Parallel
import Storage
import Tensors
import Training

/// `ddpm-dist evaluate`.
struct Evaluate: JobCommand {
  static let configuration = CommandConfiguration(
    abstract: "Evaluate the bound of a trained model on images, term by term.",
    discussion: """
      METHODS: \(DenoisingDiffusion.EvaluationMethod.all.map { "\($0.name), \($0.help)" }
        .joined(separator: "; ")).

      Costs are bits per dimension where images have grey levels, else nats of an image. With \
      --output the numbers of finished images are kept beside the first file every half minute, so \
      that the same command goes on after an interruption. The results have the same bits on any ranks.
      """)

  @OptionGroup var images: EvaluatedImages
  @OptionGroup var log: LogOptions
  @Option(
    help: """
      The operands of products: float32, or bfloat16, rounded ones, which CPUs with AVX-512 BF16 multiply \
      faster and the bound is a little off with.
      """)
  var precision: Precision = .float32
  @Option(
    help: ArgumentHelp(
      "How images are evaluated. (default: \(DenoisingDiffusion.EvaluationMethod.all[0].name))",
      valueName: "name"))
  var method: String?
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      """
      Variances of the reverse steps: fixed_large, fixed_small, learned, analytic; one or several. \
      (default: all that the model has)
      """, valueName: "name"))
  var variance: [ReverseVariance] = []
  @Option(
    help: """
      The steps of a sub-sequence, or of a bound beside that in continuous time. (default: all T of \
      the training)
      """)
  var steps: Int?
  @Option(
    help: ArgumentHelp(
      """
      Which steps: \(TimestepGrid.named.map(\.name).joined(separator: ", ")), a list such as \
      1,250,500,1000, or optimal, those with the best bound. (default: linspace)
      """, valueName: "name"))
  var grid: EvaluationGrid?
  @Flag(
    inversion: .prefixedNo,
    help: "Force the predicted x_0 into [-1, 1]. (default: where images have grey levels)")
  var clip: Bool?
  @Option(
    help: """
      Trajectories of an image in the method neighbours, probes in flow, draws of latents, times in \
      the bound of vdm. (default: 2, 1, 50 and 16)
      """)
  var draws: Int?
  @Option(
    help: ArgumentHelp(
      "The error of a step of the integration in the method flow. (default: 1e-5)",
      valueName: "number"))
  var tolerance: Double?
  @Option(
    help: ArgumentHelp(
      """
      Of a model=vae or hierarchical_vae: how many draws of an image give the importance-weighted bound, \
      which is tighter the more there are. (default: no such bound, and 50 draws for the other)
      """, valueName: "K"))
  var importanceSamples: Int?
  @Option(
    help: ArgumentHelp(
      """
      Of a model that is told what images show: evaluate it told (given), not told (dropped), or \
      both and what that tells. (default: both)
      """, valueName: "name"))
  var condition: EvaluatedCondition?
  @Option(help: .timeLimit)
  var timeLimit: String?
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Where to write the results: a table, JSON, HDF5, a picture of the terms; one or several.",
      valueName: "FILE.csv|.json|.h5|.svg"),
    completion: .file(extensions: ["csv", "json", "h5", "svg"]))
  var output: [String] = []
  @Flag(help: .force)
  var force = false

  func validate() throws {
    try requireTimeLimit(timeLimit)
    for path in output where !EvaluationReport.kinds.contains(where: { $0.fits(path) }) {
      let endings = EvaluationReport.kinds.flatMap(\.endings).joined(separator: " or ")
      throw ValidationError("--output \(path): the name must end in \(endings).")
    }
  }

  func run(_ job: Job) throws {
    log.apply()
    let logger = try job.logger()
    let isFirst = try job.communicator().rank == 0
    try job.together {
      guard isFirst else { return }
      for path in output {
        try EvaluationReport.kinds.first { $0.fits(path) }?
          .check(target: path, inputs: images.inputs, isForced: force)
      }
    }
    let loaded = try images.load(job, precision: precision) { logger.warning("\($0)") }
    let evaluation = try job.together {
      try loaded.trained.require((any Likelihood).self, to: "tell what an image costs")
        .evaluation(options)
    }
    for note in evaluation.notes { logger.notice("\(note)") }
    let request = try images.request(
      loaded, job, isTold: condition != .dropped, workFile: output.first.map { "\($0).unfinished" })
    let groups = ImageGroups(
      communicator: try job.communicator(), workers: try job.workers(requested: images.workers))
    let run = EvaluationRun(
      loaded.trained, evaluation, request, groups, logger: logger,
      stop: StopRequest(try job.communicator(), file: nil, timeLimit: timeLimit))
    let measurements = try run.measure()
    try job.together {
      guard isFirst else { return }
      let facts = images.facts(loaded, request).merging(evaluation.facts) { $1 }
      let report = EvaluationReport(
        evaluation.results(of: measurements), facts: facts, count: measurements.count,
        truth: request.truth, shape: loaded.trained.shape, format: loaded.trained.format)
      for path in output { try report.write(to: path) }
      run.finish()
      try StandardStreams.print(report.text() + output.map { $0 + "\n" }.joined())
    }
  }

  private var options: EvaluationOptions {
    var options = EvaluationOptions()
    options.method = method
    options.variances = variance
    options.steps = steps
    options.grid = grid
    options.clipping = clip
    options.draws = draws
    options.tolerance = tolerance
    options.condition = condition
    options.importanceSamples = importanceSamples
    return options
  }
}

/// Which checkpoint is evaluated on which images: the options of all commands that do.
struct EvaluatedImages: ParsableArguments {
  @Option(help: "A checkpoint, or a run folder: its newest good checkpoint.", completion: .hdf5)
  var ckpt: String
  @Option(
    help: "The dataset, an HDF5 file, or digits, the embedded ones. (default: digits)",
    completion: .hdf5)
  var data: String?
  @Option(help: "The group of a file with several splits, such as /train.")
  var group: String?
  @Option(
    help: """
      The images train, which the run has trained on, validation, which it has held out at the \
      dataset's end, or all.
      """)
  var part = Part.all
  @Option(help: "The first so many images of the part only. (default: all)")
  var count: Int?
  @Option(
    help: ArgumentHelp(
      """
      The weights: average (over the training), model (of the last step), or one of \
      average_lengths, as average_0.05.
      """, valueName: "name"))
  var weights: WeightKind = .ema
  @Option(help: "The seed of all random numbers.")
  var seed: UInt64 = 1
  @Option(help: "Worker threads of each rank. (default: the cores that the rank may use)")
  var workers: Int?

  func validate() throws {
    if let count, count < 1 { throw ValidationError("--count needs at least 1.") }
    if let workers, !(1...Workers.largestCount).contains(workers) {
      throw ValidationError("--workers needs a number from 1 to \(Workers.largestCount).")
    }
  }

  /// The files that are read.
  var inputs: [String] { [ckpt] + [data].compactMap(\.self) }

  /// The model; collective.
  func load(
    _ job: Job, precision: Precision = .float32, report: (String) -> Void
  ) throws -> TrainedModel.Loaded {
    try TrainedModel.load(path: ckpt, weights, precision: precision, job, report: report)
  }

  /// The images, which must be such as the model was trained on; collective.
  ///
  /// - Parameter isTold: Whether the model is told what they show, if it can be.
  func request(
    _ loaded: TrainedModel.Loaded, _ job: Job, isTold: Bool = true, workFile: String? = nil
  ) throws -> EvaluationRequest {
    try job.together {
      let dataset =
        try data.map { $0 == "digits" ? try .digits() : try ImageDataset(path: $0, group: group) }
        ?? .digits()
      try loaded.trained.requireImages(of: dataset)
      var part = try part.images(of: dataset, heldOut: loaded.heldOut)
      if let count {
        guard count <= part.count else {
          throw StorageError.badData(
            path: dataset.path, reason: "has \(part.count) such images, fewer than --count \(count)"
          )
        }
        part = part.lowerBound..<part.lowerBound + count
      }
      let conditions =
        isTold ? try ImageConditions(dataset, loaded.conditioning) : ImageConditions.none
      return EvaluationRequest(dataset, part, conditions, seed: seed, workFile: workFile)
    }
  }

  /// What was evaluated, for the files that hold the results.
  func facts(_ loaded: TrainedModel.Loaded, _ request: EvaluationRequest) -> [String: Fact] {
    var facts: [String: Fact] = [
      "checkpoint": .text(loaded.path), "step": .integer(loaded.step),
      "weights": .text(weights.rawValue), "data": .text(request.dataset.path),
      "part": .text(part.rawValue),
      "first_image": .integer(request.part.lowerBound), "seed": .text("\(seed)"),
    ]
    let precision = loaded.trained.precision
    if precision != .float32 { facts["precision"] = .text(precision.rawValue) }
    return facts
  }
}

/// Some of a dataset's images, by what training did with them.
enum Part: String, ExpressibleByArgument, CaseIterable {
  case train, validation, all

  /// - Throws: `StorageError.badData` where there are none.
  func images(of dataset: ImageDataset, heldOut: Int) throws(StorageError) -> Range<Int> {
    if self == .all { return 0..<dataset.count }
    guard self == .train || heldOut > 0 else {
      throw .badData(
        path: dataset.path,
        reason:
          "has no part validation: the run has trained on all of its images, or was validated "
          + "on a file of their own; name that one with --data")
    }
    guard heldOut < dataset.count else {
      throw .badData(
        path: dataset.path,
        reason: "has \(dataset.count) images, but \(heldOut) were held out in training; name the "
          + "dataset of the run with --data")
    }
    let border = dataset.count - heldOut
    return self == .train ? 0..<border : border..<dataset.count
  }
}

extension ReverseVariance: ExpressibleByArgument {}
extension EvaluatedCondition: ExpressibleByArgument {}

extension EvaluationGrid: ExpressibleByArgument {
  /// The name of a rule, a list, or `optimal`.
  public init?(argument: String) {
    if argument == "optimal" {
      self = .optimal
    } else if let rule = TimestepGrid(argument) {
      self = .rule(rule)
    } else {
      return nil
    }
  }
}

extension Precision: ExpressibleByArgument {}
