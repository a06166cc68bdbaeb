// Running what is to be run: training, validation, metrics, checkpoints, sample grids.

import Foundation
import Logging
import MPI
import Models
import Parallel
import Storage
import Tensors

/// A run from its first or latest step to its last.
public final class TrainingRun {
  let job: Job
  let communicator: Communicator
  let request: RunRequest
  let trainer: Trainer
  let workers: Workers
  private let validation: Validation?
  private var history: ValidationHistory?
  /// The losses of all steps so far, on the first rank.
  private var losses: ThinnedSeries
  let provenance: [String: String]
  private let timeLimit: String?
  let saver: CheckpointSaver
  let logger: Logger
  let progress: Progress
  let heartbeat = Heartbeat()
  private let watchdog: Watchdog
  private let hosts: [String]
  private var metrics: MetricsLog?
  /// Told how the run goes, on the first rank.
  private let observer: (any RunObserver)?
  private let facts: RunFacts
  private var averageFaults = FaultCount("snapshot of the averages")
  var plan: TrainingPlan { request.plan }
  var folder: RunFolder { request.folder }
  var isFirst: Bool { communicator.rank == 0 }

  /// Prepares a run: everything that can be refused is refused here, on all ranks together.
  ///
  /// - Parameter observer: Who is told how the run goes, beside its log.
  public init(
    _ options: RunOptions, job: Job, logger: Logger, observer: (any RunObserver)? = nil
  ) throws {
    self.observer = observer
    self.job = job
    self.logger = logger
    timeLimit = options.timeLimit
    communicator = try job.communicator()
    BLAS.useOneThread()
    let request = try RunRequest(options, job, logger)
    self.request = request
    let nodes = try NodeReport(
      communicator: communicator, requested: request.plan.configuration.training.workers)
    workers = Workers(count: nodes.workers)
    progress = Progress(isSilent: communicator.rank != 0)
    hosts = try communicator.allGather(Array(ProcessInfo.processInfo.hostName.utf8))
      .map { String(decoding: $0, as: UTF8.self) }
    watchdog = try Watchdog(
      heartbeat, communicator, timeout: Double(request.plan.configuration.training.hangTimeout),
      hosts: hosts
    ) { [progress] message in
      progress.interrupt()
      logger.warning("\(message)")
    }
    trainer = try job.together { [communicator, workers] in
      try Trainer(
        plan: request.plan, communicator: communicator, workers: workers,
        initialWeights: request.initial?.weights)
    }
    validation = try job.together { [communicator, workers] in
      try Validation(
        request.plan, ImageGroups(communicator: communicator, workers: workers))
    }
    provenance = Provenance.attributes(
      plan: request.plan, images: request.images, ranks: communicator.size,
      workers: nodes.workers, hosts: nodes.nodes.map(\.host), runPath: request.folder.path,
      begun: request.origin)
    facts = RunFacts(
      request, trainer.objective, nodes: nodes.nodes, workers: nodes.workers,
      ranks: communicator.size, provenance: provenance)
    saver = CheckpointSaver(request) { [progress] level, message in
      progress.interrupt()
      logger.log(level: level, "\(message)")
    }
    losses = request.checkpoint?.history ?? ThinnedSeries()
    if let point = request.point { try trainer.restore(point, request.checkpoint) }
    takeOver(request.point?.validation)
    try finishWhatWasBegun()
    // A run that is done keeps the settings that it was done with.
    guard trainer.step < plan.configuration.training.steps, !isExhausted else { return }
    try job.together { [communicator] in
      guard communicator.rank == 0 else { return }
      try request.recordStart(nodes, ranks: communicator.size, logger)
    }
    announce(nodes)
  }

  deinit { watchdog.end() }

  /// Trains to the last step, or until validation has brought nothing better for too long.
  public func run() throws {
    do {
      try train()
      tellObserver { $0.runEnds(.finished) }
    } catch {
      tellObserver { $0.runEnds(RunEnd(error)) }
      throw error
    }
  }

  /// Tells the observer, on the first rank, once the run's folder is ready.
  private func tellObserver(_ body: (any RunObserver) -> Void) {
    if metrics != nil, let observer { body(observer) }
  }

  private func tellDone() { if isFirst { observer?.runIsDone(facts) } }

