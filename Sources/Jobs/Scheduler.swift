// The one list of schedulers, and what each of them says of itself.

/// A batch system: its words for what a job asks, and how its scripts differ from those of others.
///
/// What all scripts share is in `JobScript`.
public protocol Scheduler: Sendable {
  /// The word for it on the command line.
  var name: String { get }
  /// What it is called in sentences.
  var title: String { get }
  /// The keys of the options that it has no word for, with what to do instead.
  var refusals: [String: String] { get }
  /// What begins a directive; nil where nobody reads any.
  var sentinel: String? { get }
  /// How a script is submitted; nil where there is no queue.
  var submission: Submission? { get }
  /// How a job stops in good order, for the head of its script.
  var stopCommand: String { get }
  /// The folder that the job was submitted from, as a word of bash; nil where the script begins there.
  var submitFolder: String? { get }
  /// The seed of a job of an array, as a word of bash.
  var seed: String { get }
  /// How a job that was stopped in time goes on; nil: it does not by itself.
  ///
  /// - Parameter script: The path of the script's file, where it has one.
  func requeue(_ job: ScriptedJob) -> Requeue?
  /// The seconds that a job has where nothing is said; nil: as many as it takes.
  var defaultTime: Int? { get }
  /// Whether training knows by itself when the job ends.
  var tellsEnd: Bool { get }
  /// The directives of a job.
  func directives(_ job: ScriptedJob) throws(JobError) -> [Directive]
  /// The lines that start the ranks, beside the script: the last one ends in `&`.
  func launch(_ job: ScriptedJob) -> [String]
  /// The command that sends USR1 to the training.
  var signalCommand: String { get }
}

/// The schedulers that scripts can be written for.
public enum Schedulers {
  /// Every scheduler, in the order of the help.
  public static let all: [any Scheduler] = [
    Slurm(), PBS(), LSF(), GridEngine(), Flux(), HostFile(),
  ]
}

/// How a job goes on that was stopped in time.
public struct Requeue: Sendable {
  /// What is said before.
  let comment: String
  /// The lines that let it go on, and end the script.
  let lines: [String]
}

/// A line that the scheduler reads.
public struct Directive: Sendable {
  /// What `--skip` calls it.
  let name: String
  /// The line behind the sentinel.
  let text: String
  /// Lines for people, above it.
  let comment: [String]

  init(_ name: String, _ text: String, _ comment: String...) {
    (self.name, self.text, self.comment) = (name, text, comment)
  }
}

/// A request that has met its layout, the words of its training, and its place.
public struct ScriptedJob: Sendable {
  /// What was asked for.
  public let request: JobRequest
  /// Nodes and ranks.
  public let layout: JobLayout
  /// What is trained, and into which folder.
  public let training: TrainingWords
  /// The file of the script as the user named it; nil: it has none.
  public let file: String?
  /// The command that asked for it, as words of bash.
  public let command: [String]
  /// The files of defaults that have a say in it.
  public let defaults: [String]

  /// A job and all that its script tells.
  public init(
    request: JobRequest, layout: JobLayout, training: TrainingWords, file: String?,
    command: [String], defaults: [String]
  ) {
    (self.request, self.layout, self.training) = (request, layout, training)
    (self.file, self.command, self.defaults) = (file, command, defaults)
  }

  /// A value of a directive: visible characters that no scheduler and no shell gives a meaning.
  ///
  /// - Throws: `JobError` for a value that a directive cannot carry.
  func value(_ text: String, of option: String, for scheduler: any Scheduler) throws(JobError)
    -> String
  {
    let forbidden = "'\"`\\$#;"
    let isFine = text.unicodeScalars.allSatisfy { scalar in
      scalar.properties.generalCategory != .control && !scalar.properties.isWhitespace
        && scalar.properties.generalCategory != .format
        && !forbidden.unicodeScalars.contains(scalar)
    }
    guard isFine, !text.isEmpty, !text.hasPrefix("-") else {
      throw .option(
        source: "--\(option) \(text)",
        reason: "a directive of \(scheduler.title) cannot carry blanks, line breaks, quotes, "
          + "backslashes, $, # or ;, nor begin with a dash; choose another value")
    }
    return text
  }

  /// The job's time in seconds; nil: as long as it takes.
  func time(on scheduler: any Scheduler) -> Int? { request.time ?? scheduler.defaultTime }

  /// Hours, minutes and seconds, as `24:00:00`.
  static func clock(_ seconds: Int) -> String {
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
  }

  /// mpirun with ranks on their own cores.
  ///
  /// - Parameter more: What stands behind it, as the file of hosts.
  func mpirun(_ more: [String], bySlots: Bool) -> [String] {
    let (layout, cores) = (layout, layout.coresPerRank)
    let place =
      layout.ranksPerSocket.map { "ppr:\($0):socket:PE=\(cores)" }
      ?? (bySlots ? "slot:PE=\(cores)" : "ppr:\(layout.ranksPerNode):node:PE=\(cores)")
    let words = ["mpirun"] + more + ["--map-by \(place)", "--bind-to core", #""${command[@]}" &"#]
    return ShellWord.lines(words, after: "", indent: "  ", end: " \\")
  }

  /// The lines that name the variables which mpirun passes on to other nodes, and the word for them.
  var passedOn: (lines: [String], word: String) {
    let names = request.environment.map { String($0.prefix { $0 != "=" }) }
    let words = (["PATH"] + names.filter { $0 != "PATH" && $0 != "LD_LIBRARY_PATH" })
      .map { "-x \($0)" }
    return (
      ["# What is set here, mpirun passes on to other nodes only where it is told to."]
        + ShellWord.array("passed", words)
        + ["[[ -z ${LD_LIBRARY_PATH:-} ]] || passed+=(-x LD_LIBRARY_PATH)"],
      #""${passed[@]}""#
    )
  }
}
