// Scripts for Flux.

/// Flux: https://flux-framework.readthedocs.io/projects/flux-core/en/latest/man1/flux-batch.html
struct Flux: Scheduler {
  let name = "flux"
  let title = "Flux"
  let refusals = [
    "qos": "Flux has queues and banks; name them by --queue and --account",
    "reservation": "Flux has none",
    "mem": "Flux does not count memory; ask for whole nodes",
    "mail": "Flux writes none",
    "launcher": "Flux starts ranks itself, by flux run",
    "parallel_environment": "it is an option of Grid Engine",
    "hostfile": "Flux chooses the hosts",
  ]
  let sentinel: String? = "#flux:"
  let stopCommand = "write a file STOP into the run's folder"
  let submitFolder: String? = nil
  let seed = "$DDPM_SEED"
  let defaultTime: Int? = 86_400
  let tellsEnd = false
  // The run is a job of the instance that Flux has made for this one.
  let signalCommand = #"flux job kill --signal=SIGUSR1 "$(flux job last)""#

  var submission: Submission? {
    Submission(
      program: "flux", arguments: ["batch"], dependency: { ["--dependency=afterany:\($0)"] },
      seed: { ["--env=DDPM_SEED=\($0)"] }, identifier: { $0.isEmpty ? nil : $0 })
  }

  func requeue(_ job: ScriptedJob) -> Requeue? {
    guard let file = job.file else { return nil }
    let seed = job.request.seeds == nil ? "" : #" --env=DDPM_SEED="$DDPM_SEED""#
    return Requeue(
      comment: "Stopped in time: a new job with this script goes on.",
      lines: [
        "exec flux --parent batch\(seed) \(ShellWord.quoted(file.hasPrefix("-") ? "./" + file : file))"
      ])
  }

  func directives(_ job: ScriptedJob) throws(JobError) -> [Directive] {
    let (request, layout) = (job.request, job.layout)
    if request.seeds?.limit != nil {
      throw .option(
        source: "--array", reason: "Flux has no limit of jobs at a time; leave out what follows %")
    }
    if layout.ranksPerSocket != nil {
      throw .option(
        source: "--ranks-per-socket", reason: "Flux places ranks itself; say --ranks-per-node")
    }
    var found = [
      Directive("job-name", "--job-name=\(try job.value(request.name, of: "name", for: self))"),
      Directive("nodes", "--nodes=\(layout.nodes)"),
      Directive("nslots", "--nslots=\(layout.ranks)", "A slot for each rank, of so many cores:"),
      Directive("cores-per-slot", "--cores-per-slot=\(layout.coresPerRank)"),
    ]
    if request.isExclusive {
      found.append(
        Directive(
          "exclusive", "--exclusive",
          "Nobody else on the nodes: every step waits for the slowest rank."))
    }
    found.append(Directive("time-limit", "--time-limit=\(job.time(on: self)!)s"))
    let options: [(String?, key: String, name: String)] = [
      (request.partition, "queue", "queue"), (request.account, "account", "bank"),
      (request.constraint, "constraint", "requires"),
    ]
    for (text, key, name) in options {
      guard let text else { continue }
      found.append(Directive(name, "--\(name)=\(try job.value(text, of: key, for: self))"))
    }
    let log = try job.value(
      request.log ?? "\(request.name)-{{id}}.log", of: request.log == nil ? "name" : "log",
      for: self)
    found.append(Directive("output", "--output=\(log)", "One log for output and errors."))
    return found
  }

  func launch(_ job: ScriptedJob) -> [String] {
    let layout = job.layout
    let words = [
      "flux", "run", "--nodes=\(layout.nodes)", "--ntasks=\(layout.ranks)",
      "--cores-per-task=\(layout.coresPerRank)", "-o", "cpu-affinity=per-task",
      #""${command[@]}" &"#,
    ]
    return ShellWord.lines(words, after: "", indent: "  ", end: " \\")
  }
}
