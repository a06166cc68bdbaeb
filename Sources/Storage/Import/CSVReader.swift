// Comma-separated numbers, as far as imports need them, one line at a time.

import Foundation

/// A strict reader of whole numbers between commas, one image on a line, and perhaps a caption.
///
/// Spaces and tabs around numbers, CRLF, empty lines and a byte-order mark are accepted; anything
/// else than digits is refused with its line and field, both counted from 1. No more than a line is
/// kept in memory, and a line has at most `longestLine` bytes.
struct CSVReader: ~Copyable {
  /// The most bytes of a line: three times 1024 × 1024 pixels with two digits fit into it.
  static let longestLine = 1 << 23

  /// Pixels of the first line, and so of every line.
  private(set) var pixelsPerLine = 0
  /// The largest pixel so far.
  private(set) var largest = 0
  /// Lines with numbers that were read.
  private(set) var lineCount = 0

  private let path: String
  private let label: CSVLabelColumn
  private let largestAllowed: Int32
  private var lines: InputLines
  /// The column of the captions, counted from 0, once it is known; nil where there is none.
  private var captionField: Int?
  private let captionName: String?
  /// The bytes of the caption of the line in hand.
  private var caption: [UInt8] = []
  /// The captions of all lines so far; nil where there are none.
  private(set) var captions: ImageCaptions?
  /// The numbers of the line in hand; each has at most nine digits.
  private var row: [Int32] = []

  /// Opens a file; `levels` bounds the pixels, 65,536 where nil.
  init(
    path: String, label: CSVLabelColumn, levels: Int?, caption: CSVColumn? = nil
  ) throws(StorageError) {
    self.path = path
    self.label = label
    largestAllowed = Int32((levels ?? 1 << 16) - 1)
    lines = try InputLines(path: path, longest: Self.longestLine)
    captions = caption.map { _ in ImageCaptions(perImage: 1) }
    switch caption {
    case .number(let number): (captionField, captionName) = (number - 1, nil)
    case .name(let name): (captionField, captionName) = (nil, name)
    case nil: (captionField, captionName) = (nil, nil)
    }
  }

  /// Adds the pixels and the label of the next line that has numbers, and its caption: bytes of up to 256 levels,
  /// else 16 bits each.
  ///
  /// - Returns: false at the end of the file.
  mutating func next(
    _ pixels: inout [UInt8], _ labels: inout [Int]
  ) throws(StorageError) -> Bool {
    while let range = try lines.next() {
      if lines.number == 1 {
        if let captionName {
          captionField = try field(named: captionName, in: lines.bytes[range])
          continue
        }
        if isHeader(lines.bytes[range]) { continue }
      }
      if lines.bytes[range].allSatisfy(isBlank) { continue }
      try parse(range)
      try add(&pixels, &labels)
      return true
    }
    guard lineCount > 0 else {
      throw .badData(path: path, reason: "holds no line of numbers")
    }
    return false
  }

  /// The field of a header that has a name.
  private func field(
    named name: String, in header: ArraySlice<UInt8>
  ) throws(StorageError) -> Int {
    let names = CSVFields.all(of: header) ?? []
    if let field = names.firstIndex(of: Array(name.utf8)) { return field }
    let last = names.suffix(3).map { String(decoding: $0.prefix(40), as: UTF8.self) }
    throw .badData(
      path: path,
      reason: "line 1 names no column \(name); "
        + (names.isEmpty
          ? "it is empty or no line of names"
          : "of its \(names.count) names the last are \(last.joined(separator: ", "))"))
  }

  /// Reads a line's numbers into `row`, and its caption.
  private mutating func parse(_ range: Range<Int>) throws(StorageError) {
    row.removeAll(keepingCapacity: true)
    let end = range.upperBound
    var p = range.lowerBound
    var hasCaption = false
    while true {
      if row.count == captionField, !hasCaption {
        var fields = CSVFields(lines.bytes[p..<end])
        guard let text = fields.next() else {
          throw .badData(
            path: path,
            reason: "line \(lines.number), field \(row.count + 1): a quotation mark is missing, or "
              + "something stands behind it")
        }
        (caption, hasCaption, p) = (text, true, fields.place)
        // A comma at the end of a line is followed by an empty field.
        if p == end, lines.bytes[p - 1] != comma || text.isEmpty { break }
        continue
      }
      while p < end, isBlank(lines.bytes[p]) { p += 1 }
      let start = p
      var value: Int32 = 0
      while p < end, lines.bytes[p] &- 48 < 10 {
        value = value &* 10 &+ Int32(lines.bytes[p] &- 48)
        p += 1
      }
      let digits = p - start
      while p < end, isBlank(lines.bytes[p]) { p += 1 }
      guard digits > 0, digits <= 9, p == end || lines.bytes[p] == comma else {
        throw notANumber(lines.bytes[start..<end], field: row.count + (hasCaption ? 2 : 1))
      }
      row.append(value)
      if p == end { break }
      p += 1
    }
    if let captionField {
      guard hasCaption else {
        throw .badData(
          path: path,
          reason: "line \(lines.number) has \(row.count) fields; its caption would be field "
            + "\(captionField + 1)")
      }
      let text = caption
      if let fault = text.withUnsafeBufferPointer({ captions!.add($0) }) {
        throw .badData(
          path: path,
          reason: "line \(lines.number), field \(captionField + 1): the caption \(fault)")
      }
    }
  }

  private mutating func add(
    _ pixels: inout [UInt8], _ labels: inout [Int]
  ) throws(StorageError) {
    let fields =
      switch label {
      case .none: row.startIndex..<row.endIndex
      case .first: min(1, row.count)..<row.endIndex
      case .last: 0..<max(0, row.endIndex - 1)
      }
    if lineCount == 0 {
      guard !row.isEmpty, !fields.isEmpty else {
        throw .badData(
          path: path,
          reason: "line \(lines.number) has " + (row.isEmpty ? "" : "a label and ") + "no pixels")
      }
      pixelsPerLine = fields.count
    }
    guard fields.count == pixelsPerLine else {
      throw .badData(
        path: path,
        reason: "line \(lines.number) has \(row.count) numbers where the lines before have "
          + "\(pixelsPerLine + row.count - fields.count)")
    }
    if let field = fields.first(where: { row[$0] > largestAllowed }) {
      let number = field + (captionField ?? .max <= field ? 2 : 1)
      throw .badData(
        path: path,
        reason: "line \(lines.number), field \(number): \(row[field]) is beyond the largest level, "
          + "\(largestAllowed)")
    }
    largest = max(largest, Int(row[fields].max() ?? 0))
    if largestAllowed < 256 {
      pixels.append(contentsOf: row[fields].lazy.map { UInt8(truncatingIfNeeded: $0) })
    } else {
      for value in row[fields] {
        withUnsafeBytes(of: UInt16(value).littleEndian) { pixels.append(contentsOf: $0) }
      }
    }
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

  private func notANumber(_ rest: ArraySlice<UInt8>, field: Int) -> StorageError {
    // What stands within the field, "1 2" for example, is seen as it is.
    let text = String(decoding: rest.prefix { $0 != comma }.prefix(20), as: UTF8.self)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    return .badData(
      path: path,
      reason: "line \(lines.number), field \(field): "
        + (text.isEmpty ? "there is no number" : "\"\(text)\" is not a whole number from 0 up"))
  }
}
