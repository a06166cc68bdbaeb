// Scripts for IBM Spectrum LSF.

/// LSF: https://www.ibm.com/docs/en/spectrum-lsf/10.1.0?topic=reference-bsub
struct LSF: Scheduler {
  let name = "lsf"
  let title = "LSF"
  let refusals = [
    "qos": "LSF has queues and service classes; give one by --extra=\"-sla NAME\"",
    "parallel_environment": "it is an option of Grid Engine",
    "hostfile": "LSF chooses the hosts",
  ]
  let sentinel: String? = "#BSUB"
  let stopCommand = "bkill -s USR1 JOB"
  let submitFolder: String? = "\"$LS_SUBCWD\""
  let seed = "$LSB_JOBINDEX"
  let defaultTime: Int? = 86_400
  let tellsEnd = false
  let signalCommand = #"kill -USR1 "$training""#

  var submission: Submission? {
    Submission(
      program: "bsub", arguments: [], dependency: { ["-w", "ended(\($0))"] },
      identifier: { text in
        // Job <123> is submitted to queue <normal>.
        guard text.hasPrefix("Job <") else { return nil }
        return String(text.dropFirst(5).prefix { $0 != ">" })
      })
  }

  func requeue(_ job: ScriptedJob) -> Requeue? {
    Requeue(
      comment: "Stopped in time: LSF queues the job again by this code (-Q).", lines: ["exit 75"])
  }

  func directives(_ job: ScriptedJob) throws(JobError) -> [Directive] {
    let (request, layout) = (job.request, job.layout)
    let time = job.time(on: self)!
    guard time.isMultiple(of: 60) else {
      throw .option(
        source: "--time \(ScriptedJob.clock(time))", reason: "LSF counts whole minutes")
    }
    let name = try job.value(request.name, of: "name", for: self)
    let isArray = request.seeds != nil
    if let seeds = request.seeds, seeds.range.lowerBound < 1 {
      throw .option(source: "--array", reason: "LSF counts from 1 on")
    }
    if name.contains(where: { "[]".contains($0) }) {
      throw .option(
        source: "--name \(name)", reason: "the brackets stand for an array; leave them out")
    }
    let array =
      request.seeds.map { seeds in
        let (first, last) = (seeds.range.lowerBound, seeds.range.upperBound)
        return "[\(first)-\(last)]\(seeds.limit.map { "%\($0)" } ?? "")"
      } ?? ""
    let minutes = ScriptedJob.clock(time).dropLast(3)
    var found = [
      Directive("J", "-J \"\(name)\(array)\""),
      Directive("n", "-n \(layout.ranks)", "Ranks, and of them on each node:"),
      Directive("span", "-R \"span[ptile=\(layout.ranksPerNode)]\""),
      Directive(
        "affinity", "-R \"affinity[core(\(layout.coresPerRank))]\"", "The cores of a rank."),
    ]
    if request.isExclusive {
      found.append(
        Directive(
          "x", "-x", "Nobody else on the nodes: every step waits for the slowest rank."))
    }
    found.append(Directive("W", "-W \(minutes)", "Hours and minutes."))
    if JobScript.requeues(job, self) {
      found += [
        Directive(
          "Q", "-Q \"75\"", "Queue the job again when it ends with exit code 75: stopped in time."),
        Directive("r", "-r", "And when a node fails."),
      ]
    }
    let options: [(String?, key: String, name: String)] = [
      (request.partition, "queue", "q"), (request.account, "account", "P"),
      (request.reservation, "reservation", "U"), (request.mail, "mail", "u"),
    ]
    for (text, key, name) in options {
      guard let text else { continue }
      found.append(Directive(name, "-\(name) \"\(try job.value(text, of: key, for: self))\""))
    }
    if request.mail != nil { found.append(Directive("N", "-N")) }
    if let constraint = request.constraint {
      let text = try job.value(constraint, of: "constraint", for: self)
      found.append(Directive("select", "-R \"select[\(text)]\""))
    }
    if let memory = request.memory {
      found.append(Directive("rusage", "-R \"rusage[mem=\(memory)MB/host]\""))
    }
    let log = request.log ?? "\(request.name)-%J\(isArray ? "-%I" : "").log"
    found.append(
      Directive(
        "o", "-o \"\(try job.value(log, of: "log", for: self))\"",
        "One log for output and errors: %J is the job's number\(isArray ? ", %I the seed" : "")."))
    return found
  }

  func launch(_ job: ScriptedJob) -> [String] {
    let passed = job.passedOn
    return passed.lines
      + job.mpirun(
        ["-n \(job.layout.ranks)", #"--hostfile "$LSB_DJOB_HOSTFILE""#, passed.word], bySlots: true)
  }
}
