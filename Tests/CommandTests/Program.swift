// Starts the two programs as a user does, and takes down what they say.

import Foundation
import TestSupport

/// One of the project's programs, found beside the test bundle in the same build folder.
enum Program: String {
  case dist = "ddpm-dist"
  case sample = "ddpm-sample"

  /// The path of the executable.
  var path: String {
    Bundle.main.executableURL!.resolvingSymlinksInPath().deletingLastPathComponent()
      .appendingPathComponent(rawValue).path
  }
}

/// What a program that has ended leaves behind.
struct Outcome: CustomStringConvertible {
  /// The exit code, or the negative number of the signal that ended the process.
  let status: Int32
  let output: String
  let errors: String
  /// Whether the process had to be killed because it took too long.
  let hung: Bool

  /// The lines of stderr that begin as our messages do; mpirun adds lines of its own.
  var errorLines: [Substring] {
    errors.split(separator: "\n").filter { $0.hasPrefix("error:") || $0.hasPrefix("Error:") }
  }

  var description: String {
    "status \(status)\(hung ? ", killed after the time limit" : "")\n\(output)\n\(errors)"
  }
}

/// Starts a program, under mpirun where a number of ranks is given, and waits for its end.
///
/// - Parameters:
///   - ranks: nil: without mpirun.
///   - environment: Added to that of the tests.
///   - folder: The working folder.
///   - limit: Seconds after which the processes are killed.
///   - meanwhile: Called with the number of the running process, mpirun's where there is one.
@discardableResult
func run(
  _ program: Program, _ arguments: [String], ranks: Int? = nil,
  environment: [String: String] = [:], in folder: String? = nil, limit: Double = 60,
  meanwhile: (@Sendable (pid_t) async -> Void)? = nil
) async throws -> Outcome {
  var words = [program.path] + arguments
  if let ranks { words = ["mpirun", "-n", "\(ranks)", "--bind-to", "none"] + words }
  return try await run(
    words, environment: environment, in: folder, limit: limit, meanwhile: meanwhile)
}

/// Starts a command and waits for its end.
///
/// It begins when there is room for its processes; `limit` counts from then on. What is started
/// `meanwhile` does not wait.
@discardableResult
func run(
  _ words: [String], environment: [String: String] = [:], in folder: String? = nil,
  limit: Double = 60, meanwhile: (@Sendable (pid_t) async -> Void)? = nil
) async throws -> Outcome {
  let processes =
    words.first == "mpirun"
    ? words.firstIndex(of: "-n").flatMap { Int(words[$0 + 1]) } ?? 1 : 1
  return try await Gate.programs.enter(processes) {
    try await start(
      words, environment: environment, in: folder, limit: limit, meanwhile: meanwhile)
  }
}

/// Starts a command at once.
private func start(
  _ words: [String], environment: [String: String], in folder: String?, limit: Double,
  meanwhile: (@Sendable (pid_t) async -> Void)?
) async throws -> Outcome {
  let scratch = try TemporaryFolder()
  let (output, errors) = (try scratch.write([], to: "out"), try scratch.write([], to: "err"))
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = words
  process.environment = launchEnvironment.merging(environment) { $1 }
  process.currentDirectoryURL = URL(fileURLWithPath: folder ?? scratch.path)
  process.standardInput = FileHandle.nullDevice
  process.standardOutput = FileHandle(forWritingAtPath: output)
  process.standardError = FileHandle(forWritingAtPath: errors)
  let ended = AsyncStream<Void>.makeStream()
  process.terminationHandler = { _ in ended.continuation.finish() }
  try process.run()
  let child = process.processIdentifier
  let watchdog = Task {
    try await Task.sleep(for: .seconds(limit))
    // mpirun ends its ranks itself when it is asked to.
    kill(child, SIGTERM)
    try? await Task.sleep(for: .seconds(3))
    for process in descendants(of: child) { kill(process, SIGKILL) }
    return true
  }
  await meanwhile?(child)
  for await _ in ended.stream {}
  watchdog.cancel()
  let hung = (try? await watchdog.value) ?? false
  let status = process.terminationStatus
  return Outcome(
    status: process.terminationReason == .exit ? status : -status,
    output: String(decoding: try scratch.bytes("out"), as: UTF8.self),
    errors: String(decoding: try scratch.bytes("err"), as: UTF8.self), hung: hung)
}

/// A process and all that it has started, as /proc lists them.
func descendants(of process: pid_t) -> [pid_t] {
  let path = "/proc/\(process)/task/\(process)/children"
  let children = ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "")
    .split(separator: " ").compactMap { pid_t($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
  return [process] + children.flatMap { descendants(of: $0) }
}

/// The environment that launch/env.sh prepares for more ranks than cores.
private let launchEnvironment: [String: String] = {
  var environment = ProcessInfo.processInfo.environment.filter {
    // The tests may run under mpirun themselves, and without HDF5's locks, as launch/test.sh says.
    !$0.key.hasPrefix("OMPI_") && !$0.key.hasPrefix("PMI") && $0.key != "HDF5_USE_FILE_LOCKING"
  }
  environment["OMPI_MCA_rmaps_base_oversubscribe"] = "1"
  environment["OMPI_MCA_mpi_yield_when_idle"] = "1"
  environment["OPENBLAS_NUM_THREADS"] = "1"
  environment["COLUMNS"] = "100"
  if geteuid() == 0 {
    environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
    environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
  }
  return environment
}()
