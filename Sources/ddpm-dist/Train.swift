// ddpm-dist train: one run, on all ranks.

import ArgumentParser
import Logging
import Preflight
import Reports
import Storage
import Training

/// `ddpm-dist train`.
struct Train: JobCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a model; without arguments on the embedded digits.",
    discussion: """
      The run's folder holds config.yaml, metrics.jsonl (a line a step), history.jsonl (a line a \
      start), checkpoints/ and samples/ (a grid every so many steps); and for readers report.html, \
      status.json, metrics.csv and an event file of TensorBoard. With --dry-run nothing is written and no \
      folder is made: it prints what the run would be, and refuses what would be refused; ddpm-dist check \
      looks at the machines too. The settings for YAML files and --set stand below the options.
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

  @OptionGroup var arguments: TrainArguments
  @Flag(
    help: """
      Print settings and where they come from, parameters, memory, files and images of the run, and train \
      nothing.
      """)
  var dryRun = false
  @Option(
    help: "With --dry-run: write its results as JSON to this file; - prints them as JSON.")
  var json: String?
  @Flag(
    help: "With --json: replace a file of another kind too; never an input, a folder or a device.")
  var force = false

  func validate() throws {
    if json != nil, !dryRun { throw ValidationError("--json goes with --dry-run.") }
    if force, json == nil { throw ValidationError("--force goes with --json.") }
    try requireJSONName(json)
  }

  func run(_ job: Job) throws {
    let options = try arguments.options(job)
    if dryRun { return try show(options, job) }
    try TrainingRun(options, job: job, logger: job.logger(), observer: RunRecords()).run()
  }

  /// Prints what the run would be.
  private func show(_ options: RunOptions, _ job: Job) throws {
    try arguments.requireJSONPlace(json, isForced: force, options, job)
    let report = try PlanReport.of(options, job: job)
    try job.onFirstRank {
      guard let report else { return }
      if let json, json != "-" { try AtomicFile.write(report.json(), to: json) }
      try StandardStreams.print(json == "-" ? report.json() : report.table)
    }
  }
}
