// What ddpm-dist job does: from its options to the script, and to the queue.

import ArgumentParser
import Foundation
import Jobs
import Storage
import Training

extension JobScriptCommand {
  func run(_ job: Job) throws {
    try job.onFirstRank {
      let found = scheduler.scheduler
      let choices = try choices(for: found)
      if printDefaults { return try StandardStreams.print(Self.table(choices)) }
      let train = try training()
      let options = train.arguments.options
      try RepeatedKeys.requireNone(
        assignments: train.arguments.settings, options: options.overrides)
      let scripted = try scripted(choices, found, train)
      let script = try JobScript(scripted, for: found)
      var inputs =
        [options.configurationPath, scripted.request.container, estimate]
        .compactMap(\.self) + choices.files
      if let hosts = scripted.request.hostFile { inputs.append(hosts) }
      if noCheck {
        say("nothing was looked at but the options.", as: "warning: ")
      } else {
        let check = try JobCheck(scripted, for: found, options)
        inputs += [check.run.plan.dataset.path]
        for warning in check.warnings { say(warning, as: "warning: ") }
        try tellCost(scripted, found, check)
      }
      if let output {
        try OutputKind.jobScript.check(target: output, inputs: inputs, isForced: force)
        try AtomicFile.write(script.text, to: output)
      } else if !submit {
        try StandardStreams.print(script.text)
      }
      if submit { try submit(script, scripted, found) }
      if scripted.request.seeds != nil {
        let run = ShellWord.quoted(scripted.training.run)
        say("when they have trained, ddpm-dist report \(run)/seed-* shows their mean and spread.")
      }
    }
  }

  // MARK: What is chosen

  /// The options of the command line over those of the files.
  private func choices(for scheduler: any Scheduler) throws -> JobChoices {
    var choices = JobChoices()
    for file in JobChoices.defaultFiles() { try choices.add(file: file) }
    for choice in given {
      if let reason = scheduler.refusals[choice.key] {
        throw JobError.option(
          source: choice.source, reason: "\(scheduler.title) cannot follow it: \(reason)")
      }
      try choices.add(choice)
    }
    return choices
  }

  private static func table(_ choices: JobChoices) -> String {
    choices.given.map { choice in
      let words = choice.words.map(ShellWord.quoted).joined(separator: " ")
      let source = choice.source.hasPrefix("--") ? "the command line" : choice.source
      return "\(choice.key): \(words)   (\(source))\n"
    }.joined()
  }

  /// The command behind `--`, as ddpm-dist itself reads it.
  private func training() throws -> Train {
    let words = Array(command.dropFirst())
    do {
      let train = try Train.parse(words)
      if let refusal = RepeatedOption.refusal(in: words, describedBy: Train._dumpHelp()) {
        throw ValidationError(refusal)
      }
      if train.dryRun { throw ValidationError("--dry-run trains nothing; leave it out of a job.") }
      return train
    } catch {
      let text = Train.message(for: error)
      if Train.exitCode(for: error) == .success {
        throw JobError.option(source: "-- train", reason: "leave --help out of a job")
      }
      throw JobError.option(source: "-- train", reason: text)
    }
  }

  /// The job with all that its script tells.
  private func scripted(
    _ choices: JobChoices, _ scheduler: any Scheduler, _ train: Train
  ) throws -> ScriptedJob {
    var request = choices.request(without: scheduler.refusals.keys)
    if scheduler.submission == nil, submit {
      throw JobError.option(
        source: "--submit", reason: "there is no queue; start the script by bash")
    }
    // A script for another machine says how many nodes there are.
    let isCounted = !noCheck || request.nodes == nil
    let hosts = try isCounted ? request.hostFile.map { try HostList(file: $0) } : nil
    let layout = try JobLayout(request, hosts: hosts?.count)
    if let reason = hosts?.refusal(ranksPerNode: layout.ranksPerNode) {
      throw JobError.option(source: "--hostfile", reason: reason)
    }
    if let time = request.time ?? scheduler.defaultTime, time <= request.warning {
      throw JobError.option(
        source: "--warn-before \(request.warning)",
        reason: "is not shorter than the job's time of \(time) seconds")
    }
    if train.arguments.timeLimit != nil, request.time ?? scheduler.defaultTime != nil,
      !scheduler.tellsEnd
    {
      throw JobError.option(
        source: "--time-limit", reason: "the script computes it from --time; leave it out")
    }
    let says = { (key: String) in train.arguments.settings.contains { $0.hasPrefix("\(key)=") } }
    if request.seeds != nil, train.arguments.seed != nil || says("seed") {
      throw JobError.option(
        source: "--array", reason: "gives each job its seed; leave it out behind train")
    }
    if let image = request.container, !noCheck, !FileManager.default.isReadableFile(atPath: image) {
      throw StorageError.missingInput(path: image, reason: "there is no readable container image")
    }
    if request.program == nil {
      request.program = request.container == nil ? Self.ownPath : "ddpm-dist"
    }
    let words = TrainingWords(
      Array(command.dropFirst()),
      run: try folder(of: train),
      saysWorkers: train.arguments.workers != nil || says("workers"))
    return ScriptedJob(
      request: request, layout: layout, training: words, file: output, command: Self.ownWords,
      defaults: choices.files)
  }