  private func train() throws {
    let settings = plan.configuration.recording
    let (steps, batch) = (plan.configuration.training.steps, plan.configuration.training.batch)
    if try missesSamples() { try saveSamples() }
    guard trainer.step < steps else {
      logger.notice("\(folder.path) is at step \(trainer.step) already; raise --steps to go on.")
      return tellDone()
    }
    guard !isExhausted else {
      tellExhaustion()
      return tellDone()
    }
    metrics = try job.together { [folder, trainer, isFirst] in
      isFirst ? try MetricsLog(path: folder.metrics, afterStep: trainer.step) : nil
    }
    if let old = metrics?.setAside { logger.notice("The old metrics.jsonl is \(old) now.") }
    if isFirst { drawData() }
    tellObserver { [logger, progress] in
      $0.runBegins(facts) { message in
        progress.interrupt()
        logger.warning("\(message)")
      }
    }
    let (start, firstStep) = (ContinuousClock.now, trainer.step)
    let stop = StopRequest(communicator, file: folder.stopFile, timeLimit: timeLimit)
    // What is under way is not cut off, however the run ends.
    defer { if isFirst { _ = try? saver.finish(isLast: false) } }
    // So that a run that is ended before its first checkpoint goes on from these weights too.
    if request.initial != nil { try saveCheckpoint(isLast: true, stop) }
    while trainer.step < steps, !isExhausted {
      let stepStart = ContinuousClock.now
      heartbeat.note(.training, step: trainer.step)
      let report = try trainer.trainStep(beforeLeavingOut: record)
      let imagesPerSecond = Double(batch) / seconds(since: stepStart)
      heartbeat.note(secondsPerShard: trainer.secondsPerShard)
      if isFirst { losses.add(step: report.step, report.losses.total) }
      let target = try handle(report.outcome)
      let period = plan.configuration.training.compareWeightsEvery
      if isDue(every: period) { try requireEqualWeights() }
      let savesAnyway = trainer.step == steps || isDue(every: settings.checkpointEvery)
      let validated = try validateIfDue(savesAnyway)
      if let metrics {
        let warning = metrics.append(
          MetricsLog.Line(
            report, rolledBackTo: target, validation: validated, images: report.step * batch,
            imagesPerSecond: imagesPerSecond,
            seconds: metrics.earlierSeconds + seconds(since: start),
            gigaflopsPerSecond: trainer.gigaflops.map { $0 * imagesPerSecond / Double(batch) },
            hosts: hosts))
        if let warning { warn(warning) }
      }
      show(report, since: firstStep, seconds(since: start))
      // First: a run that goes on from the checkpoint does not come by here again.
      if isDue(every: plan.configuration.optimizer.averageEvery) { try saveAverages() }
      let isLast = trainer.step == steps || isExhausted
      if isLast || savesAnyway || target != nil { try saveCheckpoint(isLast: isLast, stop) }
      if drawsSamples(isLast: isLast) { try saveSamples() }
      if saver.poll() { tellObserver { $0.runHasNewFiles() } }
      stop.noteSave(saver.longestSave)
      if !isLast, let reason = try stop.reason() { try end(for: reason, stop) }
    }
    heartbeat.note(.ending, step: trainer.step)
    try job.together { try metrics?.flush() }
    if trainer.step < steps { tellExhaustion() }
  }

  /// Whether something that happens every so many steps happens now; never where `period` is 0.
  private func isDue(every period: Int) -> Bool {
    period > 0 && trainer.step % period == 0
  }

  /// Whether a grid of samples is drawn after this step.
  private func drawsSamples(isLast: Bool) -> Bool {
    let settings = plan.configuration.recording
    guard plan.objective.drawsImages else { return false }
    return isLast && settings.sampleLast || isDue(every: settings.sampleEvery)
  }

  // MARK: Beginning

  /// Does what an earlier process may not have come to after its last checkpoint: removes files that it
  /// has left half-written, links the best checkpoint, removes old ones; collective.
  private func finishWhatWasBegun() throws {
    guard request.point != nil else { return }
    try job.together { [folder, saver, history, trainer, isFirst] in
      guard isFirst else { return }
      try folder.sweep()
      saver.tidyUp(history, trainer.rollbackTargets)
    }
  }

  /// Whether an earlier process has saved this step, and has not come to its samples; collective.
  private func missesSamples() throws -> Bool {
    let isLast = trainer.step == plan.configuration.training.steps || isExhausted
    guard trainer.step > 0, drawsSamples(isLast: isLast) else { return false }
    let isMissing = isFirst && access(folder.samples(step: trainer.step), F_OK) != 0
    return try communicator.broadcast([isMissing ? 1 : 0], from: 0)[0] == 1
  }

