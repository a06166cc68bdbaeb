// The script of a job: what all schedulers share, from the first line to the exit code.

/// A script of bash that a scheduler starts, or a user.
///
/// It stands alone: whatever it needs of this project is in it but for the program. Every value in it is
/// quoted for its place.
public struct JobScript: Sendable {
  /// The whole script, with a line break at its end.
  public let text: String

  /// Writes the script of a job.
  ///
  /// - Throws: `JobError` for what the scheduler has no word for, and for values that its directives cannot
  ///   carry.
  public init(_ job: ScriptedJob, for scheduler: any Scheduler) throws(JobError) {
    if job.request.requeues == true, scheduler.requeue(job) == nil {
      throw .option(
        source: "--requeue",
        reason: job.request.seeds == nil
          ? "\(scheduler.title) takes the script again from its file; name one with --output"
          : "\(scheduler.title) would start the whole array again; let it go on by --chain")
    }
    var lines = Self.head(job, scheduler)
    lines += try Self.directives(job, scheduler)
    lines += ["", "set -eo pipefail"]
    lines += Self.surroundings(job, scheduler)
    lines += Self.command(job, scheduler)
    if scheduler.sentinel != nil { lines.append(Self.progress) }
    lines += Self.start(job, scheduler) + Self.end(job, scheduler)
    text = lines.joined(separator: "\n") + "\n"
  }

  /// Whether a job goes back into the queue by itself.
  static func requeues(_ job: ScriptedJob, _ scheduler: any Scheduler) -> Bool {
    (job.request.requeues ?? (job.request.links == 1)) && scheduler.requeue(job) != nil
  }

  /// Whether there is a next part of a job.
  static func goesOn(_ job: ScriptedJob) -> Bool {
    job.request.links > 1 || job.request.requeues != false
  }

  // MARK: The head

  private static func head(_ job: ScriptedJob, _ scheduler: any Scheduler) -> [String] {
    let goes =
      requeues(job, scheduler)
      ? "it trains, and goes on by itself."
      : job.request.links > 1 ? "one of a chain, each of which goes on." : "it trains."
    var lines = [
      "#!/usr/bin/env bash",
      "# A job script of ddpm-dist for \(scheduler.title): \(goes) Written by", "#",
    ]
    lines += ShellWord.lines(
      ShellWord.pairs(job.command), after: "#   ", indent: "#     ", end: " \\")
    lines.append("#")
    if !job.defaults.isEmpty {
      let files = job.defaults.map(ShellWord.quoted).joined(separator: " and ")
      lines.append("# with the defaults of \(files).")
    }
    let file = job.file.map(ShellWord.quoted) ?? "job.sh"
    if let submission = scheduler.submission {
      lines += [
        "# Submit it in the folder in which its relative paths begin:", "#",
        "#   \(submission.example(file, job))", "#",
        "# To end the job in good order, with everything kept: \(scheduler.stopCommand)",
      ]
    } else {
      lines += [
        "# Start it in the folder in which its relative paths begin:", "#", "#   bash \(file)", "#",
        "# To end it in good order, with everything kept: \(scheduler.stopCommand)",
      ]
    }
    return lines + ["# Another number of nodes, ranks or cores is another script: write it again."]
  }

  private static func directives(
    _ job: ScriptedJob, _ scheduler: any Scheduler
  ) throws(JobError) -> [String] {
    let found = try scheduler.directives(job)
    guard let sentinel = scheduler.sentinel else { return [] }
    var lines = [""]
    var skipped = Set(job.request.skipped.map { String($0.drop { $0 == "-" }) })
    for directive in found where skipped.remove(directive.name) == nil {
      lines += directive.comment.map { "# \($0)" } + ["\(sentinel) \(directive.text)"]
    }
    // A name may stand for several lines, and is found at the first.
    if let unknown = skipped.sorted().first {
      throw .option(
        source: "--skip \(unknown)",
        reason: "there is no such directive; there are \(found.map(\.name).joined(separator: ", "))"
      )
    }
    for text in job.request.extra {
      let isLine = text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
      guard isLine, !text.isEmpty else {
        throw .option(source: "--extra \(text)", reason: "a directive is one line")
      }
      lines.append("\(sentinel) \(text)")
    }
    return lines
  }

  // MARK: Before the training

  private static func surroundings(_ job: ScriptedJob, _ scheduler: any Scheduler) -> [String] {
    let request = job.request
    var lines: [String] = []
    if let folder = scheduler.submitFolder {
      lines.append(
        """
        # The scheduler runs a copy of this script; the paths begin where it was submitted.
        cd \(folder)
        """)
    }
    if !request.modules.isEmpty {
      lines.append(
        """
        # A shell that is no login shell may not know modules yet.
        for file in /etc/profile.d/{,z00_}{lmod,modules}.sh; do
          if command -v module >/dev/null; then break; fi
          # shellcheck disable=SC1090
          if [[ -r $file ]]; then source "$file"; fi
        done
        """)
      lines += ShellWord.lines(
        request.modules.map(ShellWord.quoted), after: "module load ", indent: "  ", end: " \\")
    }
    lines += request.setup
    for variable in request.environment {
      let name = variable.prefix { $0 != "=" }
      lines.append("export \(name)=\(ShellWord.quoted(String(variable.dropFirst(name.count + 1))))")
    }
    lines.append(
      """
      # Not before: what others wrote may use what is not set.
      set -u
      # Open MPI refuses to run as root; in a container, root is who one is.
      if ((EUID == 0)); then
        export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
      fi
      # The workers of a rank are its parallelism.
      export OPENBLAS_NUM_THREADS=1

      """)
    return lines
  }

