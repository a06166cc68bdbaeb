import Foundation
import Logging
import MPI
import Parallel
import Sampling
import Storage
import Tensors

/// A run from its first or latest step to its last: training, metrics, checkpoints, sample grids.
public final class TrainingRun {
  /// What the command line says.
  public struct Options: Sendable {
    /// A YAML file of settings; nil: those of the resumed run, or the defaults.
    public var configurationPath: String?
    /// Assignments `key=value`, later ones win.
    public var assignments: [String] = []
    /// Settings with an option of their own, as `("steps", "10")` of `--steps 10`; they win.
    public var overrides: [(key: String, value: String)] = []
    /// The run's folder; nil: `runs/<name>`.
    public var runPath: String?
    /// Whether an existing run goes on.
    public var resumes = false

    /// The embedded digits in a new run.
    public init() {}
  }

  private let job: Job
  private let communicator: Communicator
  private let folder: RunFolder
  private let plan: TrainingPlan
  private let trainer: Trainer
  private let workers: Workers
  private let provenance: [String: String]
  private let logger: Logger
  private let progress: Progress
  private var isFirst: Bool { communicator.rank == 0 }

  /// Prepares a run: everything that can be refused is refused here, on all ranks together.
  public init(_ options: Options, job: Job, logger: Logger) throws {
    self.job = job
    self.logger = logger
    communicator = try job.communicator()
    BLAS.useOneThread()
    let configuration = try Self.configuration(options, job)
    let folder = RunFolder(options.runPath ?? "runs/\(configuration.name)")
    self.folder = folder
    let checkpoint = try Self.latestCheckpoint(folder, options, job, logger)
    let point = try ResumePoint.share(checkpoint, communicator)
    let ranks = communicator.size
    plan = try job.together {
      var configuration = configuration
      if let point { try configuration.continueRun(of: point.configuration) }
      let plan = try TrainingPlan(configuration, rankCount: ranks)
      if let checkpoint {
        try plan.refuse(
          checkpoint, path: folder.checkpoints.path(step: checkpoint.progress.step))
      }
      return plan
    }
    try Self.refuseOtherImages(plan.dataset, job)
    let nodes = try NodeReport(communicator: communicator, requested: configuration.workers)
    workers = Workers(count: nodes.workers)
    progress = Progress(isSilent: communicator.rank != 0)
    trainer = try job.together { [plan, communicator, workers] in
      try Trainer(plan: plan, communicator: communicator, workers: workers)
    }
    provenance = Provenance.attributes(
      plan: plan, ranks: ranks, workers: nodes.workers, runPath: folder.path)
    if let point { try trainer.restore(point, checkpoint) }
    try job.together { [plan, communicator] in
      guard communicator.rank == 0 else { return }
      try folder.prepare(configuration: plan.configuration.yaml())
    }
    announce(nodes, checkpoint)
  }

  /// Trains to the last step.
  public func run() throws {
    let configuration = plan.configuration
    guard trainer.step < configuration.steps else {
      logger.notice("\(folder.path) is at step \(trainer.step) already; raise --steps to go on.")
      return
    }
    let metrics = try job.together { [folder, trainer, isFirst] in
      isFirst ? try MetricsLog(path: folder.metrics, afterStep: trainer.step) : nil
    }
    let (start, firstStep) = (ContinuousClock.now, trainer.step)
    while trainer.step < configuration.steps {
      let stepStart = ContinuousClock.now
      let report = try trainer.trainStep()
      try metrics?.append(
        MetricsLog.Line(
          step: report.step, loss: report.loss, gradientNorm: report.gradientNorm,
          learningRate: report.learningRate, images: report.step * configuration.batch,
          imagesPerSecond: Double(configuration.batch) / seconds(since: stepStart),
          seconds: seconds(since: start)))
      show(report, since: firstStep, seconds(since: start))
      if isDue(every: configuration.checkpointEvery) { try saveCheckpoint() }
      if isDue(every: configuration.sampleEvery) { try saveSamples() }
    }
  }

  /// Whether something that happens every so many steps, and after the last, happens now; never
  /// where `period` is 0.
  private func isDue(every period: Int) -> Bool {
    period > 0 && (trainer.step % period == 0 || trainer.step == plan.configuration.steps)
  }

  // MARK: Beginning

  /// The configuration that rank 0 reads, on all ranks: files may differ from node to node.
  package static func configuration(_ options: Options, _ job: Job) throws -> Configuration {
    let communicator = try job.communicator()
    let isFirst = communicator.rank == 0
    let own = try job.together { isFirst ? try configuration(options).yaml() : "" }
    var shared = Configuration()
    try shared.apply(
      yaml: try communicator.broadcast(own, from: 0), source: "the first rank's configuration")
    return shared
  }

  /// Refuses a dataset that is not that of rank 0: a stale copy on another node, for example.
  private static func refuseOtherImages(_ dataset: ImageDataset, _ job: Job) throws {
    let own = "\(dataset.count) images of \(dataset.shape), \(Provenance.checksum(of: dataset))"
    let first = try job.communicator().broadcast(own, from: 0)
    try job.together {
      guard own != first else { return }
      throw StorageError.badData(
        path: dataset.path,
        reason:
          "holds \(own) on \(ProcessInfo.processInfo.hostName), but \(first) on the first rank")
    }
  }

