// ddpm-dist check: machines and run are looked at before the queue is, on all ranks.

import ArgumentParser
import Preflight
import Storage
import Training

/// `ddpm-dist check`.
struct CheckCommand: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract:
      "Look at machines and run before it begins: whether it can work, how long, at what cost.",
    discussion: """
      mpirun -n 8 ddpm-dist check --config configs/cifar10.yaml --data cifar10.h5 --run runs/cifar10

      It is told what train is told, under the same mpirun, and leaves nothing behind: a small file is \
      written into the run's folder, or the nearest above it, and removed. A line for each check says what \
      was measured and whether that is good, a warning, cannot work, or is unknown. The steps are real ones, \
      on the run's images; nothing is kept of them.

      --nodes 1,2,4,8 prints what a step would take on so many machines with as many ranks each as on the \
      first one here, by the model of docs/scaling.md: with what a message costs between the machines \
      of this job, or with --alpha and --bandwidth, else with 20 us and 25 Gbit/s.

      Exit codes: 0 the run can work, 64 wrong arguments or configuration, 65 bad or unequal data, 66 missing \
      input, 69 machines that do not fit (another program or MPI library, memory, limits, room on the disk), \
      73 and 74 a folder that cannot be made or written to.
      """)

  @OptionGroup var arguments: TrainArguments
  @Option(
    help: ArgumentHelp("The power of a machine, watts: energy is printed too.", valueName: "watts"))
  var watts: Double?
  @Option(
    help: ArgumentHelp(
      "The price of an hour of a machine, in any unit: the cost is printed too.", valueName: "price"
    ))
  var price: Double?
  @Option(
    help: "Different numbers of machines, with commas between: what a step would take on them.")
  var nodes: NodeList?
  @Option(
    help: ArgumentHelp(
      "With --nodes: seconds of a message between machines. (default: measured, else 2e-5)",
      valueName: "seconds"))
  var alpha: Double?
  @Option(
    help: ArgumentHelp(
      "With --nodes: the rate of a machine's link, of which TCP carries 94 %. (default: measured, else 25)",
      valueName: "Gbit/s"))
  var bandwidth: Double?
  @Option(help: .json)
  var json: String?
  @Flag(help: .force)
  var force = false

  func validate() throws {
    for (name, value) in [
      ("watts", watts), ("price", price), ("bandwidth", bandwidth), ("alpha", alpha),
    ] {
      guard let value else { continue }
      let least = name == "bandwidth" ? 1e-6 : 0
      guard (least...1e9).contains(value) else {
        throw ValidationError(
          "--\(name) needs a number from \(name == "bandwidth" ? "1e-6" : "0") to 1e9.")
      }
    }
    if nodes == nil, alpha != nil || bandwidth != nil {
      throw ValidationError("--alpha and --bandwidth go with --nodes.")
    }
    if force, json == nil { throw ValidationError("--force goes with --json.") }
    try requireJSONName(json)
  }

  func run(_ job: Job) throws {
    var options = CheckRun.Options()
    options.training = try arguments.options(job)
    options.words = Array(CommandLine.arguments.dropFirst())
    (options.watts, options.price) = (watts, price)
    options.nodes = nodes?.counts ?? []
    (options.alpha, options.gigabits) = (alpha, bandwidth)
    try arguments.requireJSONPlace(json, isForced: force, options.training, job)
    let report = try CheckRun.report(options, job: job)
    try job.onFirstRank {
      guard let report else { return }
      if let json, json != "-" { try AtomicFile.write(report.json(), to: json) }
      try StandardStreams.print(json == "-" ? report.json() : report.table)
      if let failure = report.failure { throw failure }
    }
  }
}

/// Numbers of machines, as in `1,2,4`.
struct NodeList: ExpressibleByArgument {
  let counts: [Int]

  /// Different numbers from 1 to 65536.
  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let counts = parts.compactMap { Int($0) }.filter { 1...65536 ~= $0 }
    guard counts.count == parts.count, Set(counts).count == counts.count else { return nil }
    self.counts = counts
  }
}
