// ddpm-dist job: the script of a job of a cluster, and its way into the queue.

import ArgumentParser
import Foundation
import Jobs
import Storage
import Training

/// `ddpm-dist job`.
struct JobScriptCommand: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "job",
    abstract: "Write the script of a job that trains on a cluster, or submit it.",
    discussion: """
      ddpm-dist job slurm --nodes 2 --ranks-per-node 2 --cores 32 --time 8:00:00 --submit -- train \
      --config configs/cifar10.yaml --data cifar10.h5 --run runs/cifar10

      SCHEDULERS: \(Schedulers.all.map { "\($0.name), \($0.title)" }.joined(separator: "; ")). Behind -- \
      stand train and its options. What could not work is refused here, before the queue: wrong options \
      and settings, ranks that do not fit the shards, missing data, a run's folder that the nodes do not \
      see or that is too small.

      Training ends in good time with exit code 75, and goes on: the same job goes back into the queue \
      (--requeue), or the next one of a --chain takes over; a run that is done ends the rest at once. \
      Where three parts in a row bring no new step, it is not started again.

      DEFAULTS stand in /etc/ddpm-dist/job.yaml and ~/.config/ddpm-dist/job.yaml ($XDG_CONFIG_HOME), with \
      the names of the options below with underscores: 'cores: 64'. The command line comes first, then \
      the user's file; --print-defaults shows what counts, and where it was said.
      """)

  @Argument(
    help: ArgumentHelp(
      "Who starts the job.", valueName: "scheduler"))
  var scheduler: SchedulerName
  @Argument(
    parsing: .postTerminator,
    help: ArgumentHelp("Behind --: train and its options.", valueName: "train"))
  var command: [String] = []

  @Option(help: "Nodes. (default: 1, or the hosts of --hostfile)")
  var nodes: String?
  @Option(help: "Ranks on each node. (default: one for each of --sockets, else 1)")
  var ranksPerNode: String?
  @Option(help: "Ranks on each socket, kept there with their memory.")
  var ranksPerSocket: String?
  @Option(
    help: "Cores of each node that the job uses: a number, or 'here' for those of this machine.")
  var cores: String?
  @Option(help: "Sockets of each node. (default: with --cores here, those of this machine)")
  var sockets: String?
  @Option(help: "The job's time: minutes, or hours:minutes:seconds. (default: 24:00:00)")
  var time: String?
  @Option(
    name: [.customLong("partition"), .customLong("queue")], help: "The partition, or the queue.")
  var partition: String?
  @Option(help: "Who is charged: the account, project or bank.")
  var account: String?
  @Option(help: "The quality of service.")
  var qos: String?
  @Option(help: "Features that the nodes must have, in the scheduler's words.")
  var constraint: String?
  @Option(help: "The reservation.")
  var reservation: String?
  @Option(help: "Memory of each node, as in 64G.")
  var mem: String?
  @Option(help: "Whom the scheduler writes to at the end and after a failure.")
  var mail: String?
  @Option(help: "The name of the job. (default: ddpm)")
  var name: String?
  @Option(help: "The file of its messages, in the scheduler's words. (default: of name and number)")
  var log: String?
  @Flag(help: "Whether others get the cores of the nodes that are left. (default: --exclusive)")
  var sharing: Sharing?
  @Option(
    help: ArgumentHelp(
      "A job for each seed, each in a folder of its own below the run's; at most N at a time.",
      valueName: "seed=1-8[%N]"))
  var array: String?
  @Option(help: "Jobs that wait for each other, each of which goes on where the last one ended.")
  var chain: String?
  @Flag(
    inversion: .prefixedNo,
    help: """
      Go back into the queue after a stop in good time. (default: --requeue, but not in a chain; PBS and \
      Flux need --output for it)
      """)
  var requeue: Bool?
  @Option(help: "Seconds before the end at which training is told to stop. (default: 180)")
  var warnBefore: String?
  @Option(help: "Environment modules to load, as in \"gcc openmpi\".")
  var modules: String?
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Lines of bash before the training, each a word.", valueName: "line"))
  var setup: [String] = []
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Environment variables for all ranks.", valueName: "name=value"))
  var env: [String] = []
  @Option(help: "The image of an Apptainer container in which the program is.")
  var container: String?
  @Option(help: "What starts the ranks: mpirun, or srun (Slurm with pmix). (default: mpirun)")
  var launcher: String?
  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "One more directive, as in --extra=--switches=1; may be repeated.", valueName: "directive"))
  var extra: [String] = []
  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Leave out a directive of this name, as in --skip hint; may be repeated.",
      valueName: "directive"))
  var skip: [String] = []
  @Option(
    help: """
      ddpm-dist as the job finds it: a path, or a name on the PATH there. (default: this program; in a \
      container ddpm-dist)
      """)
  var program: String?
  @Option(help: "The parallel environment of Grid Engine.")
  var parallelEnvironment: String?
  @Option(help: "The file of hosts for 'hosts', with a line for each, as 'node1 slots=2'.")
  var hostfile: String?

  @Option(help: "Write the script to this file instead of stdout.")
  var output: String?
  @Flag(help: .force)
  var force = false
  @Flag(help: "Submit it, and print the job's number, of a chain one for each job.")
  var submit = false
  @Option(
    help: ArgumentHelp(
      "Say how long training takes, by a report of ddpm-dist benchmark --json.",
      valueName: "benchmark.json"))
  var estimate: String?
  @Flag(help: "Do not look at configuration, data and folder: the script is for another machine.")
  var noCheck = false
  @Flag(help: "Print the options that count, each with where it was said, and write nothing.")
  var printDefaults = false

  /// Whether others get what is left of a node.
  enum Sharing: String, EnumerableFlag { case exclusive, shared }

  func validate() throws {
    if let output, let fault = OutputKind.jobScript.fault(inName: output) {
      throw ValidationError("--output \(output.isEmpty ? "needs a name." : fault)")
    }
    if printDefaults { return }
    guard command.first == "train" else {
      throw ValidationError("Behind -- stand train and its options, as in -- train --run runs/a.")
    }
    if noCheck, estimate != nil {
      throw ValidationError("--estimate looks at the configuration; leave --no-check out.")
    }
  }

  /// What the command line says.
  var given: [JobChoices.Choice] {
    let single: [(String, String?)] = [
      ("nodes", nodes), ("ranks_per_node", ranksPerNode), ("ranks_per_socket", ranksPerSocket),
      ("cores", cores), ("sockets", sockets), ("time", time), ("partition", partition),
      ("account", account), ("qos", qos), ("constraint", constraint), ("reservation", reservation),
      ("mem", mem), ("mail", mail), ("name", name), ("log", log),
      ("exclusive", sharing.map { "\($0 == .exclusive)" }), ("array", array), ("chain", chain),
      ("requeue", requeue.map { "\($0)" }), ("warn_before", warnBefore), ("modules", modules),
      ("container", container), ("launcher", launcher), ("program", program),
      ("parallel_environment", parallelEnvironment), ("hostfile", hostfile),
    ]
    let lists = [("setup", setup), ("env", env), ("extra", extra), ("skip", skip)]
    return single.compactMap { key, word in word.map { JobChoices.Choice(key: key, words: [$0]) } }
      + lists.filter { !$0.1.isEmpty }.map { JobChoices.Choice(key: $0.0, words: $0.1) }
  }
}

/// A scheduler by its word.
struct SchedulerName: ExpressibleByArgument {
  let scheduler: any Scheduler

  static let allValueStrings = Schedulers.all.map(\.name)

  init?(argument: String) {
    guard let found = Schedulers.all.first(where: { $0.name == argument }) else { return nil }
    scheduler = found
  }
}
