// ddpm-dist runs: which runs there are, and in what they differ.

import ArgumentParser
import Foundation
import Reports
import Storage
import Training

/// `ddpm-dist runs`.
struct RunsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "runs", abstract: "List runs, and compare them.",
    subcommands: [List.self, Compare.self])

  /// `ddpm-dist runs ls`.
  struct List: JobCommand {
    static let configuration = CommandConfiguration(
      commandName: "ls",
      abstract: "List the runs of a folder: state, step, loss, best validation, speed.")

    @Argument(help: "A folder of runs.", completion: .directory)
    var folder = "runs"

    func run(_ job: Job) throws {
      try job.onFirstRank {
        let names: [String]
        do {
          names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        } catch {
          throw StorageError.missingInput(
            path: folder, reason: "cannot be listed: \(systemCause(of: error))")
        }
        let runs = try names.map { "\(folder)/\($0)" }.filter { RunFolder($0).exists }
          .map { try RunSummary(path: $0) }
        guard !runs.isEmpty else { return try StandardStreams.print("no runs in \(folder)\n") }
        func text(_ value: Double?) -> String { value.map(RunText.number) ?? "-" }
        let rows = runs.map { run in
          [
            run.folder.path, "\(run.series.step)" + (run.steps.map { "/\($0)" } ?? ""),
            text(run.series.last["loss"]), text(run.series.bestValidation),
            text(run.status?.imagesPerSecond), run.setting("model") ?? "-", RunText.shortState(run),
          ]
        }
        try printColumns(
          [["run", "step", "loss", "best validation", "images/s", "model", "state"]] + rows)
      }
    }
  }

  /// `ddpm-dist runs compare`.
  struct Compare: JobCommand {
    static let configuration = CommandConfiguration(
      commandName: "compare",
      abstract: "Compare runs: how they went, and the settings that are not the same in all.")

    @Argument(help: "The folders of two runs or more.", completion: .directory)
    var runs: [String]

    func validate() throws {
      if runs.count < 2 { throw ValidationError("Two runs or more can be compared.") }
    }

    func run(_ job: Job) throws {
      try job.onFirstRank {
        let comparison = RunComparison(RunSummary.named(try runs.map { try RunSummary(path: $0) }))
        let (head, rows) = comparison.results
        try printColumns([head] + rows)
        try StandardStreams.print("\n")
        let (names, settings) = comparison.settings
        guard !settings.isEmpty else {
          return try StandardStreams.print("All settings are the same.\n")
        }
        try printColumns([names] + settings)
      }
    }
  }
}
