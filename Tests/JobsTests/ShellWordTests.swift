// Quoted words are what bash reads back, byte for byte.

import Foundation
import Jobs
import TestSupport
import Testing

@Suite struct ShellWordTests {
  /// What bash makes of words.
  private func read(_ words: [String]) throws -> [String] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-c", "printf '%s\\0' \(words.joined(separator: " "))"]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self).split(
      separator: "\0", omittingEmptySubsequences: false
    ).dropLast().map(String.init)
  }

  @Test func bashReadsEveryWordBack() throws {
    var words = [
      "", "plain", "a b", "it's", "\"", "$HOME", "$(id)", "`id`", "a\\", "#a", "~", "*", "{1,2}",
      "a\nb",
      "\t", "\u{1B}[31m", "\u{7F}7", "\u{85}0", "é漢", "!", "a;b", "a&", "<", "-x", "[a]", "a=b",
      "'\n\\'",
    ]
    words += (1..<128).map { "x\(Unicode.Scalar($0)!)7" }
    let quoted = words.map(ShellWord.quoted)
    #expect(try read(quoted) == words)
    // No word brings a line of its own, so that none ends a remark.
    #expect(!quoted.contains { $0.contains(where: \.isNewline) })
    #expect(ShellWord.quoted("runs/a-1_b.h5") == "runs/a-1_b.h5")
  }

  @Test func linesHoldWhatFits() throws {
    let words = (0..<30).map { "word\($0)" }
    let lines = ShellWord.lines(words, after: "first ", indent: "  ", end: " \\", width: 40)
    #expect(lines.allSatisfy { $0.count <= 40 } && lines.count > 5)
    #expect(lines.dropLast().allSatisfy { $0.hasSuffix(" \\") })
    let read = lines.joined(separator: "\n").replacing(" \\\n", with: " ")
      .split(separator: " ").map(String.init)
    #expect(read == ["first"] + words)
    #expect(ShellWord.array("a", ["1", "2"]) == ["a=(1 2)"])
    // A word that is longer than a line has one for itself.
    let long = String(repeating: "x", count: 60)
    #expect(
      ShellWord.lines(["a", long, "b"], after: "", indent: "", width: 40) == ["a", long, "b"])
  }
}
