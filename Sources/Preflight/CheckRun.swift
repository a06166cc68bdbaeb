// Looking at machines and run before the run begins.

import Benchmark
import Foundation
import Logging
import MPI
import Models
import Parallel
import Storage
import Tensors
import Training

/// Gathers what the checks judge, on all ranks, and lets them judge it.
public enum CheckRun {
  /// What the command line says.
  public struct Options: Sendable {
    /// The run, as `ddpm-dist train` is told it.
    public var training = RunOptions()
    /// The words of the command line.
    public var words: [String] = []
    /// The power of a machine in watts; nil where it is not given.
    public var watts: Double?
    /// The price of an hour of a machine; nil where it is not given.
    public var price: Double?
    /// The numbers of machines for which a step is forecast.
    public var nodes: [Int] = []
    /// Seconds of a message between machines; nil: measured, or assumed.
    public var alpha: Double?
    /// The rate of a machine's link, 10⁹ bit/s; nil: measured, or assumed.
    public var gigabits: Double?

    /// The embedded digits.
    public init() {}
  }

  /// Looks at everything; collective. Nothing stays on the disk.
  ///
  /// Where one thing cannot work, what would need it is left out.
  ///
  /// - Returns: The report on rank 0; nil elsewhere.
  /// - Throws: `MPIError`, and `AgreedFailure` where the check itself fails.
  public static func report(_ options: Options, job: Job) throws -> CheckReport? {
    BLAS.useOneThread()
    let (communicator, logger) = (try job.communicator(), try job.logger())
    let progress = Training.Progress(isSilent: communicator.rank != 0)
    progress.show { "looking at the machines" }
    var found = Found(
      facts: JobFacts(
        ranks: try RankFacts.gathered(options.training, words: options.words, communicator)))
    if isPossible([.command, .program, .libraries], found.facts) {
      do {
        try look(at: options, &found, job, logger, progress)
      } catch let failure as AgreedFailure {
        found.facts.run = .refused(
          message: failure.failure.message, exitCode: failure.failure.exitCode)
      }
    }
    progress.interrupt()
    guard communicator.rank == 0 else { return nil }
    return found.report(options)
  }

  /// Whether none of some checks finds that the run cannot work: the same on all ranks, as the facts are.
  private static func isPossible(_ checks: [Check], _ facts: JobFacts) -> Bool {
    checks.allSatisfy { $0.judge(facts)?.verdict != .impossible }
  }

  /// Everything that is known.
  fileprivate struct Found {
    var facts: JobFacts
    var plan: TrainingPlan?
    var training: TrainingSettings?
    var doneSteps = 0
    var memory: MemoryEstimate?
    var disk: DiskEstimate?
    var trial: NetworkTrial?
  }

