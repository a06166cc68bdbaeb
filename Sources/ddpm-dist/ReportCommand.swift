// ddpm-dist report: one page on runs.

import ArgumentParser
import Reports
import Storage
import Training

/// `ddpm-dist report`.
struct ReportCommand: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Write a page on a run, or on several over each other.",
    discussion: """
      One HTML file that needs no network, no server and no script: state, images, curves, settings, \
      provenance. Training writes report.html of its run by itself, at checkpoints and at the end.
      """)

  @Argument(help: "The folders of runs.", completion: .directory)
  var runs: [String]
  @Option(
    help: "The page. (default: report.html in the run's folder, or here for several runs)",
    completion: .file(extensions: ["html"]))
  var output: String?
  @Flag(help: .force)
  var force = false

  func validate() throws {
    if let output, !output.hasSuffix(".html") {
      throw ValidationError("--output \(output): the name must end in .html.")
    }
  }

  func run(_ job: Job) throws {
    try job.onFirstRank {
      let summaries = RunSummary.named(try runs.map { try RunSummary(path: $0, keeps: true) })
      // The page of a run in its own folder is ours to replace.
      let own = runs.count == 1 ? summaries[0].folder.report : nil
      let target = output ?? own ?? "report.html"
      try OutputKind.page.check(
        target: target, inputs: target == own ? [] : runs, isForced: force)
      try AtomicFile.write(try ReportPage(summaries).html(), to: target)
      try StandardStreams.print(target + "\n")
    }
  }
}
