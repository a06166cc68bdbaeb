// Who holds a lock, and whether it is gone.

import Glibc

/// The process that holds the lock of a run, as the lock file names it.
public struct LockHolder: Equatable, Sendable, CustomStringConvertible {
  /// The name of its machine.
  public var host: String
  /// Its number there.
  public var process: Int32
  /// When it began, for people.
  public var start: String
  /// When it began in the clock of the kernel: another process of this number began at another
  /// time. Empty where the kernel does not say.
  public var kernelStart: String
  /// The kernel's name for the time since the machine was started; empty where it gives none.
  public var boot: String
  /// The job of the batch system, as `slurm 123`; nil where there is none.
  public var job: String?
  /// How often the batch system has started that job before; nil where it does not say.
  public var restart: String?

  /// A holder of these properties.
  public init(
    host: String, process: Int32, start: String, kernelStart: String, boot: String,
    job: String? = nil, restart: String? = nil
  ) {
    (self.host, self.process, self.start) = (host, process, start)
    (self.kernelStart, self.boot, self.job, self.restart) = (kernelStart, boot, job, restart)
  }

  /// This process.
  ///
  /// - Parameters:
  ///   - host: The name of this machine.
  ///   - start: The time, for people.
  ///   - environment: The variables of the batch system: `SLURM_JOB_ID`, `SLURM_RESTART_COUNT`,
  ///     `PBS_JOBID`.
  public static func current(
    host: String, start: String, environment: [String: String]
  ) -> LockHolder {
    var holder = LockHolder(
      host: host, process: getpid(), start: start,
      kernelStart: kernelStart(ofProcess: getpid()) ?? "", boot: currentBoot)
    if let id = environment["SLURM_JOB_ID"], !id.isEmpty {
      (holder.job, holder.restart) = ("slurm \(id)", environment["SLURM_RESTART_COUNT"] ?? "0")
    } else if let id = environment["PBS_JOBID"], !id.isEmpty {
      holder.job = "pbs \(id)"
    }
    return holder
  }

  /// The holder in words.
  public var description: String {
    "process \(process) on \(host) since \(start)" + (job.map { " (job \($0))" } ?? "")
  }

  // MARK: The text of the file

  /// The lines of the lock file.
  public var text: String {
    var lines = [
      ("host", host), ("process", "\(process)"), ("start", start), ("kernel_start", kernelStart),
      ("boot", boot),
    ]
    if let job { lines.append(("job", job)) }
    if let restart { lines.append(("restart", restart)) }
    return lines.map { "\($0): \($1)\n" }.joined()
  }

  /// The holder that a lock file names; nil where it names none.
  public init?(text: String) {
    var values: [Substring: String] = [:]
    for line in text.split(separator: "\n") {
      guard let colon = line.firstIndex(of: ":") else { return nil }
      values[line[..<colon]] = String(line[line.index(after: colon)...].drop { $0 == " " })
    }
    guard let host = values["host"], let process = values["process"].flatMap({ Int32($0) }),
      process > 0, let start = values["start"]
    else { return nil }
    self.init(
      host: host, process: process, start: start, kernelStart: values["kernel_start"] ?? "",
      boot: values["boot"] ?? "", job: values["job"], restart: values["restart"])
  }

  // MARK: Whether it is gone

  /// Whether this process is known to have ended.
  ///
  /// - Parameters:
  ///   - observer: Who asks, and on which machine.
  ///   - isUnlocked: Whether the lock of the system was free: then nobody on this machine has it.
  ///   - hasEnded: Whether the batch system knows that a job has ended.
  public func isGone(
    seenBy observer: LockHolder, isUnlocked: Bool, hasEnded: (String) -> Bool = { _ in false }
  ) -> Bool {
    // The batch system starts a job anew only after its end.
    if let job, job == observer.job, let restart, restart != observer.restart { return true }
    if !boot.isEmpty, boot == observer.boot, isUnlocked { return true }
    guard host == observer.host else {
      return job.map { $0 != observer.job && hasEnded($0) } ?? false
    }
    if !boot.isEmpty, !observer.boot.isEmpty, boot != observer.boot { return true }
    return Self.kernelStart(ofProcess: process).map { $0 != kernelStart } ?? true
  }

  /// When a process of this machine began, in ticks since the machine did; nil where there is none, or one
  /// that has ended and is only waited for.
  static func kernelStart(ofProcess process: Int32) -> String? {
    let bytes = (try? AtomicFile.contents(of: "/proc/\(process)/stat")) ?? nil
    guard let bytes else { return nil }
    // proc(5): the name in brackets may hold anything; the start is field 22, the name field 2.
    let text = String(decoding: bytes, as: UTF8.self)
    let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
    guard fields.count > 20, fields[1] != "Z", fields[1] != "X" else { return nil }
    return String(fields[20])
  }

  private static var currentBoot: String {
    let bytes = (try? AtomicFile.contents(of: "/proc/sys/kernel/random/boot_id")) ?? nil
    return String(decoding: bytes ?? [], as: UTF8.self).filter { !$0.isWhitespace }
  }
}
