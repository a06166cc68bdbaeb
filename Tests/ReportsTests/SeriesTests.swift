// Lines of metrics, and the curves that are made of them.

import Foundation
import Reports
import Storage
import TestSupport
import Testing

/// A log of metrics in a folder.
struct Log {
  let folder = try! TemporaryFolder()
  var path: String { folder.file("metrics.jsonl") }

  static func line(_ step: Int, more: String = "") -> String {
    "{\"gradient_norm\":\(3.0317316435941626 / Double(step)),\"images\":\(step * 8),"
      + "\"loss\":\(1.0169685068424235 / Double(step)),\"seconds\":\(Double(step) / 4),\"step\":\(step),"
      + "\"sums\":{\"loss_by_timestep\":[\(step),0.5]},\"terms\":{\"simple\":0.1}\(more)}\n"
  }

  func append(_ text: String) throws {
    if !FileManager.default.fileExists(atPath: path) { try folder.write([], to: "metrics.jsonl") }
    let handle = try #require(FileHandle(forWritingAtPath: path))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(text.utf8))
  }
}

@Suite struct MetricsLineTests {
  /// Every digit counts: the numbers are those that the log has.
  @Test func numbersAreExact() throws {
    let line = try #require(
      MetricsLine(
        Data(
          """
          {"step":3,"loss":3.0317316435941626,"skipped":true,"terms":{"b":2,"a":1e-300},\
          "sums":{"x":[0.1,-7]},"host":"n1","validation_terms":{"kl":4}}
          """.utf8)))
    #expect(line.step == 3)
    #expect(
      line.numbers.map(\.path).sorted() == [
        "loss", "skipped", "sums/x/0", "sums/x/1", "terms/a", "terms/b", "validation_terms/kl",
      ])
    #expect(line["loss"] == 3.0317316435941626 && line["terms/a"] == 1e-300 && line["skipped"] == 1)
    #expect(line["host"] == nil)
  }

  /// What is read quickly is what the library's decoder reads; other lines are left to it.
  @Test func plainLinesAreReadAlike() throws {
    func both(_ text: String) throws -> (plain: MetricsLine?, decoded: MetricsLine?) {
      (
        MetricsLine(plain: Data(text.utf8)),
        try? JSONDecoder().decode(MetricsLine.self, from: Data(text.utf8))
      )
    }
    let slowest =
      "\"slowest\":{\"compute_seconds\":0.25,\"host\":\"n 1\",\"rank\":3},\"step\":9007199254740992"
    let plain: [String] = [
      String(Log.line(1).dropLast()),
      String(
        Log.line(7, more: ",\"validation\":-1.5E+3,\"validation_terms\":{\"kl\":4}").dropLast()),
      "{\"a\":-0,\"b\":0.1e-7,\"gradient_norms\":{\"down_0/W\":1e-300},\"rank_seconds\":[1,2.5],\"skipped\":true,"
        + slowest + ",\"sums\":{\"x\":[],\"y\":[3.0317316435941626]}}",
      "{\"skipped\":false,\"step\":1}", "{\"step\":1,\"b\":1,\"a\":1,\"c\":1}",
    ]
    for text in plain {
      let (found, wanted) = try both(text)
      let (quick, slow) = (try #require(found, "\(text)"), try #require(wanted))
      #expect(quick.step == slow.step && quick.slowest == slow.slowest)
      #expect(quick.rankSeconds == slow.rankSeconds)
      #expect(
        quick.numbers.sorted { $0.path < $1.path } == slow.numbers.sorted { $0.path < $1.path })
    }
    for text in [
      "{\"step\": 1}", "{\"b\":1,\"a\":1,\"b\":1,\"step\":1}", "{\"a\":1,\"a\":2,\"step\":1}",
      "{\"a\":\"x\",\"step\":1}",
      "{\"a\\u0062\":1,\"step\":1}", "{\"ä\":1,\"step\":1}", "{\"a\":1e999,\"step\":1}",
      "{\"a\":1e-400,\"step\":1}", "{\"a\":null,\"step\":1}", "{\"a\":01,\"step\":1}",
      "{\"a\":0x1,\"step\":1}",
      "{\"a\":1.,\"step\":1}", "{\"a\":.5,\"step\":1}", "{\"a\":-,\"step\":1}",
      "{\"a\":1e,\"step\":1}",
      "{\"a\":inf,\"step\":1}", "{\"step\":1.0}", "{\"step\":0}", "{\"step\":9007199254740993}",
      "{\"step\":1}}",
      "{\"step\":1},", "{\"step\":1", "{\"step\":", "{", "}", "{}",
      "{\"rank_seconds\":[1,],\"step\":1}",
      "{\"skipped\":tru", "{\"skipped\":1,\"step\":1}", "{\"sums\":{\"x\":1},\"step\":1}",
    ] {
      #expect(try both(text).plain == nil, "\(text)")
    }
  }

  @Test(arguments: ["", "{\"loss\":1}", "{\"step\":1,\"loss\":", "[]", "\u{FF}"])
  func otherLinesAreNone(_ text: String) { #expect(MetricsLine(Data(text.utf8)) == nil) }
}

@Suite struct MetricsReaderTests {
  @Test func linesComeOnceAndWhole() throws {
    let log = Log()
    var reader = MetricsReader(path: log.path)
    func steps() throws -> (steps: [Int], anew: Bool) {
      var (found, anew) = ([Int](), false)
      try reader.read {
        found += $0.map(\.step)
        anew = anew || $1
      }
      return (found, anew)
    }
    #expect(try steps().steps.isEmpty)  // There is no log yet.
    let third = Log.line(3)
    try log.append(Log.line(1) + Log.line(2) + third.prefix(20))
    #expect(try steps() == ([1, 2], false))
    #expect(try steps() == ([], false))
    try log.append(String(third.dropFirst(20)) + "torn\n" + Log.line(4))
    #expect(try steps() == ([3, 4], false))
    // A resumed run writes the log anew, as another file.
    try AtomicFile.write(Log.line(1) + Log.line(2), to: log.path)
    #expect(try steps() == ([1, 2], true))
  }

