// Scripts for PBS Professional and OpenPBS.

/// PBS: https://help.altair.com/2022.1.0/PBS%20Professional/PBSReferenceGuide2022.1.pdf, qsub(1B)
struct PBS: Scheduler {
  let name = "pbs"
  let title = "PBS"
  let refusals = [
    "qos": "PBS has queues only; name one by --queue",
    "constraint":
      "resources of nodes differ from cluster to cluster; give the whole line by --skip "
      + "select and --extra",
    "reservation": "a reservation is a queue; name it by --queue",
    "parallel_environment": "it is an option of Grid Engine",
    "hostfile": "PBS chooses the hosts",
  ]
  let sentinel: String? = "#PBS"
  let stopCommand = "qsig -s USR1 JOB"
  let submitFolder: String? = "\"$PBS_O_WORKDIR\""
  let seed = "$PBS_ARRAY_INDEX"
  let defaultTime: Int? = 86_400
  let tellsEnd = false
  let signalCommand = #"kill -USR1 "$training""#

  var submission: Submission? {
    Submission(
      program: "qsub", arguments: [], dependency: { ["-W", "depend=afterany:\($0)"] },
      identifier: { $0.isEmpty ? nil : $0 })
  }

  func requeue(_ job: ScriptedJob) -> Requeue? {
    // The array would be submitted whole.
    guard let file = job.file, job.request.seeds == nil else { return nil }
    return Requeue(
      comment: "Stopped in time: a new job with this script goes on.",
      lines: ["exec qsub \(ShellWord.quoted(file.hasPrefix("-") ? "./" + file : file))"])
  }

  func directives(_ job: ScriptedJob) throws(JobError) -> [Directive] {
    let (request, layout) = (job.request, job.layout)
    let cores = layout.ranksPerNode * layout.coresPerRank
    let memory = request.memory.map { ":mem=\($0)mb" } ?? ""
    var found = [
      Directive("N", "-N \(try job.value(request.name, of: "name", for: self))"),
      Directive(
        "select",
        "-l select=\(layout.nodes):ncpus=\(cores):mpiprocs=\(layout.ranksPerNode)\(memory)",
        "Nodes, and of each its cores and ranks."),
      Directive(
        "place", "-l place=scatter" + (request.isExclusive ? ":excl" : ""),
        request.isExclusive
          ? "Each part on a node of its own, and nobody else on it: every step waits for the slowest rank."
          : "Each part on a node of its own."),
      Directive("walltime", "-l walltime=\(ScriptedJob.clock(job.time(on: self)!))"),
      // An array has to be.
      JobScript.goesOn(job) || request.seeds != nil
        ? Directive("r", "-r y", "PBS may start the job again when a node fails.")
        : Directive("r", "-r n"),
    ]
    if let queue = request.partition {
      found.append(Directive("q", "-q \(try job.value(queue, of: "queue", for: self))"))
    }
    if let account = request.account {
      found.append(Directive("A", "-A \(try job.value(account, of: "account", for: self))"))
    }
    if let mail = request.mail {
      found += [
        Directive("M", "-M \(try job.value(mail, of: "mail", for: self))"), Directive("m", "-m ae"),
      ]
    }
    if let seeds = request.seeds {
      let (first, last) = (seeds.range.lowerBound, seeds.range.upperBound)
      found.append(Directive("J", "-J \(first)-\(last)\(seeds.limit.map { "%\($0)" } ?? "")"))
    }
    found.append(Directive("j", "-j oe", "One log for output and errors."))
    if let log = request.log {
      found.append(Directive("o", "-o \(try job.value(log, of: "log", for: self))"))
    }
    return found
  }

  func launch(_ job: ScriptedJob) -> [String] {
    let passed = job.passedOn
    return passed.lines
      + job.mpirun(
        ["-n \(job.layout.ranks)", #"--hostfile "$PBS_NODEFILE""#, passed.word], bySlots: true)
  }
}
