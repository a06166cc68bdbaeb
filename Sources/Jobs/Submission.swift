// How a script gets into a queue: the scheduler's command, and what it answers.

import Foundation

/// The command of a scheduler that takes scripts, which it reads from stdin.
public struct Submission: Sendable {
  /// The command.
  let program: String
  /// What it is always told.
  let arguments: [String]
  /// What lets it look at a script only; nil where it cannot.
  let trial: [String]?
  /// What lets a job wait for the end of another.
  let dependency: @Sendable (String) -> [String]
  /// What gives a job its seed, where the scheduler knows no arrays; nil where it does.
  let seed: (@Sendable (Int) -> [String])?
  /// The job's identifier in what the command prints.
  let identifier: @Sendable (String) -> String?

  init(
    program: String, arguments: [String], trial: [String]? = nil,
    dependency: @escaping @Sendable (String) -> [String],
    seed: (@Sendable (Int) -> [String])? = nil,
    identifier: @escaping @Sendable (String) -> String?
  ) {
    (self.program, self.arguments, self.trial) = (program, arguments, trial)
    (self.dependency, self.seed, self.identifier) = (dependency, seed, identifier)
  }

  /// Submits the jobs of a request.
  ///
  /// - Parameters:
  ///   - script: The text of the script.
  ///   - tell: Told what the scheduler says of a trial.
  /// - Returns: The identifiers, of a chain one for each link.
  /// - Throws: `JobError.unavailable`.
  public func submit(
    _ script: JobScript, of job: ScriptedJob, tell: (String) -> Void
  ) throws(JobError) -> [String] {
    if let trial { tell(try call(trial, script).message) }
    var submitted: [String] = []
    let seeds = seed == nil ? nil : job.request.seeds?.range
    for seed in seeds.map({ $0.map(Optional.some) }) ?? [nil] {
      var before: String?
      for _ in 0..<job.request.links {
        let words = arguments + (before.map(dependency) ?? []) + (seed.map { self.seed!($0) } ?? [])
        do throws(JobError) {
          let answer = try call(words, script).output
          guard let found = identifier(answer), !found.isEmpty,
            !found.contains(where: \.isWhitespace)
          else {
            throw .unavailable(
              program: program,
              reason: answer.isEmpty
                ? "answers nothing, and no job's number" : "answers no job's number: \(answer)")
          }
          submitted.append(found)
          before = found
        } catch {
          guard !submitted.isEmpty, case .unavailable(let program, let reason) = error else {
            throw error
          }
          throw .unavailable(
            program: program,
            reason: "\(reason); in the queue already: \(submitted.joined(separator: " "))")
        }
      }
    }
    return submitted
  }

  /// What a user types to submit a script's file.
  func example(_ file: String, _ job: ScriptedJob) -> String {
    guard job.request.links == 1 else {
      return
        "the command above with --submit, for \(job.request.links) jobs that wait for each other"
    }
    if seed != nil, job.request.seeds != nil {
      return "the command above with --submit, for a job for each seed"
    }
    // bsub takes a script on its stdin only.
    let batch = arguments.filter { !$0.hasPrefix("-") }
    return ([program] + batch + (program == "bsub" ? ["<"] : []) + [file]).joined(separator: " ")
  }

  /// Calls the command with the script on its stdin.
  private func call(
    _ words: [String], _ script: JobScript
  ) throws(JobError) -> (output: String, message: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + words
    let (output, errors) = (Pipe(), Pipe())
    (process.standardOutput, process.standardError) = (output, errors)
    let input: FileHandle
    do {
      input = try Self.file(holding: script.text)
      process.standardInput = input
      try process.run()
    } catch {
      throw .unavailable(program: program, reason: "cannot be started: \(error)")
    }
    // A few words: neither pipe can fill up while the other one is read.
    func text(_ pipe: Pipe) -> String {
      String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        .trimmingCharacters(in: .whitespacesAndNewlines)
    }
    let (answer, message) = (text(output), text(errors))
    process.waitUntilExit()
    try? input.close()
    if process.terminationStatus == 127, process.terminationReason == .exit, answer.isEmpty {
      throw .unavailable(
        program: program,
        reason: "is not on this machine; write the script with --output, and submit it where it is")
    }
    guard process.terminationStatus == 0 else {
      let said = message.isEmpty ? answer : message
      throw .unavailable(
        program: program,
        reason: "has not taken the job: "
          + (said.isEmpty ? "exit code \(process.terminationStatus)" : said))
    }
    return (answer, message)
  }

  /// A file without a name that holds a text, to be read from its beginning: longer than a pipe takes.
  private static func file(holding text: String) throws -> FileHandle {
    let path = FileManager.default.temporaryDirectory
      .appendingPathComponent("ddpm-dist-\(UUID().uuidString)").path
    guard FileManager.default.createFile(atPath: path, contents: Data(text.utf8)),
      let file = FileHandle(forReadingAtPath: path)
    else { throw CocoaError(.fileWriteUnknown) }
    try FileManager.default.removeItem(atPath: path)
    return file
  }
}
