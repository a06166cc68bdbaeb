// report.html: all that is known of a run on one page.

import Figures
import Foundation
import Mustache
import Storage
import Training

/// One page on one run, or on several over each other, that needs no network, no server and no script.
public struct ReportPage {
  /// The bytes of pictures at most: with the figures, the page stays below 5 MB.
  private static let pictureBytes = 2 << 20

  private let runs: [RunSummary]
  private let refreshes: Bool

  /// The page of some runs.
  ///
  /// - Parameter refreshes: Whether a browser should read it anew now and then.
  public init(_ runs: [RunSummary], refreshes: Bool = false) {
    precondition(!runs.isEmpty, "A report is on a run.")
    (self.runs, self.refreshes) = (runs, refreshes)
  }

  /// The text of the page.
  public func html() throws -> String {
    MustacheContentTypes.register(EscapedText(), named: "XML")
    func resource(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
    let library = MustacheLibrary(templates: [
      "report": try MustacheTemplate(string: resource(PackageResources.report_mustache)),
      "table": try MustacheTemplate(string: resource(PackageResources.table_mustache)),
    ])
    let figures = RunFigures(runs: runs).all()
    let page: [String: Any] = [
      "title": runs.map(\.name).joined(separator: ", "),
      "program": "ddpm-dist \(programVersion)", "date": Date.now.formatted(.iso8601),
      "refreshes": refreshes, "style": resource(PackageResources.report_css),
      "script": resource(PackageResources.report_js),
      "runs": runs.enumerated().map { part(of: $1, number: $0 + 1) },
      "hasDifferences": runs.count > 1, "differences": table(RunComparison(runs)),
      "figures": figures.map(part), "series": try series(of: figures),
    ]
    guard let text = library.render(page, withTemplate: "report") else {
      preconditionFailure("The page has its template.")
    }
    return text
  }

  // MARK: Parts

  private func part(of run: RunSummary, number: Int) -> [String: Any] {
    var part: [String: Any] = [
      "number": number, "name": run.name, "state": RunText.shortState(run),
      "facts": RunText.facts(run).map { ["name": $0.name, "value": $0.value] },
      "hasPictures": false, "hasGrids": false, "hasCheckpoints": !run.checkpoints.isEmpty,
      "settings": table(
        "All settings", ["setting", "value", "default"],
        run.settings.map { [$0.key, $0.value, $0.usual ?? "?"] }),
      "machines": machines(of: run), "hasMachines": run.status?.nodes?.isEmpty == false,
      "starts": table(
        "Every start of the run",
        ["date", "from step", "ranks", "workers", "machines", "changed", "command"],
        run.starts.map { start in
          [
            start.date, "\(start.step)", "\(start.ranks)", "\(start.workers)",
            Set(start.hosts).sorted().joined(separator: ", "),
            start.changed.sorted { $0.key < $1.key }
              .map { "\($0.key): \($0.value.joined(separator: " → "))" }.joined(separator: "; "),
            start.command ?? "",
          ]
        }),
      "provenance": table(
        "Where and with what it was made", ["what", "value"],
        (run.status?.provenance ?? [:]).sorted { $0.key < $1.key }.map { [$0.key, $0.value] }),
    ]
    if let reason = run.status?.reason, run.state != .running { part["reason"] = reason }
    if let steps = run.steps, steps > 0 {
      part["progress"] = [
        "most": "\(steps)", "value": "\(min(steps, run.series.step))", "name": run.name,
      ]
    }
    part["command"] = RunText.samplingCommand(run)
    // What is found out where nobody says anything is not changed.
    let changed = run.settings.filter {
      $0.value != $0.usual && $0.usual != "auto" && $0.key != "name"
    }
    part["hasChanged"] = !changed.isEmpty
    part["changed"] = table(
      "Changed settings", ["setting", "value", "default"],
      changed.map { [$0.key, $0.value, $0.usual ?? "?"] })
    part["checkpoints"] = table(
      "Checkpoints", ["step", "bytes", "checksum (XXH3-128)", "file"],
      run.checkpoints.map {
        ["\($0.step)\($0.isBest ? ", best" : "")", "\($0.bytes)", $0.checksum ?? "none", $0.path]
      })
    let evaluations = KeptEvaluation.all(in: run.folder.path)
    part["hasEvaluations"] = !evaluations.isEmpty
    part["evaluations"] = table(
      "Evaluations in its folder",
      ["file", "images of", "step", "estimate", "result", "terms"],
      evaluations.flatMap { name, evaluation in
        evaluation.estimates.map { estimate in
          [
            name, evaluation.facts["data"] ?? "", evaluation.facts["step"] ?? "", estimate.name,
            RunText.number(estimate.total)
              + (estimate.error.map { " ± " + String(format: "%.2g", $0) } ?? "")
              + " \(evaluation.unit)",
            estimate.parts.map { "\($0.name) \(RunText.number($0.mean))" }.joined(separator: ", "),
          ]
        }
      })
    addPictures(of: run, to: &part)
    return part
  }

  /// What the job has of each machine, and how long the slowest of its ranks worked in a step lately.
  private func machines(of run: RunSummary) -> [String: Any] {
    let nodes = run.status?.nodes ?? []
    let times = run.series.medianRankSeconds
    let seconds = nodes.map { node in
      node.ranks.compactMap { times.indices.contains($0) ? times[$0] : nil }.max()
    }
    let most = nodes.count > 1 ? seconds.compactMap(\.self).max() : nil
    return table(
      "Machines of the last start, with the median seconds of work in a step of the slowest rank of each",
      ["machine", "ranks", "workers", "cores", "CPU", "seconds a step"],
      zip(nodes, seconds).map { node, seconds in
        [
          node.host, "\(node.ranks.count)", "\(node.workers)", "\(node.cores)", node.cpu,
          (seconds.map(RunText.number) ?? "")
            + (seconds != nil && seconds == most ? ", the slowest" : ""),
        ]
      })
  }

  private func addPictures(of run: RunSummary, to part: inout [String: Any]) {
    let grids = run.folder.sampleGrids()
    let most = Self.pictureBytes / runs.count
    if let last = grids.last {
      part["newest"] = picture(
        last.path, "Drawn after step \(last.step)", alt: "images drawn after step \(last.step)")
    }
    part["data"] = picture(
      run.folder.dataGrid, "The first images of the data", alt: "the first images of the data")
    // A picture that somebody has put there takes the place of that of the newest grid.
    for path in ["\(run.folder.path)/trajectory.png", run.folder.trajectory] {
      part["trajectory"] =
        part["trajectory"]
        ?? picture(
          path,
          "From noise at the left to images at the right: above what the network sees, below what it takes "
            + "the image for", alt: "images on their way from noise to what they are")
    }
    let size = (try? AtomicFile.contents(of: grids.last?.path ?? ""))??.count ?? 1
    let count = min(grids.count, 16, max(2, most / max(1, size)))
    if grids.count > 1, count > 1 {
      let chosen = Set((0..<count).map { (grids.count - 1) * $0 / (count - 1) }).sorted()
      part["grids"] = chosen.compactMap { i in
        picture(
          grids[i].path, "after step \(grids[i].step)",
          alt: "images drawn after step \(grids[i].step)")
      }
      part["hasGrids"] = true
    }
    part["hasPictures"] = ["newest", "data", "trajectory"].contains { part[$0] != nil }
  }

  /// A picture within the page; nil where there is none, or a very large one.
  private func picture(_ path: String, _ caption: String, alt: String) -> [String: String]? {
    guard let bytes = (try? AtomicFile.contents(of: path)) ?? nil, bytes.count > 24,
      bytes.count <= Self.pictureBytes / 2
    else { return nil }
    // A PNG file names its width and height in bytes 16 to 23.
    func word(_ i: Int) -> Int { bytes[i..<i + 4].reduce(0) { $0 << 8 | Int($1) } }
    return [
      "source": "data:image/png;base64,\(Data(bytes).base64EncodedString())", "alt": alt,
      "caption": caption, "width": "\(word(16))", "height": "\(word(20))",
    ]
  }

  private func part(of figure: Figure) -> [String: Any] {
    var logarithmic = figure.plot
    logarithmic.scale = .logarithmic
    logarithmic.identifier += "-log"
    return [
      "identifier": "\(figure.plot.identifier)-heading", "title": figure.plot.title,
      "summary": figure.plot.summary, "linear": figure.plot.svg(),
      "hasLogarithms": figure.hasLogarithms,
      "logarithmic": figure.hasLogarithms ? logarithmic.svg() : "",
      "isSmoothed": figure.isSmoothed ? "true" : "false",
      "table": table(figure.plot.title, figure.table.head, figure.table.rows),
    ]
  }

  private func table(_ caption: String, _ head: [String], _ rows: [[String]]) -> [String: Any] {
    ["caption": caption, "head": head, "rows": rows]
  }

  private func table(_ comparison: RunComparison) -> [String: Any] {
    let (head, rows) = comparison.settings
    return table("Settings that differ", head, rows)
  }

  // MARK: Numbers for the script

  private struct Curve: Encodable {
    let figure: String
    let name: String
    let steps: [Int]
    let means: [Double]
  }

  /// The numbers of the lines that a script smooths or tells of.
  private func series(of figures: [Figure]) throws -> String {
    var curves: [String: Curve] = [:]
    for figure in figures {
      for (path, (index, run)) in figure.paths.flatMap({ path in
        runs.enumerated().map { (path, $0) }
      }) {
        guard let buckets = run.series.series[path]?.buckets else { continue }
        let name = RunFigures.name(ofPath: path)
        curves["\(index)/\(path)"] = Curve(
          figure: "\(figure.plot.identifier)-heading",
          name: runs.count > 1 ? "\(run.name), \(name)" : name,
          steps: buckets.map(\.step), means: buckets.map(\.mean))
      }
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    // In a script element the text must not end the element. Byte by byte: a sign with a mark on it is one
    // character.
    let bytes = try encoder.encode(curves).flatMap {
      $0 == UInt8(ascii: "<") ? Array("\\u003c".utf8) : [$0]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Texts within the page. The library's own way goes by characters, and leaves a sign with a mark on it as it
/// is.
private struct EscapedText: MustacheContentType {
  func escapeText(_ text: String) -> String { text.escapedForXML }
}
