// A benchmark of one configuration, part by part.

import Foundation
import Logging
import MPI
import Models
import Parallel
import Storage
import Tensors
import Training

/// A benchmark of one configuration on all ranks: nothing is kept of what it trains.
public final class BenchmarkRun {
  /// What can be measured.
  public enum Part: String, CaseIterable, Sendable {
    /// Training steps.
    case step
    /// Evaluations of the network without a tape.
    case evaluation
    /// The gradient exchange without the training.
    case exchange
    /// Reading images in the order of training.
    case reading
  }

  /// What the command line says.
  public struct Options: Sendable {
    /// The configuration, as for a run.
    public var training = RunOptions()
    /// The extents of random images that stand for a dataset; nil: the configuration's dataset.
    public var images: ImageShape?
    /// What is measured, in this order: later parts find the memory of earlier ones in use.
    public var parts = Part.allCases
    /// The images of an evaluation; nil: two groups, or one a worker where there are more.
    public var evaluationBatch: Int?
    /// The rounds that count.
    public var rounds = 5
    /// The training steps or evaluations of a round.
    public var stepsPerRound = 1

    /// Everything, on the embedded digits.
    public init() {}
  }

  let communicator: Communicator
  let plan: TrainingPlan
  let workers: Workers
  let allWorkers: Int
  let options: Options
  private let job: Job
  private let nodes: NodeReport
  private let profile: OperationProfile?
  private let trainer: Trainer?
  /// The model whose network is evaluated; nil where that is not measured.
  private let evaluated: DenoisingDiffusion?
  private let reading: ReadingBenchmark?
  let timer: RoundTimer

  /// Prepares the measurements; collective.
  ///
  /// - Parameters:
  ///   - options: The same on all ranks.
  ///   - isProfiled: Whether the time of each kind of work is noted.
  ///   - job: The ranks.
  ///   - logger: Told of nodes whose workers and cores do not fit.
  /// - Throws: `AgreedFailure` for everything that can be refused, on all ranks; `MPIError`.
  public init(_ options: Options, isProfiled: Bool = true, job: Job, logger: Logger) throws {
    self.options = options
    self.job = job
    communicator = try job.communicator()
    BLAS.useOneThread()
    let (rank, ranks) = (communicator.rank, communicator.size)
    var configuration = try options.training.configuration(job)
    let synthetic = try options.images.map { shape in
      let conditioning = configuration.conditioning
      return try SyntheticImages(
        shape, batch: configuration.training.batch,
        classes: conditioning.condition == .class ? conditioning.classNames?.count ?? 10 : nil,
        job: job)
    }
    if let synthetic {
      (configuration.data.path, configuration.data.group) = (synthetic.path, "/")
    }
    plan = try job.together { [configuration] in
      try Self.requireImages(of: configuration, options)
      return try TrainingPlan(configuration, rankCount: ranks)
    }
    nodes = try NodeReport(communicator: communicator, requested: configuration.training.workers)
    for warning in nodes.warnings { logger.warning("\(warning)") }
    workers = Workers(count: nodes.workers)
    allWorkers = try communicator.allReduce(nodes.workers, .sum)
    profile = isProfiled ? OperationProfile() : nil
    trainer = try job.together { [plan, communicator, workers, profile] in
      guard options.parts.contains(.step) else { return nil }
      return try Trainer(
        plan: plan, communicator: communicator, workers: workers, profile: profile)
    }
    evaluated = try job.together { [plan] in
      guard options.parts.contains(.evaluation) else { return nil }
      guard let model = plan.objective as? DenoisingDiffusion else {
        throw Failure(
          "the part evaluation measures networks that denoise; leave it out of --parts.",
          exitCode: ExitCode.usage)
      }
      return model
    }
    reading = try job.together { [plan] in
      guard options.parts.contains(.reading) else { return nil }
      return try ReadingBenchmark(plan: plan, rank: rank, ranks: ranks)
    }
    timer = RoundTimer(
      communicator: communicator, rounds: options.rounds,
      progress: Progress(isSilent: communicator.rank != 0))
    // All readers have opened the file by now.
    synthetic?.remove()
  }

  /// The files that it has read: the configuration and its images, and what a setting names.
  public var inputs: [String] {
    var paths = options.training.assignments.map { assignment in
      String(assignment.drop { $0 != "=" }.dropFirst())
    }
    paths += [options.training.configurationPath, plan.configuration.data.path].compactMap(\.self)
    if case .file(let path, _) = plan.configuration.validation.source { paths.append(path) }
    return paths
  }

  /// Measures all parts; collective.
  ///
  /// - Returns: The report, the same on all ranks but for the machine.
  public func run() throws -> BenchmarkReport {
    var report = emptyReport
    for part in options.parts {
      switch part {
      case .step: report.parts.step = try network.measure("step", trainingWork)
      case .evaluation: report.parts.evaluation = try network.measure("evaluation", evaluationWork)
      case .exchange:
        report.parts.exchange = try ExchangeBenchmark(count: parameterCount, timer: timer)
          .measure()
      case .reading: report.parts.reading = try reading!.measure(timer)
      }
    }
    timer.progress.interrupt()
    return report
  }

  /// The parameters of the network.
  var parameterCount: Int { plan.objective.parameters.layout.count }

  /// Training steps; the part must have been asked for.
  var trainingWork: TrainingWork { TrainingWork(trainer: trainer!) }

  /// Evaluations, by the trainer's weights where there are any.
  private(set) lazy var evaluationWork: EvaluationWork = {
    // Weights of its own: those of the trainer change, and a trained model keeps transformed
    // kernels.
    let weights =
      trainer?.weights.values ?? plan.objective.parameters.initialWeights(seed: plan.seed)
    return EvaluationWork(
      evaluated!,
      TrainedModel(
        plan.objective, weights: weights, plan.configuration.data,
        precision: plan.configuration.training.precision),
      images: options.evaluationBatch ?? ImageGroups.size * max(2, allWorkers),
      ImageGroups(communicator: communicator, workers: workers), profile)
  }()

  private var network: NetworkBenchmark {
    NetworkBenchmark(
      workers: workers, profile: profile ?? OperationProfile(), timer: timer,
      stepsPerRound: options.stepsPerRound)
  }

  private var emptyReport: BenchmarkReport {
    let configuration = plan.configuration
    return BenchmarkReport(
      program: "ddpm-dist", version: programVersion, cpu: Provenance.cpuName,
      instructions: CPUFeatures.compiled, cores: ProcessInfo.processInfo.processorCount,
      host: ProcessInfo.processInfo.hostName, nodes: nodes.lines, blas: BLAS.description,
      mpi: MPISession.libraryVersion, ranks: communicator.size, workers: allWorkers,
      parameters: parameterCount, batch: configuration.training.batch,
      dataset: options.images.map { "random images of \($0)" } ?? plan.dataset.path,
      rounds: options.rounds, stepsPerRound: options.stepsPerRound,
      settings: Dictionary(
        uniqueKeysWithValues: Configuration.settings.map { ($0.key, $0.value(in: configuration)) }))
  }

  /// Refuses a configuration whose dataset is not there, unless the user has just named it.
  private static func requireImages(
    of configuration: Configuration, _ options: Options
  ) throws(ConfigurationError) {
    guard let path = configuration.data.path, options.images == nil,
      !options.training.overrides.contains(where: { $0.key == "data" }),
      !FileManager.default.fileExists(atPath: path)
    else { return }
    throw ConfigurationError(
      source: "data",
      reason: "the configuration's dataset \(path) is not there; name one with --data, or measure "
        + "with random images: --images 32x32x3.")
  }
}