  /// Goes on with what an earlier process has found, if that can be compared.
  private func takeOver(_ earlier: ValidationHistory?) {
    guard let validation, let earlier, earlier.subject != validation.subject else {
      // The end of a run that goes on is no end: equal runs have equal histories.
      history = earlier?.withoutEnd(
        every: plan.configuration.validation.every,
        checkpointEvery: plan.configuration.recording.checkpointEvery)
      return
    }
    logger.warning(
      "Validation is of other images, or of another loss, than before: the best is looked for anew."
    )
  }

  // MARK: During the run

  private func seconds(since start: ContinuousClock.Instant) -> Double {
    (ContinuousClock.now - start) / .seconds(1)
  }

  private func show(_ report: Trainer.StepReport, since first: Int, _ elapsed: Double) {
    let settings = plan.configuration.training
    progress.show(isLast: report.step == settings.steps) {
      let done = Double(report.step - first)
      let rate = done * Double(settings.batch) / elapsed
      let remaining = elapsed / done * Double(settings.steps - report.step)
      let unit = plan.objective.unit.map { " \($0)" } ?? ""
      return "step \(report.step)/\(settings.steps)  loss \(text(report.losses.total))\(unit)  "
        + "gradient \(text(report.gradientNorm))  \(text(rate)) images/s  "
        + "ETA \(Progress.duration(remaining))"
    }
  }

  /// Four significant digits.
  func text(_ value: Double) -> String { String(format: "%.4g", value) }

  // MARK: Validation

  /// Whether the last validations have brought nothing better for too long.
  private var isExhausted: Bool {
    let settings = plan.configuration.validation
    guard validation != nil, let history else { return false }
    return history.isExhausted(every: settings.every, patience: settings.patience)
  }

  private func tellExhaustion() {
    guard let best = history?.best() else { return }
    logger.notice(
      """
      \(folder.path) has stopped at step \(trainer.step): no validation since step \(best.step) was \
      better than \(text(best.loss)). Raise patience to go on.
      """
    )
  }

  /// The loss of the images of validation with the moving average, if it is time for it.
  ///
  /// - Parameter saves: Whether this step makes a checkpoint, which is validated too.
  private func validateIfDue(_ saves: Bool) throws -> LossReport? {
    guard let validation, saves || isDue(every: plan.configuration.validation.every) else {
      return nil
    }
    heartbeat.note(.validating, step: trainer.step)
    let report = try validation.loss(of: try trainer.emaModel())
    guard report.total.isFinite else {
      throw AgreedFailure(
        rank: 0,
        failure: Failure(
          "step \(trainer.step) diverged: the loss of validation is \(report.total). "
            + "Resume from the last checkpoint with a smaller learning_rate.",
          exitCode: ExitCode.software))
    }
    var history = history ?? ValidationHistory(subject: validation.subject)
    let before = history.best()
    history.append(step: trainer.step, loss: report.total)
    self.history = history
    let unit = plan.objective.unit.map { " \($0)" } ?? ""
    let comparison =
      switch before {
      case nil: ""
      case let best? where report.total < best.loss: ", the best so far"
      case let best?: " (best \(text(best.loss)) at step \(best.step))"
      }
    progress.interrupt()
    logger.info(
      "validation \(text(report.total))\(unit) at step \(trainer.step)\(comparison)")
    return report
  }

  // MARK: What is kept

  /// Ends the run before its last step, with a checkpoint where there is time for one.
  ///
  /// A checkpoint that is not due is not validated: equal runs have equal histories.
  private func end(for reason: StopReason, _ stop: StopRequest) throws {
    progress.interrupt()
    logger.notice("Stopping after step \(trainer.step), since \(reason.text).")
    // The checkpoint of this step may be on its way.
    let saved = try job.together { [saver, isFirst] in
      if isFirst { try saver.finish(isLast: false) }
      return saver.savedStep ?? -1
    }
    if try communicator.broadcast([saved], from: 0)[0] != trainer.step {
      guard StopRequest.hasTimeToSave(after: reason) else {
        guard case .signal(let number) = reason else {
          preconditionFailure("Only signals leave no time.")
        }
        throw Interruption(
          "stopped without a new checkpoint, for which mpirun leaves no time after this signal (send "
            + "USR1 to have one); go on with --resume", signal: number)
      }
      try saveCheckpoint(isLast: true, stop)
    }
    stop.removeFile()
    throw Interruption("saved step \(trainer.step); go on with --resume")
  }