  private static func look(
    at options: Options, _ found: inout Found, _ job: Job, _ logger: Logger,
    _ progress: Training.Progress
  ) throws {
    let communicator = try job.communicator()
    found.training = try options.training.configuration(job).training
    let request = try RunRequest(options.training, job, logger, takesLock: false)
    let plan = request.plan
    (found.plan, found.doneSteps) = (plan, request.step)
    if request.begun != nil { found.training = plan.configuration.training }
    found.facts.run = .possible(
      "\(request.folder.path): \(plan.imageCount) images of \(plan.dataset.shape), "
        + "\(plan.objective.parameters.layout.count) parameters, batch "
        + "\(plan.configuration.training.batch) in \(plan.tree.shards) shards, steps "
        + "\(request.step + 1) to \(plan.configuration.training.steps)")
    let nodes = try NodeReport(
      communicator: communicator, requested: plan.configuration.training.workers)
    for (rank, workers) in try communicator.allGather(nodes.workers).enumerated() {
      found.facts.ranks[rank].workers = workers
    }
    try compareImages(of: request, &found, job, progress)
    guard isPossible([.data], found.facts) else { return }

    let disk = DiskEstimate(plan)
    found.disk = disk
    let folder = nearestFolder(request.folder.path)
    let here = communicator.rank == 0
    let space = try RankFacts.gather(here ? FreeSpace(of: folder) : nil, communicator)[0]
    let presentBytes = try communicator.broadcast(
      [here ? checkpointBytes(in: request.folder) : 0], from: 0)[0]
    func needs(_ memory: MemoryEstimate) -> RunNeeds {
      RunNeeds(
        firstPeakBytes: memory.peakBytes(isFirst: true),
        otherPeakBytes: memory.peakBytes(isFirst: false), checkpointBytes: disk.checkpointBytes,
        diskBytes: disk.bytes, leastDiskBytes: disk.leastBytes, files: disk.files,
        presentBytes: presentBytes, space: space)
    }
    func estimate(_ trial: NetworkTrial) -> MemoryEstimate {
      MemoryEstimate(trial, plan, ranks: communicator.size, workers: nodes.workers)
    }
    // A network that does not fit without any images is not tried.
    found.facts.needs = needs(estimate(NetworkTrial(untried: plan)))
    guard isPossible([.memory, .limits], found.facts) else { return }
    progress.show { "trying the network" }
    let trial = try job.together {
      communicator.rank == 0 ? try NetworkTrial(plan) : nil
    }
    let shared = try RankFacts.gather(trial, communicator)[0]!
    let memory = estimate(shared)
    (found.trial, found.memory) = (shared, memory)
    found.facts.needs = needs(memory)
    progress.show { "writing into the run's folder" }
    found.facts.probe = try ProbeResult.measure(request.folder.path, communicator)
    if communicator.size > 1 {
      progress.show { "sending messages" }
      found.facts.exchange = try linkCost(found.facts, plan, communicator)
    }
    // Steps that take more memory than there is would end in the middle of them.
    guard isPossible([.memory, .limits], found.facts) else { return }
    progress.show { "making steps" }
    found.facts.steps = try MeasuredSteps(plan, job, workers: nodes.workers)
  }

  /// Lets the first rank of each machine compute the checksum of images whose file declares none.
  private static func compareImages(
    of request: RunRequest, _ found: inout Found, _ job: Job, _ progress: Training.Progress
  ) throws {
    let communicator = try job.communicator()
    let isFirstOfNode = found.facts.ranks[communicator.rank].node == communicator.rank
    let dataset = request.plan.dataset
    progress.show { "comparing the images" }
    let own = try job.together {
      // A declared one was compared when the file was opened.
      isFirstOfNode ? try dataset.contentHash ?? dataset.verify() : ""
    }
    let all = try RankFacts.gather(own, communicator)
    found.facts.images = found.facts.nodes.map { HostValue($0.host, all[$0.rank]) }
  }

  /// The bytes of the checkpoints that a run has already: new ones take their place.
  private static func checkpointBytes(in folder: RunFolder) -> Int {
    let steps = (try? folder.checkpoints.steps()) ?? []
    return steps.reduce(0) { sum, step in
      let path = folder.checkpoints.path(step: step)
      let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
      return sum + (size ?? 0)
    }
  }

  /// Measures messages of the sizes that training sends.
  private static func linkCost(
    _ facts: JobFacts, _ plan: TrainingPlan, _ communicator: Communicator
  ) throws -> LinkCost? {
    let timer = RoundTimer(
      communicator: communicator, rounds: 3, progress: Training.Progress(isSilent: true))
    let count = min(
      plan.objective.parameters.layout.count,
      GradientExchange.bucketBytes(ranks: communicator.size) / 4)
    let sweeps = try ExchangeBenchmark(count: count, timer: timer).measureMessages()
    return LinkCost(
      fitting: sweeps.flatMap(\.points), ranks: communicator.size,
      ranksPerNode: facts.ranks(ofNode: 0).count)
  }
}

