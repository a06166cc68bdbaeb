// ddpm-dist watch: how runs go, on one screen.

import ArgumentParser
import Foundation
import Reports
import Training

/// `ddpm-dist watch`.
struct WatchCommand: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch",
    abstract: "Show how runs go, every second, until none of them runs any more.",
    discussion: """
      Of one run everything, of several a line each. It reads their folders and changes nothing, so that \
      it may run anywhere that sees them. In a pipe, and with --once, it prints once.
      """)

  @Argument(help: "The folders of runs.", completion: .directory)
  var runs: [String]
  @Flag(help: "Print once, as plain lines.")
  var once = false

  func run(_ job: Job) throws {
    try job.onFirstRank {
      let terminal = StandardStreams.terminalSize
      var followers = try runs.map { try RunFollower(path: $0) }
      while true {
        var summaries: [RunSummary] = []
        for i in followers.indices { summaries.append(try followers[i].summary()) }
        summaries = RunSummary.named(summaries)
        let size = StandardStreams.terminalSize ?? (columns: 100, rows: 1000)
        let lines = WatchScreen(summaries, width: size.columns).lines()
        let isOver = !summaries.contains { $0.state == .running }
        guard terminal != nil, !once else {
          return try StandardStreams.print(lines.joined(separator: "\n") + "\n")
        }
        let rows = lines.flatMap { folded($0, to: size.columns) }
        try StandardStreams.draw(Array(rows.prefix(size.rows - 1)))
        if isOver { return }
        Thread.sleep(forTimeInterval: 1)
      }
    }
  }

  /// The rows that a line takes on a terminal.
  private func folded(_ line: String, to width: Int) -> [String] {
    var (rows, rest) = ([String(line.prefix(width))], line.dropFirst(width))
    while !rest.isEmpty {
      rows.append(String(rest.prefix(width)))
      rest = rest.dropFirst(width)
    }
    return rows
  }
}
