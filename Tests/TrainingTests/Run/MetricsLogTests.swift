// The log of a run that is interrupted and goes on.

import Foundation
import Storage
import TestSupport
import Testing
import Training

@Suite struct MetricsLogTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private var path: String { folder.file("metrics.jsonl") }

  private func line(_ step: Int) -> MetricsLog.Line {
    let model = tinyModel()
    let vector = [0.5] + (0..<8).map(Double.init) + [Double](repeating: 2, count: 8)
    return MetricsLog.Line(
      Trainer.StepReport(
        step: step, losses: LossReport(vector, mean: 1, of: model), gradientNorm: 2.25,
        learningRate: 0.001), images: step * 8, imagesPerSecond: 1234.5,
      seconds: 0.25 * Double(step))
  }

  private func append(_ steps: ClosedRange<Int>, after step: Int) throws {
    let log = try MetricsLog(path: path, afterStep: step)
    for step in steps { #expect(log.append(line(step)) == nil) }
  }

  private var steps: [Int] {
    get throws {
      try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
        let object = try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        return try #require(object?["step"] as? Int)
      }
    }
  }

  @Test func aLineHasTheDocumentedKeys() throws {
    try append(1...2, after: 0)
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.hasSuffix("}\n"))
    let first = try #require(text.split(separator: "\n").first)
    #expect(
      first == """
        {"gradient_norm":2.25,"images":8,"images_per_second":1234.5,"learning_rate":0.001,\
        "loss":0.5,"seconds":0.25,"step":1,"sums":{"images_by_timestep":[2,2,2,2,2,2,2,2],\
        "loss_by_timestep":[0,1,2,3,4,5,6,7]},"terms":{"simple":0.5}}
        """)
  }

  /// A step that is left out says so, and numbers that are none are null or not there.
  @Test func aStepThatIsLeftOutHasNoLoss() throws {
    let report = LossReport(
      [Double.nan] + Array(repeating: 1, count: 15) + [.infinity], mean: 1, of: tinyModel())
    var watch = DivergenceWatch()
    guard case .notFinite(let evidence) = watch.note(step: 1, loss: .nan, norm: .infinity) else {
      Issue.record("This is no number.")
      return
    }
    let log = try MetricsLog(path: path, afterStep: 0)
    let step = Trainer.StepReport(
      step: 1, outcome: .diverged(evidence), losses: report, gradientNorm: .infinity,
      learningRate: 1)
    _ = log.append(
      MetricsLog.Line(step, rolledBackTo: 0, images: 8, imagesPerSecond: 1, seconds: 0.5))
    #expect(
      try String(contentsOfFile: path, encoding: .utf8) == """
        {"images":8,"images_per_second":1,"learning_rate":1,"rolled_back_to":0,"seconds":0.5,\
        "skipped":true,"step":1,"sums":{"loss_by_timestep":[1,1,1,1,1,1,1,1]},"terms":{}}

        """)
    // It is a line like others when the run goes on.
    try append(2...3, after: 1)
    #expect(try steps == [1, 2, 3])
  }

  /// Lines that do not fit on the disk wait until there is room, whole and in their order. The limit is
  /// that of a process, and other tests write files: it has one of its own.
  @Test func aFullDiskCostsNoLine() async {
    await #expect(processExitsWith: .success) { try MetricsLogTests().fillTheDisk() }
  }

  private func fillTheDisk() throws {
    let log = try MetricsLog(path: path, afterStep: 0)
    var limit = rlimit()
    try #require(getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
    let whole = limit
    signal(SIGXFSZ, SIG_IGN)
    // In the middle of the second line.
    limit.rlim_cur = 300
    try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
    var warnings: [String?] = []
    for step in 1...4 { warnings.append(log.append(line(step))) }
    let error = #expect(throws: StorageError.self) { try log.flush() }
    var unlimited = whole
    try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &unlimited) == 0)
    #expect(warnings[0] == nil && warnings[1] != nil && warnings[2] == nil && warnings[3] == nil)
    #expect(warnings[1]?.hasPrefix("\(path): cannot be written: File too large") == true)
    #expect(error?.path == path)
    #expect(log.append(line(5)) == nil)
    #expect(try steps == [1, 2, 3, 4, 5])
  }

  /// A step that was validated says so; others look as they always have.
  @Test func aValidatedStepHasItsLoss() throws {
    let model = tinyModel()
    let report = LossReport([0.5] + Array(repeating: 0, count: 16), mean: 0.5, of: model)
    let log = try MetricsLog(path: path, afterStep: 0)
    _ = log.append(line(1))
    _ = log.append(
      MetricsLog.Line(
        Trainer.StepReport(step: 2, losses: report, gradientNorm: 1, learningRate: 1),
        validation: report, images: 8, imagesPerSecond: 1, seconds: 0.5))
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    #expect(!lines[0].contains("validation"))
    #expect(lines[1].hasSuffix(#","validation":0.25,"validation_terms":{"simple":0.25}}"#))
    // It is kept when the run goes on.
    try append(3...3, after: 2)
    #expect(try steps == [1, 2, 3])
    #expect(try String(contentsOfFile: path, encoding: .utf8).contains(lines[1]))
  }

  @Test func stepsAfterTheCheckpointAreDropped() throws {
    try append(1...7, after: 0)
    try append(5...9, after: 4)
    #expect(try steps == Array(1...9))
  }

  /// The time of a run goes on where its kept lines end, those of earlier versions too.
  @Test func theTimeGoesOn() throws {
    try append(1...7, after: 0)
    #expect(try MetricsLog(path: path, afterStep: 4).earlierSeconds == 1)
    #expect(try MetricsLog(path: path, afterStep: 0).earlierSeconds == 0)
    let old = #"""
      {"gradient_norm":1,"images":8,"images_per_second":1,"learning_rate":1,"loss":1,"seconds":12.5,"step":1}
      """#
    try folder.write(Array((old + "\n").utf8), to: "metrics.jsonl")
    #expect(try MetricsLog(path: path, afterStep: 1).earlierSeconds == 12.5)
    #expect(try steps == [1])
  }

  /// A log of which no line would be left is kept under another name.
  @Test func aNewRunStartsAnEmptyLog() throws {
    try append(1...3, after: 0)
    let first = try folder.bytes("metrics.jsonl")
    try append(1...1, after: 0)
    #expect(try steps == [1])
    let log = try MetricsLog(path: path, afterStep: 0)
    #expect(log.setAside == folder.file("metrics.2.jsonl"))
    #expect(try folder.bytes("metrics.1.jsonl") == first)
    #expect(try folder.names() == ["metrics.1.jsonl", "metrics.2.jsonl", "metrics.jsonl"])
    try folder.write(Array("a file of others\n".utf8), to: "metrics.jsonl")
    #expect(
      try MetricsLog(path: path, afterStep: 7).setAside == folder.file("metrics.3.jsonl"))
    #expect(try folder.bytes("metrics.3.jsonl") == Array("a file of others\n".utf8))
  }

  /// Reading /proc/self/mem at 0 fails as a broken disk does: with EIO.
  @Test func aLogThatCannotBeReadIsNotErased() throws {
    try FileManager.default.createSymbolicLink(
      atPath: path, withDestinationPath: "/proc/self/mem")
    let error = #expect(throws: StorageError.self) { try MetricsLog(path: path, afterStep: 3) }
    #expect(error == .inputOutput(path: path, reason: "cannot be read: Input/output error"))
    #expect(
      try FileManager.default.destinationOfSymbolicLink(atPath: path) == "/proc/self/mem")
  }

  @Test(arguments: [
    #"{"step": 4, "lo"#, "", "\u{0}\u{0}\u{0}", "{}\n[]\nnull\n\n", "\u{FFFD}\n",
  ])
  func aTornEndIsDropped(end: String) throws {
    try append(1...3, after: 0)
    let whole = try folder.bytes("metrics.jsonl")
    try folder.write(whole + Array(end.utf8), to: "metrics.jsonl")
    try append(4...5, after: 3)
    #expect(try steps == Array(1...5))
  }

  /// A byte that is no UTF-8 costs one line.
  @Test func aDamagedByteCostsItsLineOnly() throws {
    try append(1...5, after: 0)
    var bytes = try folder.bytes("metrics.jsonl")
    bytes[bytes.firstIndex(of: 10)! + 3] = 0xff
    try folder.write(bytes, to: "metrics.jsonl")
    try append(6...6, after: 5)
    #expect(try steps == [1, 3, 4, 5, 6])
  }

  @Test func aMissingFolderIsRefused() {
    #expect(throws: StorageError.self) {
      try MetricsLog(path: folder.file("none/metrics.jsonl"), afterStep: 0)
    }
  }
}
