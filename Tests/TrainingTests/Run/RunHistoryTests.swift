// The history of a run: lines are added, and others kept.

import Foundation
import Storage
import TestSupport
import Testing
import Training

@Suite struct RunHistoryTests {
  private let folder = try! TemporaryFolder()
  private var path: String { folder.file("history.jsonl") }

  private func start(_ step: Int, changed: [String: [String]] = [:]) -> RunHistory.Start {
    RunHistory.Start(
      date: "2026-01-01T00:00:00Z", program: "ddpm-dist 0", ranks: 2, hosts: ["a/b"], workers: 3,
      step: step, images: "cafe", changed: changed, settings: ["batch": "8"])
  }

  @Test func aLineHasTheDocumentedKeys() throws {
    #expect(try RunHistory(path: path).last == nil)
    try RunHistory(path: path).append(start(0))
    try RunHistory(path: path).append(start(5, changed: ["batch": ["8", "16"]]))
    #expect(
      try String(contentsOfFile: path, encoding: .utf8) == #"""
        {"changed":{},"date":"2026-01-01T00:00:00Z","hosts":["a/b"],"images":"cafe",\#
        "program":"ddpm-dist 0","ranks":2,"settings":{"batch":"8"},"step":0,"workers":3}
        {"changed":{"batch":["8","16"]},"date":"2026-01-01T00:00:00Z","hosts":["a/b"],\#
        "images":"cafe","program":"ddpm-dist 0","ranks":2,"settings":{"batch":"8"},"step":5,\#
        "workers":3}

        """#)
    #expect(try RunHistory(path: path).last == start(5, changed: ["batch": ["8", "16"]]))
  }

  /// A torn line, or a line of another program, costs nothing else.
  @Test(arguments: ["{\"step\":", "\u{FFFD}\n", "[]\n{}\n"]) func otherLinesStay(
    text: String
  ) throws {
    try RunHistory(path: path).append(start(3))
    let before = try folder.bytes("history.jsonl") + Array(text.utf8)
    try folder.write(before, to: "history.jsonl")
    let history = try RunHistory(path: path)
    #expect(history.last == start(3))
    try history.append(start(4))
    #expect(try RunHistory(path: path).last == start(4))
    #expect(try folder.bytes("history.jsonl").starts(with: before))
  }

  @Test func aHistoryThatCannotBeReadIsNotReplaced() throws {
    try FileManager.default.createSymbolicLink(
      atPath: path, withDestinationPath: "/proc/self/mem")
    #expect(throws: StorageError.self) { try RunHistory(path: path) }
  }

  @Test func changesAreThoseOfKnownSettings() {
    #expect(
      RunHistory.changes(
        from: ["a": "1", "b": "2", "gone": "3"], to: ["a": "1", "b": "4", "new": "5"])
        == ["b": ["2", "4"]])
    var other = Configuration.tiny
    other.training.steps += 1
    #expect(
      RunHistory.changes(from: Configuration.tiny.texts, to: other.texts)
        == ["steps": ["6", "7"]])
  }
}
