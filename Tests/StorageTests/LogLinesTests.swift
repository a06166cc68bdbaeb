// Long logs are read in pieces, and come out line by line.

import Foundation
import Storage
import TestSupport
import Testing

@Suite struct LogLinesTests {
  private let folder = try! TemporaryFolder()

  /// The lines that are read, each with where it is.
  private func read(_ path: String, upTo most: Int = .max) throws -> [(text: String, place: Int)] {
    var lines: [(text: String, place: Int)] = []
    let isThere = try LogLines.read(path) { part, start in
      let texts = part.decoded { String(data: $0, encoding: .utf8) }
      for (text, range) in zip(texts, part.ranges) {
        lines.append((text ?? "not UTF-8", start + range.lowerBound))
      }
      return lines.count < most
    }
    #expect(isThere == FileManager.default.fileExists(atPath: path))
    return lines
  }

  /// Lines of many lengths, in more than one piece of 4 MiB and more than 256 at once.
  @Test func eachLineIsThereOnce() throws {
    let texts = (0..<9000).map { "\($0) " + String(repeating: "x", count: ($0 * 7919) % 2003) }
    let whole = Array(texts.joined(separator: "\n").utf8)
    try folder.write(whole, to: "log")
    let lines = try read(folder.file("log"))
    #expect(lines.map(\.text) == texts)
    for line in lines.shuffled().prefix(50) {
      #expect(
        String(decoding: whole[line.place...].prefix(line.text.utf8.count), as: UTF8.self)
          == line.text)
    }
    #expect(try read(folder.file("log"), upTo: 1).count < 9000)
  }

  @Test func emptyLinesAreNone() throws {
    try folder.write(Array("\n\na\n\nb".utf8) + [10, 255, 10], to: "log")
    let lines = try read(folder.file("log"))
    #expect(lines.map(\.text) == ["a", "b", "not UTF-8"] && lines.map(\.place) == [2, 5, 7])
    try folder.write([], to: "empty")
    #expect(try read(folder.file("empty")).isEmpty)
    #expect(try read(folder.file("nothing")).isEmpty)
  }
}
