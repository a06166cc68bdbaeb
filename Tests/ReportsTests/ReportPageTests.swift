// The page, the screen and the comparison of runs that were written by hand.

import Foundation
import Reports
import Storage
import TestSupport
import Testing

@Suite struct ReportPageTests {
  private let folder = try! TemporaryFolder()

  /// A run of a few lines.
  private func made(_ name: String, settings: String = "", steps: Int = 40) throws -> RunSummary {
    let path = folder.file(name)
    try FileManager.default.createDirectory(
      atPath: "\(path)/samples", withIntermediateDirectories: true)
    try AtomicFile.write("name: \(name)\nsteps: 50\n\(settings)", to: "\(path)/config.yaml")
    let lines = (1...steps).map { step in
      Log.line(step, more: step % 10 == 0 ? ",\"validation\":\(1 + abs(Double(step) - 30))" : "")
    }
    try AtomicFile.write(lines.joined(), to: "\(path)/metrics.jsonl")
    return try RunSummary(path: path)
  }

  @Test func thePageIsWhole() throws {
    let run = try made("a")
    let picture = Picture(
      shape: .init(height: 2, width: 3, channels: 1), pixels: [0, 1, 2, 3, 4, 5])
    for step in [10, 20, 30] { try picture.writePNG(to: run.folder.samples(step: step)) }
    try picture.writePNG(to: run.folder.dataGrid)
    let page = try ReportPage([run]).html()
    #expect(page.hasPrefix("<!DOCTYPE html>\n<!-- ddpm-dist report -->\n"))
    #expect(page.components(separatedBy: "src=\"data:image/png;base64,").count == 6)
    // The loss, its gradient, and the speed's place is empty: the lines do not tell it.
    for identifier in ["loss", "gradient"] {
      #expect(page.contains("id=\"\(identifier)-heading\""))
    }
    #expect(page.contains("ddpm-sample --ckpt") == false, "there is no checkpoint")
    #expect(page.contains("40 of 50") && page.contains("1 at step 30"))
    #expect(!page.contains("http-equiv=\"refresh\""))
    #expect(try ReportPage([run], refreshes: true).html().contains("http-equiv=\"refresh\""))
    for word in ["http://", "https://", "src=\"/", "@import", "url("] {
      #expect(!page.contains(word))
    }
    // Only what we put into the page in raw form has braces of a template.
    #expect(!page.contains("{{"))
  }

