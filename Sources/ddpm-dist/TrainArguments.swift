// The options that say what is run: those of train, and of check.

import ArgumentParser
import Storage
import Training

/// What `ddpm-dist train` is told of its run.
struct TrainArguments: ParsableArguments {
  @Option(
    help: "A YAML file of settings, such as configs/cifar10.yaml.",
    completion: .file(extensions: ["yaml", "yml"]))
  var config: String?
  @Option(
    help: """
      The dataset, an HDF5 file; see ddpm-dist dataset import. (default: the configuration's, else \
      the embedded digits)
      """,
    completion: .hdf5)
  var data: String?
  @Option(
    help: "The run's folder. (default: runs/NAME, NAME being the setting 'name')",
    completion: .directory)
  var run: String?
  @Option(help: "Optimizer steps of the whole run. \(Self.configured(\.training.steps))")
  var steps: Int?
  @Option(help: "Images a step, over all ranks. \(Self.configured(\.training.batch))")
  var batch: Int?
  @Option(help: "The seed of all random numbers. \(Self.configured(\.training.seed))")
  var seed: Int?
  @Option(help: "Worker threads of each rank. (default: the cores that the rank may use)")
  var workers: Int?
  @Flag(help: "Go on from the newest good checkpoint of the run's folder, if there is one.")
  var resume = false
  @Option(
    help: ArgumentHelp(
      """
      Begin with these weights, and nothing else of where they come from: a checkpoint's average, that of a \
      run folder's newest good checkpoint, or a folder of diffusers. A run that goes on with --resume keeps \
      its own. (default: random ones)
      """, valueName: "path"),
    completion: .hdf5)
  var initFrom: String?
  @Option(help: .timeLimit)
  var timeLimit: String?
  @Flag(help: "Go on with other images than those that the run was trained on.")
  var acceptOtherData = false
  @Option(
    name: .customLong("set"), parsing: .upToNextOption,
    help: ArgumentHelp(
      "Change settings, one or several; none that is also given by an option such as --steps.",
      valueName: "key=value"),
    completion: .settings)
  var settings: [String] = []
  @OptionGroup var log: LogOptions

  /// What the help says of an option that stands for a setting.
  private static func configured(_ setting: KeyPath<Configuration, Int>) -> String {
    "(default: the configuration's, else \(Configuration()[keyPath: setting]))"
  }

  func validate() throws {
    try requireTimeLimit(timeLimit)
    if run == "" { throw ValidationError("--run names no folder.") }
    if acceptOtherData, !resume { throw ValidationError("--accept-other-data goes with --resume.") }
  }

  /// What they say of the run.
  var options: RunOptions {
    var options = RunOptions()
    options.configurationPath = config
    options.runPath = run
    options.resumes = resume
    options.initialPath = initFrom
    options.timeLimit = timeLimit
    options.acceptsOtherData = acceptOtherData
    options.assignments = settings
    let values: [(String, Any?)] = [
      ("data", data), ("steps", steps), ("batch", batch), ("seed", seed), ("workers", workers),
    ]
    for (key, value) in values {
      if let value { options.overrides.append((key, "\(value)")) }
    }
    return options
  }

  /// What they say of the run; refuses what is given twice, on all ranks.
  func options(_ job: Job) throws -> RunOptions {
    log.apply()
    let options = options
    try job.together {
      try RepeatedKeys.requireNone(assignments: settings, options: options.overrides)
    }
    return options
  }

  /// Refuses to write a JSON file over another one, or over what the run reads, on all ranks.
  func requireJSONPlace(
    _ json: String?, isForced: Bool, _ options: RunOptions, _ job: Job
  ) throws {
    guard let json, json != "-" else { return }
    let configuration = try options.configuration(job)
    var inputs = [config, configuration.data.path, initFrom].compactMap(\.self)
    inputs += settings.map { String($0.drop { $0 != "=" }.dropFirst()) }
    if case .file(let path, _) = configuration.validation.source { inputs.append(path) }
    try job.onFirstRank { [inputs] in
      try OutputKind.report.check(target: json, inputs: inputs, isForced: isForced)
    }
  }
}

extension ArgumentHelp {
  /// What `--json` means where there is a table.
  static let json = ArgumentHelp(
    "Write the results as JSON to this file; - prints them instead of the table.")
}

/// Refuses a name that is none of a JSON file.
func requireJSONName(_ json: String?) throws {
  if let json, json != "-", let fault = OutputKind.report.fault(inName: json) {
    throw ValidationError("--json \(fault)")
  }
}
