// Scripts for machines without a scheduler: mpirun and a file of hosts.

/// Hosts that a file names, reached by ssh.
struct HostFile: Scheduler {
  let name = "hosts"
  let title = "a host file"
  var refusals: [String: String] {
    let keys = [
      "partition", "account", "qos", "constraint", "reservation", "mem", "mail", "log", "exclusive",
      "array", "chain", "requeue", "extra", "skip", "parallel_environment", "launcher", "name",
    ]
    return Dictionary(uniqueKeysWithValues: keys.map { ($0, "there is no queue") })
  }
  let sentinel: String? = nil
  let submission: Submission? = nil
  let stopCommand = "write a file STOP into the run's folder"
  let submitFolder: String? = nil
  let seed = ""
  let defaultTime: Int? = nil
  let tellsEnd = false
  let signalCommand = #"kill -USR1 "$training""#

  func requeue(_ job: ScriptedJob) -> Requeue? { nil }

  func directives(_ job: ScriptedJob) throws(JobError) -> [Directive] {
    guard job.request.hostFile != nil else {
      throw .option(
        source: "--hostfile",
        reason: "name the file of hosts: a line for each, as 'node1 slots=2' for two ranks there")
    }
    return []
  }

  func launch(_ job: ScriptedJob) -> [String] {
    let passed = job.passedOn
    let file = ShellWord.quoted(job.request.hostFile!)
    let ends = [
      "# There is no scheduler that ends the training with this script.",
      #"trap '[[ -z $training ]] || kill -TERM "$training"; wait; exit 143' TERM HUP"#,
    ]
    return ends + passed.lines
      + job.mpirun(["-n \(job.layout.ranks)", "--hostfile \(file)", passed.word], bySlots: false)
  }
}
