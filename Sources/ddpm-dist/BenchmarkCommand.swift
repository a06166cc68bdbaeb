// ddpm-dist benchmark: how fast this machine trains, on all ranks.

import ArgumentParser
import Benchmark
import Foundation
import Storage
import Tensors
import Training

/// `ddpm-dist benchmark`: how fast this machine trains, on all ranks.
struct BenchmarkCommand: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "benchmark",
    abstract: "Measure the speed of training, of the network, of the exchange and of reading.",
    discussion: """
      mpirun -n 4 ddpm-dist benchmark --config configs/cifar10.yaml --images 32x32x3 --batch 16

      PARTS: step is a whole training step; evaluation the network without a gradient, as in \
      sampling, in groups of 8 images; exchange the sum of the gradients and the gathering of the \
      weights by themselves, beside the MPI library's all-reduce, with a fit of alpha + beta x bytes \
      to messages of growing size; reading the images in the order of training. A round that warms \
      up comes before those that count; times are those of the slowest rank.

      GFLOP are 2 x the multiply-adds of convolutions, linear layers and attention by definition, \
      whatever algorithm computes them; a training step counts three times forward. Shares are of \
      the time of all workers.

      With --paced, another program decides when a round runs. When everything is ready, one line \
      of JSON says so, {"ready":true,"program":"ddpm-dist","parameters":...,"batch":..., \
      "workers":...,"ranks":...,"peak_memory_bytes":...}, workers being those of all ranks; then \
      each line "step" or "evaluation" on standard input is answered by a round of --steps steps or \
      evaluations and a line {"part":"step","images":...,"seconds":...,"images_per_second":..., \
      "peak_memory_bytes":...}, images being those of the round. "quit" is answered by \
      {"quit":true,"peak_memory_bytes":...}; it or the end of the input ends the program. Nothing \
      is profiled, and ranks sleep between rounds.
      """)

  @Option(
    help: "A YAML file of settings, such as configs/cifar10.yaml.",
    completion: .file(extensions: ["yaml", "yml"]))
  var config: String?
  @Option(
    help: "The dataset, an HDF5 file. (default: the configuration's, else the embedded digits)",
    completion: .hdf5)
  var data: String?
  @Option(
    help: ArgumentHelp(
      "Random images instead of a dataset, as in 32x32x3.", valueName: "rows x columns x channels"))
  var images: ImageShape?
  @Option(
    help: """
      Images of a step and of an evaluation, over all ranks. (default: the configuration's a step; \
      16 an evaluation, or 8 for each of more than two workers)
      """)
  var batch: Int?
  @Option(help: "Worker threads of each rank. (default: the cores that the rank may use)")
  var workers: Int?
  @Option(
    help: """
      What to measure, in this order, with commas between. (default: step,evaluation,exchange,reading; with \
      --paced step,evaluation)
      """)
  var parts: PartList?
  @Option(help: "Rounds that count.")
  var rounds = 5
  @Option(help: "Training steps or evaluations of a round.")
  var steps = 1
  @Option(
    help: "Write the results as JSON to this file; - prints them instead of the table.",
    completion: .file(extensions: ["json"]))
  var json: String?
  @Flag(help: .force)
  var force = false
  @Flag(help: "Wait for another program's word before each round; see above.")
  var paced = false
  @Option(
    name: .customLong("set"), parsing: .upToNextOption,
    help: ArgumentHelp(
      "Change settings, one or several, as for ddpm-dist train.", valueName: "key=value"),
    completion: .settings)
  var settings: [String] = []

  func validate() throws {
    if data != nil, images != nil {
      throw ValidationError("--data and --images exclude each other.")
    }
    if let batch, batch < 1 { throw ValidationError("--batch needs at least 1.") }
    if rounds < 1 { throw ValidationError("--rounds needs at least 1.") }
    if steps < 1 { throw ValidationError("--steps needs at least 1.") }
    if let json, json != "-", let fault = OutputKind.report.fault(inName: json) {
      throw ValidationError("--json \(fault)")
    }
    guard paced else { return }
    if json != nil { throw ValidationError("--paced prints JSON by itself; leave --json out.") }
    if parts?.parts.contains(where: { $0 != .step && $0 != .evaluation }) ?? false {
      throw ValidationError("--paced measures step and evaluation only.")
    }
  }

  func run(_ job: Job) throws {
    let logger = try job.logger()
    var options = BenchmarkRun.Options()
    options.training.configurationPath = config
    options.training.assignments = settings
    for (key, value) in [("data", data), ("batch", batch.map(String.init))] {
      if let value { options.training.overrides.append((key, value)) }
    }
    if let workers { options.training.overrides.append(("workers", "\(workers)")) }
    try job.together { [training = options.training] in
      try RepeatedKeys.requireNone(assignments: training.assignments, options: training.overrides)
    }
    options.images = images
    options.parts = parts?.parts ?? (paced ? [.step, .evaluation] : BenchmarkRun.Part.allCases)
    options.evaluationBatch = batch
    options.rounds = rounds
    options.stepsPerRound = steps
    if paced {
      let benchmark = try BenchmarkRun(options, isProfiled: false, job: job, logger: logger)
      return try benchmark.serve {
        readLine()
      } output: { line in
        try StandardStreams.print("\(line)\n")
      }
    }

    let benchmark = try BenchmarkRun(options, job: job, logger: logger)
    if let json, json != "-" {
      try job.onFirstRank {
        try OutputKind.report.check(target: json, inputs: benchmark.inputs, isForced: force)
      }
    }
    let report = try benchmark.run()
    try job.onFirstRank {
      let text = try report.json()
      if let json, json != "-" { try AtomicFile.write(text, to: json) }
      try StandardStreams.print(json == "-" ? text : report.table)
    }
  }
}

/// The parts of a benchmark, as in `step,evaluation`.
struct PartList: ExpressibleByArgument {
  let parts: [BenchmarkRun.Part]

  init?(argument: String) {
    let names = argument.split(separator: ",", omittingEmptySubsequences: false)
    let parts = names.compactMap { BenchmarkRun.Part(rawValue: String($0)) }
    guard parts.count == names.count, Set(parts).count == parts.count else { return nil }
    self.parts = parts
  }
}

/// The extents of an image, as in `32x32x3`.
extension ImageShape: ExpressibleByArgument {
  /// Rows, columns and channels of 1 to 4096.
  public init?(argument: String) {
    let extents = argument.split(separator: "x", omittingEmptySubsequences: false)
      .compactMap { Int($0) }.filter { (1...4096).contains($0) }
    guard extents.count == 3, argument.split(separator: "x").count == 3 else { return nil }
    self.init(height: extents[0], width: extents[1], channels: extents[2])
  }
}
