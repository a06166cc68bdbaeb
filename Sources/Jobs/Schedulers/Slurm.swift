// Scripts for Slurm.

/// Slurm: https://slurm.schedmd.com/sbatch.html
struct Slurm: Scheduler {
  let name = "slurm"
  let title = "Slurm"
  let refusals = [
    "parallel_environment": "it is an option of Grid Engine",
    "hostfile": "Slurm chooses the hosts; ask for some by --extra=--nodelist=HOSTS",
  ]
  let sentinel: String? = "#SBATCH"
  let stopCommand = "scancel --batch --signal=USR1 JOB"
  let submitFolder: String? = "\"$SLURM_SUBMIT_DIR\""
  let seed = "$SLURM_ARRAY_TASK_ID"
  let defaultTime: Int? = 86_400
  // SLURM_JOB_END_TIME.
  let tellsEnd = true
  let signalCommand = #"kill -USR1 "$training""#

  var submission: Submission? {
    Submission(
      program: "sbatch", arguments: ["--parsable"], trial: ["--test-only"],
      dependency: { ["--dependency=afterany:\($0)"] },
      identifier: { $0.split(separator: ";").first.map(String.init) })
  }

  func requeue(_ job: ScriptedJob) -> Requeue? {
    Requeue(
      comment: "Stopped in time: the same job goes back into the queue.",
      lines: [
        "echo \"This job goes back into the queue.\"",
        "scontrol requeue \"$SLURM_JOB_ID\" || exit 75",
      ])
  }

  func directives(_ job: ScriptedJob) throws(JobError) -> [Directive] {
    let (request, layout) = (job.request, job.layout)
    var found = [
      Directive("job-name", "--job-name=\(try job.value(request.name, of: "name", for: self))"),
      Directive("nodes", "--nodes=\(layout.nodes)"),
      Directive("ntasks-per-node", "--ntasks-per-node=\(layout.ranksPerNode)"),
    ]
    if let each = layout.ranksPerSocket {
      found.append(Directive("ntasks-per-socket", "--ntasks-per-socket=\(each)"))
    }
    found += [
      Directive("cpus-per-task", "--cpus-per-task=\(layout.coresPerRank)"),
      Directive(
        "hint", "--hint=nomultithread",
        "Count cores, not their hardware threads: two threads of one core share one floating-point unit."
      ),
    ]
    if request.isExclusive {
      found.append(
        Directive(
          "exclusive", "--exclusive",
          "Nobody else on the nodes: every step waits for the slowest rank."))
    }
    let time = job.time(on: self)!
    found += [
      Directive("time", "--time=\(ScriptedJob.clock(time))"),
      Directive(
        "signal", "--signal=B:USR1@\(request.warning)",
        "So many seconds before the end, tell this script (B:), which tells the training: it finishes its",
        "step, saves, and ends with exit code 75. Slurm may be up to a minute late: allow a minute, and",
        "twice as long as a step and a checkpoint take. The training also looks at Slurm's end of the job."
      ),
      JobScript.requeues(job, self)
        ? Directive(
          "requeue", "--requeue",
          "Queue the job again as well when a node fails or somebody with priority takes it.")
        : Directive("requeue", "--no-requeue"),
    ]
    let options: [(String?, key: String, name: String)] = [
      (request.partition, "partition", "partition"), (request.account, "account", "account"),
      (request.qos, "qos", "qos"), (request.constraint, "constraint", "constraint"),
      (request.reservation, "reservation", "reservation"), (request.mail, "mail", "mail-user"),
    ]
    for (text, key, name) in options {
      guard let text else { continue }
      found.append(Directive(name, "--\(name)=\(try job.value(text, of: key, for: self))"))
    }
    if request.mail != nil { found.append(Directive("mail-type", "--mail-type=END,FAIL")) }
    if let memory = request.memory { found.append(Directive("mem", "--mem=\(memory)M")) }
    if let seeds = request.seeds {
      let (first, last) = (seeds.range.lowerBound, seeds.range.upperBound)
      found.append(
        Directive("array", "--array=\(first)-\(last)\(seeds.limit.map { "%\($0)" } ?? "")"))
    }
    let log = request.log ?? (request.seeds == nil ? "%x-%j.log" : "%x-%A-%a.log")
    found += [
      Directive(
        "open-mode", "--open-mode=append",
        request.seeds == nil
          ? "One log for all parts of the job: %x is its name, %j its number."
          : "One log for all parts of a job: %x is its name, %A the array's number, %a the seed."),
      Directive("output", "--output=\(try job.value(log, of: "log", for: self))"),
    ]
    return found
  }

  func launch(_ job: ScriptedJob) -> [String] {
    guard job.request.launcher == .srun else { return job.mpirun([], bySlots: true) }
    let words = [
      "srun", "--mpi=pmix", "--cpus-per-task=\(job.layout.coresPerRank)", "--cpu-bind=cores",
      "--kill-on-bad-exit=0", "--wait=30", #""${command[@]}" &"#,
    ]
    return [
      "# The other ranks would wait for ever for one that died: --wait ends them half a minute after the",
      "# first end. Not --kill-on-bad-exit: it takes code 75 of one rank for a fault, and kills those that",
      "# are a moment later, so that srun's code is 143.",
    ] + ShellWord.lines(words, after: "", indent: "  ", end: " \\")
  }
}
