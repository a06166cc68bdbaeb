// Scripts for Grid Engine: those of Sun, Univa, Altair and its free descendants.

/// Grid Engine: https://manpages.debian.org/bookworm/gridengine-client/qsub.1.en.html
struct GridEngine: Scheduler {
  let name = "sge"
  let title = "Grid Engine"
  let refusals = [
    "qos": "Grid Engine has queues only; name one by --queue",
    "hostfile": "Grid Engine chooses the hosts",
  ]
  let sentinel: String? = "#$"
  let stopCommand = "write a file STOP into the run's folder"
  let submitFolder: String? = "\"$SGE_O_WORKDIR\""
  let seed = "$SGE_TASK_ID"
  let defaultTime: Int? = 86_400
  let tellsEnd = false
  let signalCommand = #"kill -USR1 "$training""#

  var submission: Submission? {
    Submission(
      program: "qsub", arguments: ["-terse"], dependency: { ["-hold_jid", $0] },
      identifier: { $0.split(separator: ".").first.map(String.init) })
  }

  func requeue(_ job: ScriptedJob) -> Requeue? {
    Requeue(
      comment: "Stopped in time: Grid Engine queues a job again that ends with 99.",
      lines: ["exit 99"])
  }

  func directives(_ job: ScriptedJob) throws(JobError) -> [Directive] {
    let (request, layout) = (job.request, job.layout)
    guard let environment = request.parallelEnvironment else {
      throw .option(
        source: "--parallel-environment",
        reason: "say which one starts ranks on several nodes; qconf -spl lists those of the cluster"
      )
    }
    let name = try job.value(request.name, of: "name", for: self)
    // qsub(1), -N.
    if name.first?.isNumber == true || name.contains(where: { "/:@*?,[]".contains($0) }) {
      throw .option(
        source: "--name \(name)",
        reason: "Grid Engine takes no name that begins with a digit or holds one of / : @ * ? , [ ]"
      )
    }
    let slots = layout.ranks * layout.coresPerRank
    let place = try job.value(environment, of: "parallel-environment", for: self)
    var found = [
      Directive("S", "-S /bin/bash"),
      Directive("N", "-N \(name)"),
      Directive("pe", "-pe \(place) \(slots)", "The cores of all nodes together."),
      Directive("h_rt", "-l h_rt=\(ScriptedJob.clock(job.time(on: self)!))"),
    ]
    if request.isExclusive {
      found.append(
        Directive(
          "exclusive", "-l exclusive=true",
          "Nobody else on the nodes: every step waits for the slowest rank. Where the cluster has no such",
          "resource, leave the line out: --skip exclusive."))
    }
    found.append(
      JobScript.requeues(job, self)
        ? Directive("r", "-r y", "Queue the job again as well when a node fails.")
        : Directive("r", "-r n"))
    let options: [(String?, key: String, name: String)] = [
      (request.partition, "queue", "q"), (request.account, "account", "P"),
      (request.constraint, "constraint", "l"), (request.reservation, "reservation", "ar"),
      (request.mail, "mail", "M"),
    ]
    for (text, key, name) in options {
      guard let text else { continue }
      found.append(Directive(name, "-\(name) \(try job.value(text, of: key, for: self))"))
    }
    if request.mail != nil { found.append(Directive("m", "-m ea")) }
    if let memory = request.memory {
      // The resource counts for each slot.
      let slots = layout.ranksPerNode * layout.coresPerRank
      found.append(
        Directive(
          "mem_free", "-l mem_free=\((memory + slots - 1) / slots)M", "For each core."))
    }
    if let seeds = request.seeds {
      guard seeds.range.lowerBound >= 1 else {
        throw .option(source: "--array", reason: "Grid Engine counts from 1 on")
      }
      found.append(Directive("t", "-t \(seeds.range.lowerBound)-\(seeds.range.upperBound)"))
      if let limit = seeds.limit { found.append(Directive("tc", "-tc \(limit)")) }
    }
    let array = request.seeds == nil ? "" : "-$TASK_ID"
    let log = try request.log.map { (text) throws(JobError) in
      try job.value(text, of: "log", for: self)
    }
    found += [
      Directive("j", "-j y", "One log for output and errors."),
      Directive("o", "-o \(log ?? "$JOB_NAME-$JOB_ID\(array).log")"),
      Directive("cwd", "-cwd"),
    ]
    return found
  }

  func launch(_ job: ScriptedJob) -> [String] {
    let (passed, each) = (job.passedOn, job.layout.ranksPerNode)
    return [
      "# The file has a line for each host, which begins with its name.",
      "hosts=$(awk '{ printf \"%s%s:\(each)\", comma, $1; comma = \",\" }' \"$PE_HOSTFILE\")",
    ] + passed.lines
      + job.mpirun(["-n \(job.layout.ranks)", #"--host "$hosts""#, passed.word], bySlots: false)
  }
}
