// Configuration files and assignments as a whole.

import Foundation
import Testing
import Training

@Suite struct ConfigurationTests {
  private func read(_ yaml: String) throws -> Configuration {
    var configuration = Configuration()
    try configuration.apply(yaml: yaml, source: "test.yaml")
    return configuration
  }

  private func refusal(_ yaml: String) -> ConfigurationError? {
    #expect(throws: ConfigurationError.self) { try read(yaml) }
  }

  @Test func theFilesOfTheProjectCanBeUsed() throws {
    var folder = URL(fileURLWithPath: #filePath)
    for _ in 0..<4 { folder.deleteLastPathComponent() }
    folder.appendPathComponent("configs")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix(".yaml") }
    #expect(files.contains("digits.yaml"))
    for file in files {
      let configuration = try read(
        String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8))
      #expect(configuration.run.name + ".yaml" == file)
      if file == "digits.yaml" { #expect(configuration == Configuration()) }
    }
  }

  @Test(arguments: ["", "\n\n", "# nothing\n", "---\n", "---\n# nothing\n...\n", "{}"])
  func anEmptyFileChangesNothing(yaml: String) throws {
    #expect(try read(yaml) == Configuration())
  }

  @Test func commentsAndStylesAreYAMLs() throws {
    let configuration = try read(
      """
      # A comment.
      steps: 1_000   # another
      'batch': "64"
      multipliers:
        - 1
        - 3
      attention: [ 8,
        4 ]
      """)
    var expected = Configuration()
    expected.training.steps = 1000
    expected.training.batch = 64
    expected.network.multipliers = [1, 3]
    expected.network.attention = [8, 4]
    #expect(configuration == expected)
    #expect(try read("steps: 1_000\r\nbatch: 64\r\n").training.batch == 64)
  }

  @Test func laterFilesAndAssignmentsWin() throws {
    var configuration = try read("steps: 5\nbatch: 8")
    try configuration.apply(yaml: "steps: 6", source: "b.yaml")
    try configuration.apply(assignment: "steps=7")
    try configuration.apply(assignment: "workers=2")
    try configuration.apply(assignment: "workers=auto")
    #expect(
      configuration.training.steps == 7 && configuration.training.batch == 8
        && configuration.training.workers == nil)
  }

  @Test(arguments: [
    ("leaning_rate", "; did you mean 'learning_rate'?"), ("ema", "; did you mean 'average_decay'?"),
    ("colour", ""), ("", ""),
  ])
  func anUnknownKeyIsNamedWithWhatWasMeant(key: String, question: String) {
    let inFile = refusal("steps: 5\n\n# here\n\"\(key)\": 3\n")
    #expect(inFile?.source == "test.yaml:4")
    #expect(
      inFile?.reason
        == "there is no key '\(key)'\(question) (ddpm-dist train --help lists all).")
    var configuration = Configuration()
    let assigned = #expect(throws: ConfigurationError.self) {
      try configuration.apply(assignment: "\(key)=3")
    }
    #expect(assigned?.reason == inFile?.reason)
  }

  @Test func aRepeatedKeyIsRefused() {
    let error = refusal("batch: 4\nsteps: 5\nseed: 3\nsteps: 5\n")
    #expect(error?.source == "test.yaml:2")
    #expect(error?.reason.contains("'steps'") == true)
    #expect(refusal("steps: 5\n\"steps\": 5\n") != nil)
  }

  @Test(arguments: ["just text", "- steps\n- 5\n", "42", "[1, 2]", "steps:5"])
  func whatIsNoMapIsRefused(yaml: String) {
    #expect(refusal(yaml)?.reason.contains("key: value") == true)
  }

  @Test(arguments: [
    ("steps: 5\nbatch: [1,\n", 2...4), ("a: b: c\n", 1...1), ("steps: 5\n\tbatch: 4\n", 1...2),
    ("steps: 1\n---\nsteps: 2\n", 2...3), ("steps: *none\n", 1...1),
  ])
  func brokenYAMLIsRefusedWithItsLine(yaml: String, lines: ClosedRange<Int>) throws {
    let error = refusal(yaml)
    #expect(error?.reason.hasPrefix("not YAML: ") == true, "\(error as Any)")
    let line = error?.source.split(separator: ":").last.flatMap { Int($0) }
    #expect(line.map { lines.contains($0) } == true, "\(error as Any)")
    #expect(error?.description.contains("\n") == false)
  }

  @Test(arguments: [
    ("steps: 5\n\tbatch: 4\n", 2), ("multipliers:\n\t- 4\n", 2), ("\tsteps: 4\n", 1),
    ("steps: 4\r\n \tbatch: 4\r\n", 2),
  ])
  func aTabIsNamed(yaml: String, line: Int) {
    let error = refusal(yaml)
    #expect(error?.source == "test.yaml:\(line)")
    #expect(error?.reason == "not YAML: the line begins with a tab; YAML wants spaces.")
  }

  @Test(arguments: [
    ("steps: [5]", 1), ("steps: {a: 5}", 1), ("batch: 4\nmultipliers: {a: 1}", 2),
    ("[a]: 5", 1), ("batch: 4\n<<: {steps: 5}", 2),
  ])
  func anotherShapeThanTheSettingsIsRefused(yaml: String, line: Int) {
    #expect(refusal(yaml)?.source == "test.yaml:\(line)")
  }

  @Test(arguments: ["steps", "", "steps:5"])
  func anAssignmentNeedsItsSign(assignment: String) {
    var configuration = Configuration()
    let error = #expect(throws: ConfigurationError.self) {
      try configuration.apply(assignment: assignment)
    }
    #expect(error?.description == "--set \(assignment): needs the form key=value.")
  }

  /// Paths reach the configuration as they are.
  @Test(arguments: ["a #b.h5", "a: b.h5", "[a].h5", "[a", "- a", "a=b.h5", "*a", "'a'"])
  func anAssignedTextIsTakenLiterally(path: String) throws {
    var configuration = Configuration()
    try configuration.apply(assignment: "data=\(path)")
    #expect(configuration.data.path == path)
  }
}