  private static func configuration(_ options: Options) throws -> Configuration {
    var configuration = Configuration()
    try assign(options, to: &configuration)
    var source = options.configurationPath
    if source == nil, options.resumes {
      let path = RunFolder(options.runPath ?? "runs/\(configuration.name)").configuration
      if FileManager.default.fileExists(atPath: path) { source = path }
    }
    if let source {
      guard let yaml = try? String(contentsOfFile: source, encoding: .utf8) else {
        throw StorageError.missingInput(
          path: source, reason: "there is no readable configuration file of this name")
      }
      try configuration.apply(yaml: yaml, source: source)
    }
    try assign(options, to: &configuration)
    // So that the run can be resumed from another folder.
    configuration.data = configuration.data.map { URL(fileURLWithPath: $0).path }
    return configuration
  }

  private static func assign(
    _ options: Options, to configuration: inout Configuration
  ) throws(ConfigurationError) {
    for assignment in options.assignments { try configuration.apply(assignment: assignment) }
    for (key, value) in options.overrides {
      try configuration.apply(assignment: "\(key)=\(value)", option: "--\(key) \(value)")
    }
  }

  /// The checkpoint to go on from, on rank 0; nil elsewhere, and where there is none.
  private static func latestCheckpoint(
    _ folder: RunFolder, _ options: Options, _ job: Job, _ logger: Logger
  ) throws -> Checkpoint? {
    let communicator = try job.communicator()
    let isFirst = communicator.rank == 0
    guard options.resumes else {
      try job.together {
        guard isFirst, folder.exists else { return }
        throw StorageError.cannotCreate(
          path: folder.path,
          reason: "holds a run already; go on with --resume, or choose another folder with --run")
      }
      return nil
    }
    return try job.together {
      guard isFirst else { return nil }
      guard FileManager.default.fileExists(atPath: folder.checkpoints.path),
        case let latest = try folder.checkpoints.latestGood(),
        latest.path != nil || !latest.skipped.isEmpty
      else {
        logger.notice("There is no checkpoint in \(folder.path) yet: starting at step 0.")
        return nil
      }
      for skipped in latest.skipped { logger.warning("skipped \(skipped)") }
      guard let path = latest.path else {
        throw StorageError.badData(
          path: folder.checkpoints.path,
          reason: "none of its checkpoints is whole; remove them to start the run again")
      }
      logger.notice("Going on from \(path).")
      let checkpoint = try Checkpoint.read(path: path)
      do {
        var old = Configuration()
        try old.apply(yaml: checkpoint.configuration, source: "/config")
      } catch {
        throw StorageError.badData(path: path, reason: "cannot be used: \(error)")
      }
      return checkpoint
    }
  }

  private func announce(_ nodes: NodeReport, _ checkpoint: Checkpoint?) {
    guard isFirst else { return }
    let key = Provenance.datasetHash
    if let before = checkpoint?.provenance[key], before != provenance[key] {
      logger.warning("The images are not those of the checkpoint: their checksum was \(before).")
    }
    for line in nodes.lines { logger.info("\(line)") }
    for warning in nodes.warnings { logger.warning("\(warning)") }
    let configuration = plan.configuration
    let busy = workers.count * communicator.size
    if busy > plan.tree.shards {
      logger.warning(
        "\(plan.tree.shards) shards for \(busy) workers: those without a shard only help the others. A run with more shards would keep all of them busy."
      )
    }
    let parameters = plan.network.parameters.layout.count
    logger.info(
      "\(folder.path): \(plan.dataset.count) images of \(plan.dataset.shape) from \(plan.dataset.path), \(parameters) parameters, batch \(configuration.batch) in \(plan.tree.shards) shards, steps \(trainer.step + 1) to \(configuration.steps)"
    )
  }

  // MARK: During the run

  private func seconds(since start: ContinuousClock.Instant) -> Double {
    (ContinuousClock.now - start) / .seconds(1)
  }

  private func show(_ report: Trainer.StepReport, since first: Int, _ elapsed: Double) {
    let total = plan.configuration.steps
    progress.show(isLast: report.step == total) {
      let done = Double(report.step - first)
      let rate = done * Double(plan.configuration.batch) / elapsed
      let remaining = elapsed / done * Double(total - report.step)
      return "step \(report.step)/\(total)  loss \(text(report.loss))  "
        + "gradient \(text(report.gradientNorm))  \(text(rate)) images/s  "
        + "ETA \(Progress.duration(remaining))"
    }
  }

  /// Four significant digits.
  private func text(_ value: Double) -> String { String(format: "%.4g", value) }

  private func saveCheckpoint() throws {
    let checkpoint = try trainer.checkpoint(provenance: provenance)
    try job.together { [folder, plan, logger, progress] in
      guard let checkpoint else { return }
      let step = checkpoint.progress.step
      let path = folder.checkpoints.path(step: step)
      try checkpoint.write(to: path)
      // Files of later steps are damaged ones that resuming passed over: they must not push the
      // good ones out.
      let later = try folder.checkpoints.steps().count { $0 > step }
      try folder.checkpoints.prune(keeping: plan.configuration.keepCheckpoints + later)
      progress.interrupt()
      logger.info("saved \(path)")
    }
  }

  private func saveSamples() throws {
    let configuration = plan.configuration
    let sampler = ImageSampler(
      denoiser: try trainer.averageDenoiser(),
      sampler: AncestralSampler(diffusion: plan.diffusion, seed: plan.seed),
      communicator: communicator, workers: workers)
    let progress = progress
    let images = try sampler.images(
      count: configuration.sampleCount, batch: configuration.sampleCount
    ) { share in
      progress.show { "sampling \(Progress.bar(share))" }
    }
    try job.together { [folder, plan, trainer, logger, progress, isFirst] in
      guard isFirst else { return }
      let path = folder.samples(step: trainer.step)
      try ImageGrid(shape: plan.dataset.shape, count: configuration.sampleCount)
        .picture(of: images, levels: plan.diffusion.levels ?? 256).writePNG(to: path)
      progress.interrupt()
      logger.info("drew \(path)")
    }
  }
}
