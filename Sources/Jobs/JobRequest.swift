// What is asked of a scheduler, in no scheduler's words.

/// A job as the user wants it: nodes, time, and how it goes on. The defaults are those of the command.
public struct JobRequest: Equatable, Sendable {
  /// What starts the ranks.
  public enum Launcher: String, CaseIterable, Sendable { case mpirun, srun }

  /// The jobs of an array: one for each seed.
  public struct Seeds: Equatable, Sendable {
    /// The seeds, two or more.
    public let range: ClosedRange<Int>
    /// How many of the jobs run at a time; nil: as many as there is room for.
    public let limit: Int?

    /// The seeds of a range, some of them at a time.
    public init(range: ClosedRange<Int>, limit: Int? = nil) {
      (self.range, self.limit) = (range, limit)
    }
  }

  /// The cores of a node that the job uses.
  public enum Cores: Equatable, Sendable {
    /// A number.
    case count(Int)
    /// As many as this machine has.
    case here
  }

  /// The nodes of the job; nil: 1, or those of the host file.
  public var nodes: Int?
  /// The ranks of each node; nil: one for each socket that is said, else 1.
  public var ranksPerNode: Int?
  /// The ranks of each socket; nil: not placed by sockets.
  public var ranksPerSocket: Int?
  /// The cores of each node that the job uses; nil: not said.
  public var cores: Cores?
  /// The sockets of each node; nil: not said.
  public var sockets: Int?
  /// The job's time in seconds; nil: a day, or none where no scheduler limits it.
  public var time: Int?
  /// The seconds before the end at which training is told to stop.
  public var warning = 180
  /// The partition or queue.
  public var partition: String?
  /// Who is charged.
  public var account: String?
  /// The quality of service.
  public var qos: String?
  /// The features that nodes must have, in the scheduler's words.
  public var constraint: String?
  /// The reservation.
  public var reservation: String?
  /// The memory of each node in mebibytes; nil: as the cluster gives it.
  public var memory: Int?
  /// Whom the scheduler writes to at the end and after a failure.
  public var mail: String?
  /// The job's name.
  public var name = "ddpm"
  /// The file of its messages; nil: one that has name and number.
  public var log: String?
  /// Whether nobody else gets the nodes.
  public var isExclusive = true
  /// The seeds of an array of jobs; nil: one job.
  public var seeds: Seeds?
  /// The jobs that wait for each other.
  public var links = 1
  /// Whether the job goes back into the queue; nil: where it can and no chain is asked for.
  public var requeues: Bool?
  /// Environment modules to load.
  public var modules: [String] = []
  /// Lines of bash to run before the training.
  public var setup: [String] = []
  /// Environment variables, as `NAME=value`.
  public var environment: [String] = []
  /// The image of the container in which the program is.
  public var container: String?
  /// What starts the ranks; nil: what the scheduler prefers.
  public var launcher: Launcher?
  /// More directives, as the scheduler reads them.
  public var extra: [String] = []
  /// The names of directives to leave out.
  public var skipped: [String] = []
  /// The program as the job finds it.
  public var program: String?
  /// The parallel environment of Grid Engine.
  public var parallelEnvironment: String?
  /// The file of hosts.
  public var hostFile: String?

  /// A job of one rank on one node.
  public init() {}
}
