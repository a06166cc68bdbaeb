// ddpm-dist env: what belongs into the description of a fault.

import ArgumentParser
import Training

/// `ddpm-dist env`.
struct EnvironmentCommand: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "env",
    abstract: "Print what the program is and where it runs, for the description of a fault.",
    discussion: """
      Version, commit, libraries, CPU, memory, system, and what is set of the batch system, modules, MPI and \
      threads.
      """)

  func run(_ job: Job) throws {
    try job.onFirstRank { try printTable(ProgramBuild.facts.map { ($0.name, $0.value) }) }
  }
}
