// What is to be run: options, configuration and checkpoint, found on all ranks together.

import Foundation
import Logging
import MPI
import Parallel
import Storage
import Tensors

/// What a command line says of a run.
public struct RunOptions: Sendable {
  /// A YAML file of settings; nil: those of the resumed run, or the defaults.
  public var configurationPath: String?
  /// Assignments `key=value`.
  public var assignments: [String] = []
  /// Settings with an option of their own, as `("steps", "10")` of `--steps 10`.
  public var overrides: [(key: String, value: String)] = []
  /// The run's folder; nil: `runs/<name>`.
  public var runPath: String?
  /// Whether an existing run goes on.
  public var resumes = false
  /// What a new run takes its first weights from, `InitialWeights`; nil: they are drawn.
  public var initialPath: String?
  /// How long the process may run, as `TimeLimit.seconds` reads it; nil: nothing is said.
  public var timeLimit: String?
  /// Whether it may go on with other images.
  public var acceptsOtherData = false

  /// The embedded digits in a new run.
  public init() {}

  /// The configuration that rank 0 reads, on all ranks: files may differ from node to node;
  /// collective.
  ///
  /// - Throws: `AgreedFailure`, `MPIError`.
  package func configuration(_ job: Job) throws -> Configuration {
    let communicator = try job.communicator()
    let own = try job.together { communicator.rank == 0 ? try configuration().yaml() : "" }
    var shared = Configuration()
    try shared.apply(
      yaml: try communicator.broadcast(own, from: 0), source: "the first rank's configuration")
    return shared
  }

  /// The configuration, as this process reads it.
  func configuration() throws -> Configuration {
    var configuration = Configuration()
    try assign(to: &configuration)
    if let source = configurationPath {
      try configuration.apply(yaml: try Configuration.text(ofFile: source), source: source)
    } else if resumes {
      try configuration.apply(settingsOf: RunFolder(runPath ?? "runs/\(configuration.run.name)"))
    }
    try assign(to: &configuration)
    // So that the run can be resumed from another folder.
    configuration.data.path = configuration.data.path.map { URL(fileURLWithPath: $0).path }
    if case .file(let path, let group) = configuration.validation.source {
      configuration.validation.source = .file(
        path: URL(fileURLWithPath: path).path, group: group)
    }
    return configuration
  }

  private func assign(to configuration: inout Configuration) throws(ConfigurationError) {
    for assignment in assignments { try configuration.apply(assignment: assignment) }
    for (key, value) in overrides {
      try configuration.apply(assignment: "\(key)=\(value)", option: "--\(key) \(value)")
    }
  }
}

/// What is to be run, the same on all ranks: everything that can be refused has been.
package struct RunRequest {
  /// The run's folder.
  package let folder: RunFolder
  /// The configuration that has met its dataset and its ranks.
  package let plan: TrainingPlan
  /// How far the run has come; nil where it begins.
  let point: ResumePoint?
  /// The checkpoint to go on from, on rank 0; nil elsewhere, and where there is none.
  let checkpoint: Checkpoint?
  /// The checksum of the images.
  package let images: String
  /// The run's lock, on rank 0; nil elsewhere, and where it is not taken.
  let lock: RunLock?
  /// The weights that the run begins with; nil where they are drawn, and where it goes on.
  let initial: InitialWeights?

  /// Where the weights come from that the run began with, at whatever start; nil: they were drawn. On
  /// rank 0.
  var origin: String? { initial?.origin ?? checkpoint?.provenance[Provenance.initialWeights] }

  /// Whether the run began with weights that are not here any more. On rank 0.
  var lacksFirstWeights: Bool { initial == nil && origin != nil }

  /// The settings that the run has begun with, YAML; nil where it begins.
  package let begun: String?

  /// The steps that are done.
  package var step: Int { point?.step ?? 0 }

  /// Finds out what is to be run; collective.
  ///
  /// - Parameter takesLock: Whether the run's folder is locked, and made where there is none; otherwise
  ///   nothing is written, and what would be refused of it is refused all the same.
  /// - Throws: `AgreedFailure` on all ranks for everything that can be refused, `MPIError`.
  package init(
    _ options: RunOptions, _ job: Job, _ logger: Logger, takesLock: Bool = true
  ) throws {
    let configuration = try options.configuration(job)
    let folder = RunFolder(options.runPath ?? "runs/\(configuration.run.name)")
    let communicator = try job.communicator()
    // Before anything of the run is read: it must not change any more.
    lock = try job.together {
      guard communicator.rank == 0 else { return nil }
      guard takesLock else {
        try folder.requireFree()
        return nil
      }
      return try folder.lock(logger)
    }
    let checkpoint = try job.together {
      guard communicator.rank == 0 else { return Checkpoint?.none }
      guard options.resumes else {
        guard folder.exists else { return nil }
        throw StorageError.cannotCreate(
          path: folder.path,
          reason: "holds a run already; go on with --resume, or choose another folder with --run")
      }
      let found = try folder.checkpointToGoOnFrom(logger)
      if found == nil, options.initialPath == nil { try folder.requireFirstWeights(nil) }
      return found
    }
    let point = try ResumePoint.share(checkpoint, communicator)
    let begun = try point?.configuration ?? folder.sharedConfiguration(job)
    self.begun = begun
    try configuration.checkDatasetsOnce(job)
    plan = try job.together {
      var configuration = configuration
      if let begun { try configuration.continueRun(of: begun) }
      let plan = try TrainingPlan(configuration, rankCount: communicator.size)
      if let checkpoint {
        let path = folder.checkpoints.path(step: checkpoint.progress.step)
        try plan.objective.parameters.layout.require(of: checkpoint, path: path)
        try plan.objective.requireState(of: checkpoint, path: path)
        try plan.configuration.optimizer.requireAverages(of: checkpoint)
      }
      if plan.validation != nil, communicator.rank == 0 {
        try folder.checkpoints.requireBestIsFree()
      }
      return plan
    }
    (self.folder, self.point, self.checkpoint) = (folder, point, checkpoint)
    // A job that is started again by the same words has its own weights by then.
    let initialPath = point == nil ? options.initialPath : nil
    initial = try initialPath.map { [plan] in try InitialWeights($0, plan, job, logger) }
    try job.together { [initial] in
      if let initial, communicator.rank == 0 { try folder.requireFirstWeights(initial.origin) }
    }
    try Self.requireSameImages(plan.dataset, plan.conditions, job)
    if let validation = plan.validation {
      try Self.requireSameImages(validation.dataset, validation.conditions, job)
    }
    images = try plan.dataset.sharedChecksum(job) + plan.conditions.checksum
    try job.together { [plan, images] in
      guard !options.acceptsOtherData, let checkpoint else { return }
      try plan.dataset.requireImages(of: checkpoint, checksum: images)
    }
  }

  /// Requires the dataset of rank 0: another node may hold a stale copy, for example.
  private static func requireSameImages(
    _ dataset: ImageDataset, _ conditions: ImageConditions, _ job: Job
  ) throws {
    let own =
      "\(dataset.count) images of \(dataset.shape), \(Provenance.checksum(of: dataset))"
      + conditions.checksum
    let first = try job.communicator().broadcast(own, from: 0)
    try job.together {
      guard own != first else { return }
      throw StorageError.badData(
        path: dataset.path,
        reason:
          "holds \(own) on \(ProcessInfo.processInfo.hostName), but \(first) on the first rank")
    }
  }
}
