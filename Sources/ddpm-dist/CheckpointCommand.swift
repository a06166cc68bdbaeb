// ddpm-dist checkpoint: what a run has kept.

import ArgumentParser
import Foundation
import MPI
import Storage
import Training

/// `ddpm-dist checkpoint`: what a run has kept.
struct CheckpointCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checkpoint",
    abstract: "List, check, compare, remove and rename checkpoints.",
    subcommands: [List.self, Verify.self, Compare.self, Prune.self, RepairName.self])

  /// `ddpm-dist checkpoint ls`.
  struct List: JobCommand {
    static let configuration = CommandConfiguration(
      commandName: "ls",
      abstract: "List the checkpoints of a run: step, date, size, loss, and whether they are good.",
      discussion: "Every file is read whole. Those that cannot be used are listed with the reason.")

    @Argument(help: "The run's folder.", completion: .directory)
    var run: String

    func run(_ job: Job) throws {
      try job.onFirstRank {
        let list = try CheckpointList(run: RunFolder(run))
        let rows = list.entries.map { entry in
          [
            "\(entry.step)", entry.date ?? "-", entry.bytes.map { "\($0)" } ?? "-",
            entry.loss.map { String(format: "%.6g", $0) } ?? "-",
            (entry.fault.map { "unusable: \($0.reason)" } ?? "good")
              + (entry.isBest ? ", best" : ""),
          ]
        }
        let strangers = list.strangers.map {
          ["-", "-", "-", "-", "\($0) has no name of a checkpoint: see checkpoint repair-name"]
        }
        try printColumns([["step", "date", "bytes", "loss", "state"]] + rows + strangers)
      }
    }
  }

  /// `ddpm-dist checkpoint verify`.
  struct Verify: JobCommand {
    static let configuration = CommandConfiguration(
      abstract: "Check files whole; the exit code is 65 where one of them cannot be used.",
      discussion: """
        Checksum, format, finite tensors, and whether tensors, progress and name agree with what the \
        file says of itself.
        """)

    @Argument(help: "The checkpoints.", completion: .hdf5)
    var files: [String]

    func run(_ job: Job) throws {
      try job.onFirstRank {
        var bad = 0
        for file in files {
          do throws(StorageError) {
            let step = try CheckpointList.good(file).progress.step
            try StandardStreams.print("\(file): good, step \(step)\n")
          } catch {
            bad += 1
            try StandardStreams.print("\(error)\n")
          }
        }
        if bad > 0 {
          throw Failure(
            "\(bad) of \(files.count) files cannot be used.", exitCode: ExitCode.badData)
        }
      }
    }
  }

  /// `ddpm-dist checkpoint diff`.
  struct Compare: JobCommand {
    static let configuration = CommandConfiguration(
      commandName: "diff",
      abstract:
        "Say in what two checkpoints differ; the exit code is 0 where they are equal, else 1.",
      discussion: """
        Settings, progress, and for each tensor the largest absolute and relative difference of two \
        scalars. Where and how the files were made is not compared.
        """)

    @Argument(help: "A checkpoint.", completion: .hdf5)
    var first: String
    @Argument(help: "Another one.", completion: .hdf5)
    var second: String

    func run(_ job: Job) throws {
      try job.onFirstRank {
        let (a, b) = (
          try Checkpoint.read(path: first, sections: .present),
          try Checkpoint.read(path: second, sections: .present)
        )
        let settings = Configuration.differences(a.configuration, b.configuration)
        let difference = CheckpointDifference(a, b)
        if settings.isEmpty, difference.isEmpty {
          return try StandardStreams.print("The checkpoints are equal.\n")
        }
        let texts = settings + difference.numbers.map { [$0.name, $0.first, $0.second] }
        if !texts.isEmpty { try printColumns([["value", "first", "second"]] + texts) }
        for sentence in difference.structure { try StandardStreams.print(sentence + "\n") }
        let rows = difference.tensors.map {
          [$0.name, String(format: "%.3g", $0.absolute), String(format: "%.3g", $0.relative)]
        }
        if !rows.isEmpty { try printColumns([["tensor", "absolute", "relative"]] + rows) }
        throw Failure("\(first) and \(second) differ.", exitCode: 1)
      }
    }
  }

  /// `ddpm-dist checkpoint prune`.
  struct Prune: JobCommand {
    static let configuration = CommandConfiguration(
      abstract: "Remove old checkpoints of a run that nobody trains.",
      discussion: """
        The newest good ones stay, and the one that best leads to. Files that cannot be used are \
        neither counted nor removed.
        """)

    @Argument(help: "The run's folder.", completion: .directory)
    var run: String
    @Option(help: "How many of the newest good checkpoints to keep.")
    var keep: Int

    func validate() throws {
      if keep < 1 { throw ValidationError("--keep needs at least 1: the last good one stays.") }
    }

    func run(_ job: Job) throws {
      let logger = try job.logger()
      try job.onFirstRank {
        for path in try RunFolder(run).prune(keeping: keep, logger) {
          try StandardStreams.print("removed \(path)\n")
        }
      }
    }
  }

  /// `ddpm-dist checkpoint repair-name`.
  struct RepairName: JobCommand {
    static let configuration = CommandConfiguration(
      commandName: "repair-name",
      abstract: "Give files the name of the step that is in them.",
      discussion: "In the folder where they are; nothing is replaced.")

    @Argument(help: "Checkpoints, or snapshots of averages.", completion: .hdf5)
    var files: [String]

    func run(_ job: Job) throws {
      let logger = try job.logger()
      try job.onFirstRank {
        for file in files {
          let name = try RunFolder.repairName(of: file, logger)
          try StandardStreams.print(
            "\(file): \(name == file ? "has its name" : "is \(name) now")\n")
        }
      }
    }
  }
}