  private static func command(_ job: ScriptedJob, _ scheduler: any Scheduler) -> [String] {
    let run = job.training.run.hasPrefix("-") ? "./" + job.training.run : job.training.run
    var lines: [String] = []
    var words: [String] = []
    if let image = job.request.container {
      words = ["apptainer", "exec", ShellWord.quoted(image)]
    }
    words += [ShellWord.quoted(job.request.program ?? "ddpm-dist"), "train"]
    words += ShellWord.pairs(job.training.words.map(ShellWord.quoted))
    if job.request.seeds != nil {
      lines.append(
        """
        # Each job of the array has a seed, and a folder for its run.
        seed=\(scheduler.seed)
        run=\(ShellWord.quoted(run))/seed-$seed
        """)
      words.append("--seed \"$seed\"")
    } else {
      lines.append("run=\(ShellWord.quoted(run))")
    }
    words += ["--run \"$run\"", "--resume"]
    if !job.training.saysWorkers { words.append("--workers \(job.layout.coresPerRank)") }
    lines.append(
      """
      # With --resume a run that has a checkpoint goes on, one that has none begins, and one that is
      # done ends at once.
      """)
    lines += ShellWord.array("command", words)
    if let time = job.time(on: scheduler), !scheduler.tellsEnd {
      lines.append(
        #"""
        # Of the job's time, \#(ScriptedJob.clock(time)), training may have what is left but for the
        # last \#(job.request.warning) seconds: then it finishes its step, saves, and ends with exit code 75.
        left=$((\#(time) - \#(job.request.warning) - SECONDS))
        ((left > 0)) || left=1
        command+=(--time-limit "$((left / 60)):$((left % 60))")
        """#)
    }
    return lines
  }

  /// Whether a job that is about to be started again may be.
  private static let progress = #"""

    # newest_step: prints the step of the newest checkpoint of the run; 0 where there is none.
    newest_step() {
      local step=0 path
      for path in "$run"/checkpoints/step-*.h5; do
        path=${path##*/step-}
        path=${path%.h5}
        if [[ $path =~ ^[0-9]+$ ]] && ((10#$path > step)); then step=$((10#$path)); fi
      done
      echo "$step"
    }

    # made_progress: fails where three parts in a row have brought no new step. The file "restarts"
    # in the run's folder remembers the newest step and how many they are by now.
    made_progress() {
      local step before=0 count=0
      step=$(newest_step)
      if [[ -r $run/restarts ]]; then read -r before count <"$run/restarts" || true; fi
      if [[ $before == "$step" ]]; then count=$((count + 1)); else count=0; fi
      # There may be no folder yet, where the job has been stopped before it made one.
      mkdir -p "$run"
      echo "$step $count" >"$run/restarts"
      if ((count < 3)); then return 0; fi
      rm -f "$run/restarts"
      echo "Three starts in a row have ended at step $step without a new one: give the job more" \
        "time, or the run a smaller batch. It is not started again." >&2
      return 1
    }
    """#

  // MARK: The training and its end

  private static func start(_ job: ScriptedJob, _ scheduler: any Scheduler) -> [String] {
    [
      #"""

      # The training runs beside this script, which must be free for the signal that asks it to stop.
      training=""
      told=false
      # shellcheck disable=SC2317,SC2329 # called by the trap
      tell_training() {
        told=true
        [[ -z $training ]] || \#(scheduler.signalCommand) 2>/dev/null || true
      }
      trap tell_training USR1

      # Each rank gets its own cores.
      """#
    ] + scheduler.launch(job) + [
      #"""
      training=$!
      if $told; then tell_training; fi

      # A signal interrupts `wait`, which then gives the signal's number: so wait again, until the
      # training has really ended. 127 is the answer where it had, and the code is known.
      status=0
      wait "$training" || status=$?
      while $told; do
        told=false
        code=0
        wait "$training" || code=$?
        ((code == 127)) || status=$code
      done
      """#
    ]
  }

  private static func end(_ job: ScriptedJob, _ scheduler: any Scheduler) -> [String] {
    let lines = [
      #"""
      # 128 + 10: USR1 came while the training was still beginning, and ended it; nothing is lost.
      ((status == 75 || status == 128 + 10)) || exit "$status"

      """#
    ]
    guard scheduler.sentinel != nil else {
      return lines + ["# Stopped in time, and to go on: start this script again.", "exit 75"]
    }
    let going = [
      """
      # Stopped in time, and to go on. But not for ever: where three parts in a row have brought no
      # new step, a step or a save takes longer than a job may.
      made_progress || exit 70
      """
    ]
    guard requeues(job, scheduler), let requeue = scheduler.requeue(job) else {
      let next =
        job.request.links > 1
        ? "# The next job of the chain goes on." : "# This script, submitted again, goes on."
      return lines + going + [next, "exit 75"]
    }
    return lines + going + ["# \(requeue.comment)"] + requeue.lines
  }
}