  /// The folder of the run, which a configuration may name.
  private func folder(of train: Train) throws -> String {
    if let run = train.arguments.run { return run }
    guard !noCheck || train.arguments.config == nil else {
      throw JobError.option(
        source: "--no-check",
        reason: "does not read the configuration; name the folder of the run by --run, behind train"
      )
    }
    return try train.arguments.options.folder()
  }

  /// This program by the path that it was started by: a wrapper that chooses among several stays it.
  private static var ownPath: String {
    let word = CommandLine.arguments[0]
    guard !word.contains("/") else { return URL(fileURLWithPath: word).standardizedFileURL.path }
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    return folders.map { "\($0)/\(word)" }.first(
      where: FileManager.default.isExecutableFile(atPath:)) ?? word
  }

  /// The words of this command that have a say in the script, as words of bash.
  private static var ownWords: [String] {
    let silent: Set = ["--submit", "--force", "--no-check"]
    var words = ["ddpm-dist"]
    var isBehind = false
    for word in CommandLine.arguments.dropFirst() where isBehind || !silent.contains(word) {
      if word == "--" { isBehind = true }
      words.append(ShellWord.quoted(word))
    }
    return words
  }

  // MARK: What is said and done

  private func say(_ text: String, as kind: String = "") { StandardStreams.note(kind + text) }

  /// What the job asks for at most, and by the benchmark how long it takes.
  private func tellCost(
    _ job: ScriptedJob, _ scheduler: any Scheduler, _ check: JobCheck
  ) throws {
    let (layout, time) = (job.layout, job.request.time ?? scheduler.defaultTime)
    let count = { (number: Int, noun: String) in "\(number) \(noun)\(number == 1 ? "" : "s")" }
    let ranks =
      "\(count(layout.ranks, "rank")) of \(count(layout.coresPerRank, "core")) on "
      + count(layout.nodes, "node")
    if let hours = JobEstimate.nodeHours(job, for: scheduler) {
      say("\(ranks), at most \(String(format: "%.1f", hours)) node-hours.")
    } else {
      say("\(ranks).")
    }
    guard let estimate else { return }
    let report = try JobEstimate.report(ofFile: estimate)
    guard report.parameters == check.run.parameters else {
      throw JobError.option(
        source: "--estimate \(estimate)",
        reason: "is of a network of \(report.parameters) parameters, and this one has "
          + "\(check.run.parameters); measure it with the same --config")
    }
    guard
      let found = JobEstimate(
        report, steps: check.run.stepsLeft, batch: check.run.plan.configuration.training.batch,
        workers: layout.ranks * layout.coresPerRank, time: time.map { $0 - job.request.warning })
    else {
      throw JobError.option(
        source: "--estimate \(estimate)", reason: "has no times of steps; measure --parts step")
    }
    let end = Date.now.addingTimeInterval(found.seconds).formatted(.iso8601)
    var text =
      "\(check.run.stepsLeft) steps take about \(JobEstimate.text(found.seconds)), without "
      + "validation and samples; begun now, they end at \(end)"
    if let links = found.links, links > 1 {
      text += ": \(links) jobs one after the other"
      if job.request.links > 1, job.request.links < links { text += ", and --chain has fewer" }
    }
    say(text + ".")
    if report.workers != layout.ranks * layout.coresPerRank {
      say("measured on \(report.workers) workers, as if others were as fast each.", as: "warning: ")
    }
  }

  private func submit(
    _ script: JobScript, _ job: ScriptedJob, _ scheduler: any Scheduler
  ) throws {
    let numbers = try scheduler.submission!.submit(script, of: job) { text in
      for line in text.split(whereSeparator: \.isNewline) { say(String(line)) }
    }
    try StandardStreams.print(numbers.map { $0 + "\n" }.joined())
  }
}