  /// Machines with the time of their slowest rank, of the last steps that tell it.
  @Test func theSlowestMachineIsNamed() throws {
    let run = try made("a")
    let more = (41...44).map { step in
      Log.line(step, more: ",\"rank_seconds\":[0.25,0.5,\(step == 41 ? 9 : 0.125)]")
    }
    let log = try String(contentsOfFile: run.folder.metrics, encoding: .utf8)
    try AtomicFile.write(log + more.joined(), to: run.folder.metrics)
    let nodes = [("n0", "[0,2]"), ("n1", "[1]")].map { host, ranks in
      "{\"host\":\"\(host)\",\"ranks\":\(ranks),\"cores\":4,\"workers\":3,\"cpu\":\"Z\"}"
    }
    let status = """
      {"batch":8,"data":"d","host":"n0","hosts":["n0","n1"],"images":8,"name":"a","parameters":1,"process":1,
      "nodes":[\(nodes.joined(separator: ","))],"provenance":{},"ranks":3,"started":"2026-01-01T00:00:00Z",
      "state":"finished","step":44,"steps":50,"updated":"2026-01-01T00:00:00Z","workers":1}
      """
    try AtomicFile.write(status, to: run.folder.status)
    let known = try RunSummary(path: run.folder.path)
    #expect(known.series.medianRankSeconds == [0.25, 0.5, 0.125])
    #expect(known.series.series["rank_seconds/0"] == nil)
    let page = try ReportPage([known]).html()
    let rows = page.split(separator: "<tr>").filter { $0.contains(">Z</td>") }
    #expect(rows.count == 2)
    #expect(rows.first?.contains(">n0<") == true && rows.first?.contains(">0.25</td>") == true)
    #expect(
      rows.last?.contains(">n1<") == true && rows.last?.contains(">0.5, the slowest<") == true)
    #expect(page.contains("Rank 1 on n1 works longest, 0.5 seconds a step; the fastest 0.125."))
    // On other ranks the old times say nothing.
    let next = Log.line(45, more: ",\"rank_seconds\":[0.75,1]")
    try AtomicFile.write(log + more.joined() + next, to: run.folder.metrics)
    #expect(try RunSummary(path: run.folder.path).series.medianRankSeconds == [0.75, 1])
  }

  /// The newest picture of the way from noise, or the one that a user has put there.
  @Test func theWayFromNoiseIsShown() throws {
    let run = try made("a")
    let picture = Picture(
      shape: .init(height: 2, width: 3, channels: 1), pixels: [0, 1, 2, 3, 4, 5])
    let other = Picture(shape: picture.shape, pixels: [9, 1, 2, 3, 4, 5])
    func shows(_ picture: Picture) throws -> Bool {
      try ReportPage([run]).html().contains(Data(picture.pngBytes()).base64EncodedString())
    }
    #expect(try !shows(picture))
    try picture.writePNG(to: run.folder.trajectory)
    #expect(try shows(picture) && run.folder.sampleGrids().isEmpty)
    try other.writePNG(to: "\(run.folder.path)/trajectory.png")
    #expect(try shows(other) && !shows(picture))
  }

  /// The norm of a part of the network is that of all its tensors together.
  @Test func normsAreThoseOfParts() throws {
    let run = try made("a")
    let log = try String(contentsOfFile: run.folder.metrics, encoding: .utf8)
    let norms = [(2.0, 1.0), (3, 0.5)].enumerated().map { index, norm in
      Log.line(
        41 + index,
        more: ",\"gradient_norms\":{\"down_0/a/W\":\(norm.0),\"down_0/b/W\":4,\"mid/W\":\(norm.1)}")
    }
    try AtomicFile.write(log + norms.joined(), to: run.folder.metrics)
    let page = try ReportPage([try RunSummary(path: run.folder.path)]).html()
    #expect(page.contains("Now the largest is 5, of down_0, the least 0.5, of mid."))
    #expect(page.contains("<tr><td>down_0/a/W</td><td>2</td><td>3</td></tr>"))
    #expect(try !ReportPage([run]).html().contains("norms-heading"))
  }

  /// Of many terms those between the first and the last are one.
  @Test func termsOfTheBoundAreStacked() throws {
    let run = try made("a")
    func write(_ means: [Double], _ name: String) throws {
      let terms = means.enumerated().map {
        "{\"name\":\"L_\($0)\",\"mean\":\($1),\"error\":0.1}"
      }
      try AtomicFile.write(
        "{\"facts\":{\"data\":\"d\",\"step\":40},\"images\":8,\"unit\":\"bits/dim\",\"estimates\":[{\"name\":"
          + "\"fixed_large\",\"total\":\(means.reduce(0, +)),\"error\":0.5,\"terms\":["
          + terms.joined(separator: ",") + "]}]}", to: "\(run.folder.path)/\(name).json")
    }
    try write([1, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.5], "bound")
    let page = try ReportPage([run]).html()
    #expect(page.contains("bound, fixed_large: 3 ± 0.5 bits/dim."))
    #expect(page.contains("L_0 1, L_1 … L_6 1.5, L_7 0.5"))
    #expect(page.components(separatedBy: "opacity=\"0.7\"").count == 4)
    // A density may be above 1: then there is nothing to stack.
    try write([-1, 2], "bound")
    let other = try ReportPage([run]).html()
    #expect(other.contains("L_0 -1, L_1 2") && !other.contains("opacity=\"0.7\""))
  }

  /// A name that a browser would run is a name.
  @Test func aNameIsText() throws {
    let run = try made("x", settings: "data: '</script><script>alert(1)</script>'\n")
    let page = try ReportPage([run]).html()
    #expect(!page.contains("<script>alert"))
    #expect(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;"))
  }

  @Test func oneChangedSettingIsNamed() throws {
    let (a, b) = (try made("a", settings: "seed: 1\n"), try made("b", settings: "seed: 2\n"))
    let comparison = RunComparison([a, b])
    #expect(comparison.settings.head == ["setting", "a", "b"])
    #expect(comparison.settings.rows == [["seed", "1", "2"]])
    #expect(comparison.results.rows[0] == ["state", "keeps no status", "keeps no status"])
    let page = try ReportPage([a, b]).html()
    #expect(page.contains("Settings that differ") && page.contains("mean of 2 seeds"))
  }

  /// Of runs with one name the paths are told.
  @Test func namesTellRunsApart() throws {
    _ = (try made("a"), try made("b", settings: ""))
    try AtomicFile.write("name: a\n", to: folder.file("b/config.yaml"))
    #expect(
      RunSummary.named(
        try ["a", "b"].map { try RunSummary(path: folder.file($0)) }
      ).map(\.name)
        == [folder.file("a"), folder.file("b")])
  }

  @Test func theScreenFitsTheTerminal() throws {
    let (a, b) = (try made("a"), try made("b"))
    let one = WatchScreen([a], width: 50).lines()
    #expect(one.allSatisfy { $0.count <= 50 } && one[0] == "a: keeps no status")
    #expect(one.contains { $0.hasPrefix("step") && $0.hasSuffix("40 of 50") })
    #expect(one.contains { $0.hasPrefix("loss") && $0.contains("▁") && $0.contains("█") })
    #expect(RunText.samplingCommand(a) == nil, "there is no checkpoint")
    let table = WatchScreen([a, b], width: 80).lines()
    #expect(table.count == 3 && table[1].hasPrefix("a ") && table[2].hasPrefix("b "))
  }

  /// A run that says that it trains, and whose process is no more.
  @Test func aDeadRunIsTold() throws {
    let run = try made("a")
    let status = """
      {"batch":8,"data":"d","host":"h","hosts":["h"],"images":8,"name":"a","parameters":1,"process":1,
      "provenance":{},"ranks":1,"started":"2026-01-01T00:00:00Z","state":"running","step":40,"steps":50,
      "updated":"2026-01-01T00:00:00Z","workers":1}
      """
    try AtomicFile.write(status, to: run.folder.status)
    let dead = try RunSummary(path: run.folder.path)
    guard case .dead = dead.state else {
      Issue.record("\(dead.state)")
      return
    }
    #expect(RunText.state(dead).hasPrefix("dead, silent for"))
    // With a lock of another machine it may be alive, as long as the log is young.
    try AtomicFile.write(
      "host: elsewhere\nprocess: 1\nstart: now\n", to: "\(run.folder.path)/lock")
    #expect(try RunSummary(path: run.folder.path).state == .running)
    try AtomicFile.write(
      status.replacing("running", with: "finished"), to: run.folder.status)
    #expect(try RunSummary(path: run.folder.path).state == .finished)
  }

  @Test func whatIsNoRunIsRefused() {
    #expect(throws: StorageError.self) { try RunSummary(path: folder.file("nothing")) }
  }

  /// Signs with marks on them are characters of their own, and still end tags.
  @Test(arguments: [
    "\u{600}<img src=x onerror=alert(1)>", "a\"\u{301} onfocus=alert(1) x=\"\u{301}",
  ])
  func signsWithMarksAreEscaped(_ text: String) throws {
    let run = try made("x", settings: "data: '\(text)'\n")
    try AtomicFile.write(
      Log.line(1, more: "").replacing("loss_by_timestep", with: "\\\"><img src=x onerror=alert(1)>")
        + Log.line(2),
      to: run.folder.metrics)
    let page = Array(try ReportPage([try RunSummary(path: run.folder.path)]).html().unicodeScalars)
    for (i, scalar) in page.enumerated() where scalar == "<" {
      let rest = String(String.UnicodeScalarView(page[i...].prefix(8)))
      #expect(!rest.hasPrefix("<img src=x") && !rest.hasPrefix("<img src"), "\(rest)")
    }
    #expect(
      !page.split(separator: "\"").contains { $0.starts(with: "\u{301} onfocus".unicodeScalars) })
  }

  /// Whatever numbers a log, a status or kept curves have, there is a page, a screen, and no trap.
  @Test(arguments: [
    "{\"step\":1,\"loss\":1e308}\n{\"step\":2,\"loss\":-1e308}", "{\"step\":1,\"loss\":1e-320}",
    "{\"step\":1,\"loss\":1,\"images\":1e300,\"slowest\":{\"rank\":1e300,\"host\":\"h\"}}",
    "{\"step\":9223372036854775807,\"loss\":1}", "{\"step\":-5,\"loss\":1}",
    "{\"step\":1,\"sums\":{\"\":[1.0]},\"terms\":{\"\":1,\"b\":2}}",
    "{\"step\":1,\"seconds\":5e-324}\n{\"step\":2,\"seconds\":1e-323}",
    "{\"step\":1,\"validation\":1.7e308}\n{\"step\":2,\"validation\":-1.7e308}",
    "{\"step\":1,\"gradient_norms\":{\"a\":1e308,\"b\":-1e308},\"loss\":1}",
  ])
  func anyNumbersAreShown(_ lines: String) throws {
    let run = try made("a")
    try AtomicFile.write(lines + "\n", to: run.folder.metrics)
    try AtomicFile.write(
      """
      {"batch":8,"data":"d","host":"h","hosts":["h"],"images":8,"name":"a","parameters":1,"process":1,
      "provenance":{},"ranks":2,"started":"x","state":"running","step":40,"steps":-9223372036854775808,
      "updated":"y","workers":1}
      """, to: run.folder.status)
    for kept in [
      "{", "{\"version\":1,\"offset\":18446744073709551615,\"mark\":\"\",\"series\":{}}",
    ] {
      try AtomicFile.write(kept, to: run.folder.curves)
      let again = try RunSummary(path: run.folder.path)
      #expect(try ReportPage([again]).html().contains("</html>"))
      #expect(!WatchScreen([again], width: 80).lines().isEmpty)
      #expect(!WatchScreen([again, again], width: 80).lines().isEmpty)
    }
    var reader = MetricsReader(path: run.folder.metrics)
    try reader.read { lines, _ in
      for line in lines {
        let norms = line.numbers.map(\.value)
        #expect(!Event(time: 0, step: 1, [("h", .histogram(norms))]).record.isEmpty)
      }
    }
  }
}
