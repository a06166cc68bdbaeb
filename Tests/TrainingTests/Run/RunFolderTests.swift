// The folder of a run.

import Foundation
import Storage
import TestSupport
import Testing
import Training

@Suite struct RunFolderTests {
  @Test func preparingMakesARun() throws {
    let temporary = try TemporaryFolder()
    let run = RunFolder(temporary.file("runs/deep/a"))
    #expect(!run.exists)
    try run.prepare(configuration: "steps: 5\n")
    #expect(run.exists)
    #expect(try String(contentsOfFile: run.configuration, encoding: .utf8) == "steps: 5\n")
    #expect(try run.checkpoints.steps() == [])
    // Resuming prepares once more.
    try run.prepare(configuration: "steps: 6\n")
    #expect(try String(contentsOfFile: run.configuration, encoding: .utf8) == "steps: 6\n")
    let names = try FileManager.default.contentsOfDirectory(atPath: run.path)
    #expect(names.sorted() == ["checkpoints", "config.yaml", "samples"])
  }

  /// Snapshots of steps that are done again go, earlier ones and those of a run without stay.
  @Test func laterSnapshotsAreRemoved() throws {
    let temporary = try TemporaryFolder()
    let run = RunFolder(temporary.file("a"))
    try run.prepare(configuration: "", keepsAverages: true)
    for step in [5, 10, 15] {
      try temporary.write([1], to: "a/averages/step-000000\(step < 10 ? "0" : "")\(step).h5")
    }
    try temporary.write([1], to: "a/averages/step-00000015.h5.1-2.tmp")
    try run.prepare(configuration: "", afterStep: 10)
    #expect(try run.averages.steps() == [5, 10])
    #expect(try FileManager.default.contentsOfDirectory(atPath: run.averages.path).count == 2)
  }

  /// What killed writers have left of every kind of file goes; what is not of a run stays.
  @Test func temporaryFilesAreSwept() throws {
    let temporary = try TemporaryFolder()
    let run = RunFolder(temporary.path)
    try run.prepare(configuration: "", keepsAverages: true)
    let left = [
      "checkpoints/step-00000002.h5", "checkpoints/best", "averages/step-00000002.h5",
      "samples/step-00000002.png", "config.yaml", "metrics.jsonl", "history.jsonl", "lock",
    ].map { $0 + ".4711-3.tmp" }
    let others = [
      "notes.txt.1-2.tmp", "samples/cat.png.1-2.tmp", "samples/step-2.png.1-2.tmp",
      "samples/step-00000002.png.tmp", "evaluation.h5.unfinished", "checkpoints/my.h5.1-2.tmp",
    ]
    for name in left + others { try temporary.write([1], to: name) }
    try run.prepare(configuration: "", keepsAverages: true)
    let files = try FileManager.default.subpathsOfDirectory(atPath: run.path)
    #expect(Set(files).isDisjoint(with: left))
    #expect(Set(files).isSuperset(of: others))
  }

  /// A file that cannot be read is not taken for an empty one.
  @Test func theConfigurationIsReadOrMissing() throws {
    let temporary = try TemporaryFolder()
    let run = RunFolder(temporary.path)
    #expect(try run.configurationText() == nil)
    try temporary.write(Array(" \n".utf8), to: "config.yaml")
    #expect(try run.configurationText() == nil)
    try temporary.write(Array("steps: 5\n".utf8), to: "config.yaml")
    #expect(try run.configurationText() == "steps: 5\n")
    try FileManager.default.removeItem(atPath: run.configuration)
    try FileManager.default.createSymbolicLink(
      atPath: run.configuration, withDestinationPath: "/proc/self/mem")
    #expect(throws: StorageError.self) { try run.configurationText() }
  }

  @Test func aLogAloneIsARunToo() throws {
    let temporary = try TemporaryFolder()
    let run = RunFolder(temporary.path)
    #expect(!run.exists)
    try temporary.write([], to: "metrics.jsonl")
    #expect(run.exists)
  }

  @Test func aFolderBelowAFileIsRefused() throws {
    let temporary = try TemporaryFolder()
    try temporary.write([1], to: "file")
    let error = #expect(throws: StorageError.self) {
      try RunFolder(temporary.file("file/run")).prepare(configuration: "")
    }
    guard case .cannotCreate(let path, let reason) = error else {
      Issue.record("\(error as Any)")
      return
    }
    #expect(path == temporary.file("file/run"))
    #expect(reason.contains("Not a directory") && reason.contains("--run"))
  }

  @Test func gridsSortByStep() {
    let run = RunFolder("runs/a")
    #expect(run.samples(step: 500) == "runs/a/samples/step-00000500.png")
    #expect(run.samples(step: 123_456_789) == "runs/a/samples/step-123456789.png")
  }
}
