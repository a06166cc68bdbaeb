// metrics.csv, the numbers of metrics.jsonl for whoever reads tables.

import Foundation
import Storage
import Training

/// A table with a line a step and a column for each number, named by its path; what a step does not have
/// stays empty.
///
/// A column is never added in the middle of a file: where a line has a new number, the table is written
/// anew from the log.
package struct MetricsTable {
  /// The numbers that every line has, in the order in which people look for them.
  private static let first = ["images", "seconds", "loss", "validation", "gradient_norm"]

  private let path: String
  private let log: String
  private var columns: [String] = []
  private var handle: FileHandle?

  /// A table that is to be written.
  ///
  /// - Parameters:
  ///   - path: Its file.
  ///   - log: The log that it is made from.
  package init(path: String, log: String) { (self.path, self.log) = (path, log) }

  /// Takes in lines that the log has by now.
  ///
  /// - Throws: `StorageError`; the next call then writes the table anew.
  package mutating func append(_ lines: [MetricsLine]) throws {
    guard let last = lines.last?.step else { return }
    let known = Set(columns)
    guard let handle, !lines.contains(where: { $0.numbers.contains { !known.contains($0.path) } })
    else { return try write(upTo: last) }
    do {
      try handle.write(contentsOf: Data(text(lines).utf8))
    } catch {
      self.handle = nil
      throw StorageError.inputOutput(
        path: path, reason: "cannot be written: \(systemCause(of: error))")
    }
  }

  /// Writes the whole table; the log may have grown beyond the step that was taken in last.
  private mutating func write(upTo last: Int) throws {
    handle = nil
    var names = Set<String>()
    try MetricsReader.read(log, upTo: last) { lines in
      for line in lines { for number in line.numbers { names.insert(number.path) } }
    }
    let rest = names.subtracting(Self.first).sorted {
      $0.compare($1, options: .numeric) == .orderedAscending
    }
    columns = Self.first.filter(names.contains) + rest
    var bytes =
      Array((["step"] + columns.map(Self.quoted)).joined(separator: ",").utf8) + Array("\n".utf8)
    try MetricsReader.read(log, upTo: last) { bytes += Array(text($0).utf8) }
    try AtomicFile.write(bytes, to: path)
    handle = FileHandle(forWritingAtPath: path)
    _ = try? handle?.seekToEnd()
  }

  private func text(_ lines: [MetricsLine]) -> String {
    var text = ""
    for line in lines {
      let values = Dictionary(line.numbers.map { ($0.path, $0.value) }) { $1 }
      text += "\(line.step)"
      for column in columns { text += "," + (values[column].map { Self.text($0) } ?? "") }
      text += "\n"
    }
    return text
  }

  /// A name as a table has it (RFC 4180).
  private static func quoted(_ name: String) -> String {
    let isPlain = !name.utf8.contains {
      [UInt8(ascii: ","), UInt8(ascii: "\""), 10, 13].contains($0)
    }
    return isPlain ? name : "\"" + name.replacing("\"", with: "\"\"") + "\""
  }

  /// The shortest digits that are the same number again; whole numbers without a point.
  private static func text(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
  }
}
