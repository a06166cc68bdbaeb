// Comma-separated numbers, as far as imports need them.

/// A strict reader of whole numbers between commas, one image on a line.
///
/// Spaces and tabs around numbers, CRLF, empty lines and a byte-order mark are accepted; anything
/// else than digits is refused with its line and field, both counted from 1.
struct CSVTable {
  /// All pixels, line after line.
  private(set) var pixels: [UInt8] = []
  /// One label a line, empty where there are none.
  private(set) var labels: [Int] = []
  /// The largest pixel.
  var largestPixel: UInt8 { pixels.max() ?? 0 }
  /// Pixels of the first line, and so of every line.
  private(set) var pixelsPerLine = 0
  /// Lines with numbers.
  private(set) var lineCount = 0

  private let path: String
  private let label: CSVLabelColumn
  private let largestAllowed: Int
  private let bytes: [UInt8]

  /// A table that is still to be parsed; `levels` bounds the pixels, 256 where nil.
  init(bytes: [UInt8], path: String, label: CSVLabelColumn, levels: Int?) {
    self.bytes = bytes
    self.path = path
    self.label = label
    largestAllowed = (levels ?? 256) - 1
  }

  /// Reads all lines.
  mutating func parse() throws(StorageError) {
    var position = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    var line = 1
    var row: [Int] = []
    if firstLineIsHeader(from: position) {
      position = endOfLine(from: position) + 1
      line += 1
    }
    while position < bytes.count {
      try bytes.withUnsafeBufferPointer { bytes throws(StorageError) in
        try parseLine(bytes, &position, line, into: &row)
      }
      if !row.isEmpty { try add(row, line) }
      line += 1
    }
    guard lineCount > 0 else {
      throw .badData(path: path, reason: "holds no line of numbers")
    }
  }

  /// Reads one line's numbers into `row` and leaves `position` behind the line's end.
  private func parseLine(
    _ bytes: UnsafeBufferPointer<UInt8>, _ position: inout Int, _ line: Int, into row: inout [Int]
  ) throws(StorageError) {
    row.removeAll(keepingCapacity: true)
    var p = position
    while true {
      while p < bytes.count, isBlank(bytes[p]) { p += 1 }
      let start = p
      var value = 0
      while p < bytes.count, bytes[p] &- 48 < 10 {
        value = value &* 10 &+ Int(bytes[p] &- 48)
        p += 1
      }
      let digits = p - start
      while p < bytes.count, isBlank(bytes[p]) { p += 1 }
      let end = p >= bytes.count || bytes[p] == newline
      if digits == 0, end, row.isEmpty { break }  // An empty line.
      guard digits > 0, digits <= 9, end || bytes[p] == comma else {
        throw notANumber(from: start, line: line, field: row.count + 1)
      }
      row.append(value)
      if end { break }
      p += 1
    }
    position = p + 1
  }

  private mutating func add(_ row: [Int], _ line: Int) throws(StorageError) {
    let pixelFields =
      switch label {
      case .none: row.startIndex..<row.endIndex
      case .first: 1..<row.endIndex
      case .last: 0..<row.endIndex - 1
      }
    if lineCount == 0 {
      guard !pixelFields.isEmpty else {
        throw .badData(path: path, reason: "line \(line) has a label and no pixels")
      }
      pixelsPerLine = pixelFields.count
      pixels.reserveCapacity(bytes.count / 3)
    }
    guard pixelFields.count == pixelsPerLine else {
      throw .badData(
        path: path,
        reason: "line \(line) has \(row.count) numbers where the lines before have "
          + "\(pixelsPerLine + row.count - pixelFields.count)")
    }
    if let field = pixelFields.first(where: { row[$0] > largestAllowed }) {
      throw .badData(
        path: path,
        reason: "line \(line), field \(field + 1): \(row[field]) is beyond the largest level, "
          + "\(largestAllowed)")
    }
    pixels.append(contentsOf: row[pixelFields].lazy.map { UInt8(truncatingIfNeeded: $0) })
    switch label {
    case .none: break
    case .first: labels.append(row[0])
    case .last: labels.append(row[row.count - 1])
    }
    lineCount += 1
  }

  /// A first line in which no field is a number; one with a few bad fields is an error instead.
  private func firstLineIsHeader(from start: Int) -> Bool {
    let fields = bytes[start..<endOfLine(from: start)].split(separator: comma)
    let isNumber = { (field: ArraySlice<UInt8>) in
      field.contains { $0 &- 48 < 10 } && field.allSatisfy { isBlank($0) || $0 &- 48 < 10 }
    }
    return fields.contains { !$0.allSatisfy(isBlank) } && !fields.contains(where: isNumber)
  }

  private func endOfLine(from start: Int) -> Int {
    bytes[start...].firstIndex(of: newline) ?? bytes.count
  }

  private func notANumber(from start: Int, line: Int, field: Int) -> StorageError {
    let rest = bytes[start..<endOfLine(from: start)].prefix { $0 != comma }
    let text = String(decoding: rest.prefix(20), as: UTF8.self).filter { !$0.isWhitespace }
    return .badData(
      path: path,
      reason: "line \(line), field \(field): "
        + (text.isEmpty ? "there is no number" : "\"\(text)\" is not a whole number from 0 up"))
  }
}

private let comma = UInt8(ascii: ",")
private let newline = UInt8(ascii: "\n")

/// Space, tab, or the carriage return of a CRLF.
private func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || byte == 13 }