extension CheckRun.Found {
  func report(_ options: CheckRun.Options) -> CheckReport {
    CheckReport(
      program: "ddpm-dist", version: programVersion, ranks: facts.ranks.count,
      hosts: facts.nodes.map(\.host),
      rows: Check.all.compactMap { check in
        check.judge(facts).map { CheckReport.Row(check: check.name, finding: $0) }
      },
      exchange: facts.exchange, memory: memory, peakBytes: memory?.peakBytes(isFirst: true),
      otherPeakBytes: memory?.peakBytes(isFirst: false), measuredBytes: facts.steps?.firstPeakBytes,
      disk: disk, stepSeconds: facts.steps?.seconds, forecast: forecast(options),
      nodes: nodeForecasts(options), basis: options.nodes.isEmpty ? "" : basisText(options))
  }

  private var stepsLeft: Int {
    max(0, (plan?.configuration.training.steps ?? 0) - doneSteps)
  }

  private func forecast(_ options: CheckRun.Options) -> RunForecast? {
    guard let steps = facts.steps, let plan, let trial else { return nil }
    let workers = facts.ranks.reduce(0) { $0 + $1.workers }
    // Idle workers help with the loops of others.
    func seconds(images: Int) -> Double {
      Double(ImageGroups.count(of: images)) * trial.evaluationSeconds / Double(workers)
    }
    let (recording, last) = (plan.configuration.recording, plan.configuration.training.steps)
    func times(every period: Int) -> Int {
      period > 0 ? last / period - doneSteps / period : 0
    }
    let grids = times(every: recording.sampleEvery) + (recording.sampleLast ? 1 : 0)
    let evaluations =
      plan.objective.drawsImages
      ? (try? (plan.objective as? any Generator)?.generation(GenerationOptions()).evaluations) ?? 0
      : 0
    let validations = plan.validation == nil ? 0 : times(every: plan.configuration.validation.every)
    return RunForecast(
      steps: stepsLeft, stepSeconds: steps.seconds.median,
      drawingSeconds: Double(grids * evaluations) * seconds(images: recording.sampleCount),
      validationSeconds: Double(validations)
        * seconds(images: plan.validation?.range.count ?? 0),
      nodes: facts.nodes.count, watts: options.watts, price: options.price)
  }

  private func nodeForecasts(_ options: CheckRun.Options) -> [NodeForecast] {
    guard let steps = facts.steps, let plan, let training else { return [] }
    let perNode = facts.ranks(ofNode: 0).count
    let basis = NodeForecast.Basis(
      training: training, parameters: plan.objective.parameters.layout.count,
      ranks: facts.ranks.count, ranksPerNode: perNode, computeSeconds: steps.computeSeconds,
      link: link(options), local: facts.nodes.count == 1 ? facts.exchange : nil, steps: stepsLeft)
    return options.nodes.map { NodeForecast(nodes: $0, basis) }
  }

  /// The cost of messages between machines: what is given, else what was measured, else what is assumed.
  private func link(_ options: CheckRun.Options) -> LinkCost {
    let base = (facts.nodes.count > 1 ? facts.exchange : nil) ?? .assumed
    return LinkCost(
      alpha: options.alpha ?? base.alpha,
      beta: options.gigabits.map { LinkCost(alpha: 0, gigabits: $0).beta } ?? base.beta)
  }

  private func basisText(_ options: CheckRun.Options) -> String {
    let isMeasured = facts.nodes.count > 1 && facts.exchange != nil
    func source(_ isGiven: Bool) -> String {
      isGiven ? "given" : isMeasured ? "measured" : "assumed"
    }
    let cost = link(options)
    let perNode = facts.ranks(ofNode: 0).count
    return String(format: "%.3g", 1e6 * cost.alpha)
      + " us a message (\(source(options.alpha != nil))), "
      + String(format: "%.3g", 8e-9 / cost.beta)
      + " Gbit/s between machines (\(source(options.gigabits != nil))), \(perNode) "
      + "\(perNode == 1 ? "rank" : "ranks") a machine"
  }
}
