// Comma-separated numbers, as far as imports need them, one line at a time.

/// A strict reader of whole numbers between commas, one image on a line.
///
/// Spaces and tabs around numbers, CRLF, empty lines and a byte-order mark are accepted; anything
/// else than digits is refused with its line and field, both counted from 1. No more than a line is
/// kept in memory, and a line has at most `longestLine` bytes.
struct CSVReader: ~Copyable {
  /// The most bytes of a line: three times 1024 × 1024 pixels with two digits fit into it.
  static let longestLine = 1 << 23

  /// Pixels of the first line, and so of every line.
  private(set) var pixelsPerLine = 0
  /// Lines with numbers that were read.
  private(set) var lineCount = 0

  private let path: String
  private let label: CSVLabelColumn
  private let largestAllowed: Int32
  private var file: InputFile
  private var isAtEnd = false
  /// What was read of the file: a part of the line in hand, or more.
  private var bytes: [UInt8] = []
  /// Where the line in hand begins in `bytes`.
  private var start = 0
  /// The number of the line in hand.
  private var line = 0
  /// The numbers of the line in hand; each has at most nine digits.
  private var row: [Int32] = []

  /// Opens a file; `levels` bounds the pixels, 256 where nil.
  init(path: String, label: CSVLabelColumn, levels: Int?) throws(StorageError) {
    self.path = path
    self.label = label
    largestAllowed = Int32((levels ?? 256) - 1)
    file = try InputFile(path: path)
  }

  /// Adds the pixels and the label of the next line that has numbers.
  ///
  /// - Returns: false at the end of the file.
  mutating func next(
    _ pixels: inout [UInt8], _ labels: inout [Int]
  ) throws(StorageError) -> Bool {
    while let range = try nextLine() {
      if line == 1, isHeader(bytes[range]) { continue }
      try parse(range)
      if row.isEmpty { continue }
      try add(&pixels, &labels)
      return true
    }
    guard lineCount > 0 else {
      throw .badData(path: path, reason: "holds no line of numbers")
    }
    return false
  }

  /// Where the next line is in `bytes`, without its end; nil at the end of the file.
  private mutating func nextLine() throws(StorageError) -> Range<Int>? {
    line += 1
    var searched = start
    while true {
      if let end = bytes[searched...].firstIndex(of: newline) {
        defer { start = end + 1 }
        return try checked(start..<end)
      }
      if isAtEnd {
        defer { start = bytes.count }
        return start < bytes.count ? try checked(start..<bytes.count) : nil
      }
      searched = bytes.count - start
      bytes.removeFirst(start)
      start = 0
      _ = try checked(0..<bytes.count)
      // So much that the bytes of a long line are not moved often.
      let wanted = max(1 << 16, bytes.count)
      let more = try file.read(upTo: wanted)
      isAtEnd = more.count < wanted
      if line == 1, bytes.isEmpty, more.starts(with: [0xEF, 0xBB, 0xBF]) { start = 3 }
      bytes += more
    }
  }

  private func checked(_ range: Range<Int>) throws(StorageError) -> Range<Int> {
    guard range.count <= Self.longestLine else {
      throw .badData(
        path: path,
        reason: "line \(line) is longer than \(Self.longestLine >> 20) MiB, the most that is read")
    }
    return range
  }

  /// Reads a line's numbers into `row`.
  private mutating func parse(_ range: Range<Int>) throws(StorageError) {
    row.removeAll(keepingCapacity: true)
    let end = range.upperBound
    var p = range.lowerBound
    while true {
      while p < end, isBlank(bytes[p]) { p += 1 }
      let start = p
      var value: Int32 = 0
      while p < end, bytes[p] &- 48 < 10 {
        value = value &* 10 &+ Int32(bytes[p] &- 48)
        p += 1
      }
      let digits = p - start
      while p < end, isBlank(bytes[p]) { p += 1 }
      if digits == 0, p == end, row.isEmpty { return }  // An empty line.
      guard digits > 0, digits <= 9, p == end || bytes[p] == comma else {
        throw notANumber(bytes[start..<end])
      }
      row.append(value)
      if p == end { return }
      p += 1
    }
  }

  private mutating func add(
    _ pixels: inout [UInt8], _ labels: inout [Int]
  ) throws(StorageError) {
    let fields =
      switch label {
      case .none: row.startIndex..<row.endIndex
      case .first: 1..<row.endIndex
      case .last: 0..<row.endIndex - 1
      }
    if lineCount == 0 {
      guard !fields.isEmpty else {
        throw .badData(path: path, reason: "line \(line) has a label and no pixels")
      }
      pixelsPerLine = fields.count
    }
    guard fields.count == pixelsPerLine else {
      throw .badData(
        path: path,
        reason: "line \(line) has \(row.count) numbers where the lines before have "
          + "\(pixelsPerLine + row.count - fields.count)")
    }
    if let field = fields.first(where: { row[$0] > largestAllowed }) {
      throw .badData(
        path: path,
        reason: "line \(line), field \(field + 1): \(row[field]) is beyond the largest level, "
          + "\(largestAllowed)")
    }
    pixels.append(contentsOf: row[fields].lazy.map { UInt8(truncatingIfNeeded: $0) })
    switch label {
    case .none: break
    case .first: labels.append(Int(row[0]))
    case .last: labels.append(Int(row[row.count - 1]))
    }
    lineCount += 1
  }

  /// A first line in which no field is a number; one with a few bad fields is an error instead.
  private func isHeader(_ line: ArraySlice<UInt8>) -> Bool {
    var hasText = false
    var (digits, others) = (0, 0)
    for byte in line + [comma] {
      if byte == comma {
        if digits > 0, others == 0 { return false }
        hasText = hasText || digits + others > 0
        (digits, others) = (0, 0)
      } else if byte &- 48 < 10 {
        digits += 1
      } else if !isBlank(byte) {
        others += 1
      }
    }
    return hasText
  }

  private func notANumber(_ rest: ArraySlice<UInt8>) -> StorageError {
    let text = String(decoding: rest.prefix { $0 != comma }.prefix(20), as: UTF8.self)
      .filter { !$0.isWhitespace }
    return .badData(
      path: path,
      reason: "line \(line), field \(row.count + 1): "
        + (text.isEmpty ? "there is no number" : "\"\(text)\" is not a whole number from 0 up"))
  }
}

private let comma = UInt8(ascii: ",")
private let newline = UInt8(ascii: "\n")

/// Space, tab, or the carriage return of a CRLF.
private func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || byte == 13 }
