// ddpm-dist train: one run, on all ranks.

import ArgumentParser
import Logging
import Reports
import Training

/// `ddpm-dist train`.
struct Train: JobCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a model; without arguments on the embedded digits.",
    discussion: """
      The run's folder holds config.yaml, metrics.jsonl (a line a step), history.jsonl (a line a \
      start), checkpoints/ and samples/ (a grid every so many steps); and for readers report.html, \
      status.json, metrics.csv and an event file of TensorBoard. The settings for YAML files and --set stand below the options.
      """)

  /// The settings with their defaults, section by section, for the end of the help.
  static var settingsHelp: String {
    let defaults = Configuration()
    var lines = ["SETTINGS, for YAML files and --set, with their defaults:"]
    for (title, settings) in Configuration.sections {
      lines += ["", "  \(title.uppercased())"]
      for setting in settings {
        lines.append("  \(setting.key): \(setting.value(in: defaults))   (\(setting.values))")
        lines.append("      \(setting.help)")
      }
    }
    return lines.joined(separator: "\n")
  }

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
    if acceptOtherData, !resume { throw ValidationError("--accept-other-data goes with --resume.") }
  }

  /// What it is told of the run.
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

  func run(_ job: Job) throws {
    log.apply()
    let (logger, options) = (try job.logger(), options)
    try job.together {
      try RepeatedKeys.requireNone(assignments: settings, options: options.overrides)
    }
    try TrainingRun(options, job: job, logger: logger, observer: RunRecords()).run()
  }
}