  /// So many lines that several threads decode them.
  @Test func orderIsKept() throws {
    let log = Log()
    try log.append((1...3000).map { Log.line($0) }.joined())
    var (reader, found) = (MetricsReader(path: log.path), [Int]())
    try reader.read { lines, _ in found += lines.map(\.step) }
    #expect(found == Array(1...3000))
  }
}

@Suite struct ThinnedSeriesTests {
  @Test(arguments: [1, 1000, 1024, 1025, 5000, 100_001])
  func nothingIsLost(_ count: Int) {
    var series = ThinnedSeries()
    func value(_ step: Int) -> Double { step % 777 == 5 ? -9 : Double(step % 10) }
    for step in 1...count { series.add(step: step, value(step)) }
    let buckets = series.buckets
    #expect(buckets.count <= ThinnedSeries.capacity && buckets.count >= min(count, 512))
    #expect(buckets.map(\.count).reduce(0, +) == count)
    var (sum, found) = (0.0, 0.0)
    for step in 1...count { sum += value(step) }
    for bucket in buckets { found += bucket.sum }
    #expect(found == sum)
    #expect(buckets.last?.step == count)
    #expect(buckets.map(\.least).min() == (count >= 5 ? -9 : 1))
    #expect(series.isThinned == (count > 1024))
    // All but the last have as many numbers.
    #expect(Set(buckets.dropLast().map(\.count)).count <= 1)
  }

  @Test func whatIsNotFiniteHasNoPlace() {
    var series = ThinnedSeries()
    series.add(step: 1, .nan)
    series.add(step: 2, .infinity)
    #expect(series.buckets.isEmpty)
  }
}

@Suite struct KeptSeriesTests {
  /// Curves that were kept and read on are those of the whole log.
  @Test func keptCurvesAreTheSame() throws {
    let log = Log()
    let kept = log.folder.file("metrics.curves.json")
    func series() throws -> RunSeries {
      var follower = SeriesFollower(log: log.path, keptAt: kept, clipNorm: 0.001)
      return try follower.read(keeps: true)
    }
    // More than a mebibyte, so that they are kept.
    try log.append((1...8000).map { Log.line($0) }.joined())
    _ = try series()
    #expect(FileManager.default.fileExists(atPath: kept))
    try log.append(
      (8001...8100).map { Log.line($0, more: $0 == 8050 ? ",\"validation\":0.5" : "") }.joined())
    let readOn = try series()
    try FileManager.default.removeItem(atPath: kept)
    #expect(try series() == readOn)
    #expect(readOn.step == 8100 && readOn.count == 8100 && readOn.bestStep == 8050)
    #expect(readOn.clipped == 3031 && readOn.medianSeconds == 0.25)

    // Another log of the same length: what was kept is not of it.
    let other = try String(contentsOfFile: log.path, encoding: .utf8)
      .replacingOccurrences(of: "\"simple\":0.1", with: "\"simple\":0.2")
    try AtomicFile.write(other, to: log.path)
    #expect(try series().last["terms/simple"] == 0.2)
    #expect(try series().series["terms/simple"]?.buckets.first?.mean == 0.2)
    try AtomicFile.write("{", to: kept)
    #expect(try series().count == 8100)
  }
}

@Suite struct MetricsTableTests {
  /// A new number makes a new column for all lines.
  @Test func columnsAreThoseOfAllLines() throws {
    let log = Log()
    let path = log.folder.file("metrics.csv")
    var table = MetricsTable(path: path, log: log.path)
    var reader = MetricsReader(path: log.path)
    func add(_ text: String) throws -> [[String]] {
      try log.append(text)
      var lines: [MetricsLine] = []
      try reader.read { new, _ in lines += new }
      try table.append(lines)
      return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
        $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      }
    }
    let first = try add(Log.line(1) + Log.line(2))
    #expect(
      first[0] == [
        "step", "images", "seconds", "loss", "gradient_norm", "sums/loss_by_timestep/0",
        "sums/loss_by_timestep/1", "terms/simple",
      ])
    #expect(first.count == 3 && first[2][...1] == ["2", "16"])
    #expect(Double(first[1][4]) == 3.0317316435941626)
    let second = try add(Log.line(3))
    #expect(second[...2] == first[...2] && second[3][0] == "3")
    let third = try add(Log.line(4, more: ",\"validation\":0.25") + Log.line(5))
    #expect(third[0][4] == "validation" && third.count == 6)
    #expect(third.map { $0[4] } == ["validation", "", "", "", "0.25", ""])
  }

  /// The log may have lines that were not given out yet when the table is written anew: they come once.
  @Test func linesThatComeMeanwhileComeOnce() throws {
    let log = Log()
    let path = log.folder.file("metrics.csv")
    var table = MetricsTable(path: path, log: log.path)
    try log.append((1...4).map { Log.line($0) }.joined())
    let lines = (1...4).compactMap { MetricsLine(Data(Log.line($0).utf8)) }
    try table.append(Array(lines[..<2]))
    try table.append(Array(lines[2...]))
    let steps = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").dropFirst()
      .map { $0.prefix { $0 != "," } }
    #expect(steps == ["1", "2", "3", "4"])
  }
}
