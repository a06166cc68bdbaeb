// A plain line of metrics.jsonl, read quickly: a long log has hundreds of thousands.

import Foundation

extension MetricsLine {
  /// Reads a line that is plain JSON, as the log has it: one object without white space, with each key once,
  /// whose texts need no escapes; nil for any other, of which the library's decoder knows more, in several
  /// times the time.
  package init?(plain bytes: Data) {
    let line = bytes.withUnsafeBytes { buffer in
      var scanner = MetricsScanner(bytes: buffer)
      return scanner.line()
    }
    guard let line else { return nil }
    self = line
  }
}

/// What is left of a line.
private struct MetricsScanner {
  let bytes: UnsafeRawBufferPointer
  private var place = 0
  private var numbers: [MetricsLine.Number] = []

  init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// The whole line.
  mutating func line() -> MetricsLine? {
    var (step, slowest, ranks) = (Int?.none, String?.none, [Double]())
    let isPlain = object { scanner, key in
      switch key {
      case "step":
        step = scanner.wholeNumber()
        return step != nil
      case "slowest":
        var (rank, host) = (0, "")
        let isPlain = scanner.object { scanner, part in
          if part == "host" {
            guard let text = scanner.text() else { return false }
            host = text
            return true
          }
          guard let value = scanner.add("slowest/\(part)") else { return false }
          if part == "rank" { rank = Int(exactly: value) ?? 0 }
          return true
        }
        slowest = "rank \(rank) on \(host)"
        return isPlain
      case "rank_seconds":
        guard let values = scanner.list(key) else { return false }
        ranks = values
        return true
      case "sums": return scanner.object { $0.list("sums/\($1)") != nil }
      case "skipped":
        guard let value = scanner.truth() else { return false }
        scanner.numbers.append(MetricsLine.Number(path: key, value: value ? 1 : 0))
        return true
      case let key where key.hasSuffix("terms") || key == "gradient_norms":
        return scanner.object { $0.add("\(key)/\($1)") != nil }
      default: return scanner.add(key) != nil
      }
    }
    guard isPlain, place == bytes.count, let step, MetricsLine.steps.contains(step) else {
      return nil
    }
    return MetricsLine(step: step, numbers: numbers, slowest: slowest, rankSeconds: ranks)
  }

  // MARK: Values

  /// An object; `value` reads what belongs to a key, and says whether it could.
  private mutating func object(_ value: (inout Self, String) -> Bool) -> Bool {
    guard take("{") else { return false }
    if take("}") { return true }
    var (keys, largest) = ([String](), "")
    repeat {
      // In a sorted object nothing has to be looked for.
      guard let key = text(), key > largest || !keys.contains(key), take(":"), value(&self, key)
      else { return false }
      keys.append(key)
      largest = max(largest, key)
    } while take(",")
    return take("}")
  }

  /// The numbers of a list, each kept with its place behind a path.
  private mutating func list(_ path: String) -> [Double]? {
    guard take("[") else { return nil }
    var values: [Double] = []
    if take("]") { return values }
    repeat {
      guard let value = add("\(path)/\(values.count)") else { return nil }
      values.append(value)
    } while take(",")
    return take("]") ? values : nil
  }

  /// A number that is kept.
  private mutating func add(_ path: String) -> Double? {
    guard let value = number() else { return nil }
    numbers.append(MetricsLine.Number(path: path, value: value))
    return value
  }

  private mutating func text() -> String? {
    guard take("\"") else { return nil }
    let start = place
    while place < bytes.count, bytes[place] != UInt8(ascii: "\"") {
      guard 0x20...0x7e ~= bytes[place], bytes[place] != UInt8(ascii: "\\") else { return nil }
      place += 1
    }
    let text = String(decoding: bytes[start..<place], as: UTF8.self)
    return take("\"") ? text : nil
  }

  private mutating func truth() -> Bool? {
    for (word, value) in [("true", true), ("false", false)]
    where bytes[place...].starts(with: word.utf8) {
      place += word.utf8.count
      return value
    }
    return nil
  }

  private mutating func wholeNumber() -> Int? {
    let start = place
    guard 1...16 ~= digits(), bytes[start] != UInt8(ascii: "0") else { return nil }
    return Int(String(decoding: bytes[start..<place], as: UTF8.self))
  }

  /// A number as JSON writes it, of usual size.
  private mutating func number() -> Double? {
    let start = place
    _ = take("-")
    let first = place
    let whole = digits()
    guard whole == 1 || whole > 1 && bytes[first] != UInt8(ascii: "0") else { return nil }
    if take("."), digits() == 0 { return nil }
    if take("e") || take("E") {
      if !take("+") { _ = take("-") }
      if digits() == 0 { return nil }
    }
    guard let value = Double(String(decoding: bytes[start..<place], as: UTF8.self)) else {
      return nil
    }
    // Where it is too large or too small for its digits, the decoder knows what to say.
    guard value == 0 ? place - start < 5 : 1e-300...1e300 ~= abs(value) else { return nil }
    return value
  }

  // MARK: Bytes

  /// How many digits follow; they are passed.
  private mutating func digits() -> Int {
    let start = place
    while place < bytes.count, bytes[place] &- 48 < 10 { place += 1 }
    return place - start
  }

  /// Passes a character, if it is the next.
  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard place < bytes.count, bytes[place] == UInt8(ascii: character) else { return false }
    place += 1
    return true
  }
}