  /// Begins to save a checkpoint; collective.
  ///
  /// - Parameters:
  ///   - isLast: Whether the run ends here: then it is on the disk afterwards, and one that cannot be
  ///     saved is an error and no warning.
  ///   - stop: Told how long it took.
  func saveCheckpoint(isLast: Bool, _ stop: StopRequest) throws {
    let began = ContinuousClock.now
    heartbeat.note(.saving, step: trainer.step)
    try requireEqualWeights()
    var checkpoint = trainer.checkpoint(provenance: provenance)
    checkpoint.validation = history
    if !losses.buckets.isEmpty { checkpoint.history = losses }
    // A run that goes on from this checkpoint does not come by these lines again.
    if let warning = metrics?.synchronize() { warn(warning) }
    var triesAgain: Bool
    repeat {
      let file = try job.together { [saver, trainer, isFirst] in
        guard isFirst else { return TensorFile?.none }
        return try saver.open(
          checkpoint, averages: trainer.averageLengths, targets: trainer.rollbackTargets)
      }
      try trainer.writeTensors(to: file)
      let isFull = try job.together { [saver] in
        try file.map { try saver.begin($0, waits: isLast) } ?? false
      }
      triesAgain = try communicator.broadcast([isFull ? 1 : 0], from: 0)[0] == 1
    } while triesAgain
    if isLast {
      try job.together { [saver, isFirst] in if isFirst { try saver.finish(isLast: true) } }
    }
    stop.noteSave(seconds(since: began))
  }

  /// Ends the run where ranks have other weights than the others; collective.
  private func requireEqualWeights() throws {
    let others = try trainer.ranksWithOtherWeights()
    guard !others.isEmpty else { return }
    let names = others.map { "\($0) on \(hosts[$0])" }.joined(separator: ", ")
    throw AgreedFailure(
      rank: 0,
      failure: Failure(
        "after step \(trainer.step) the weights of rank \(names) are not those of the others: memory or "
          + "network have changed them; look at that host, and go on with --resume from the last "
          + "checkpoint.", exitCode: ExitCode.software))
  }

  /// Says what ends nothing.
  func warn(_ text: String) {
    progress.interrupt()
    logger.warning("\(text)")
  }

  private func saveAverages() throws {
    let snapshot = trainer.averageSnapshot
    var (file, fault): (TensorFile?, StorageError?)
    if isFirst {
      do throws(StorageError) {
        file = try snapshot.file(
          at: folder.averages.path(step: snapshot.step), averages: trainer.averageLengths)
      } catch {
        fault = error
      }
    }
    try trainer.writeAverages(to: file)
    try job.together {
      do throws(StorageError) {
        if let fault { throw fault }
        guard let file else { return }
        try file.finish()
        averageFaults.succeeded()
      } catch {
        warn(try averageFaults.failed(error))
      }
    }
  }

  private func saveSamples() throws {
    heartbeat.note(.drawing, step: trainer.step)
    let count = plan.configuration.recording.sampleCount
    var options = GenerationOptions()
    options.seed = plan.seed
    let shown = plan.conditions.examples(8)
    options.conditions = shown?.conditions ?? []
    let grid = SampleGrid(
      try trainer.emaModel(), options, count: count,
      ImageGroups(communicator: communicator, workers: workers))
    let progress = progress
    let drawn = try grid.draw { share in
      progress.show(isLast: share >= 1) { "sampling \(Progress.bar(share))" }
    }
    guard isFirst else { return }
    let path = folder.samples(step: trainer.step)
    do throws(StorageError) {
      // First: a start that finds the grid does not draw anew.
      try drawn.ways?.writePNG(to: folder.trajectory)
      try picture(of: drawn.images, count: count, shown).writePNG(to: path)
      progress.interrupt()
      logger.info("drew \(path)")
      tellObserver { $0.runHasNewFiles() }
    } catch {
      // It can be drawn again from the checkpoint.
      warn("\(error): this grid is not drawn; training goes on")
    }
  }

  /// A grid of images, where they are told what they show with a row for each of it.
  private func picture(of images: [UInt8], count: Int, _ shown: ShownConditions?) -> Picture {
    let (shape, format) = (plan.dataset.shape, plan.dataset.format)
    guard let shown else {
      return ImageGrid(shape: shape, count: count).picture(of: images, format)
    }
    let bytes = shape.count * format.bytes
    return shown.picture(of: 0..<count, shape: shape, format: format) {
      Array(images[$0.lowerBound * bytes..<$0.upperBound * bytes])
    }
  }
}
