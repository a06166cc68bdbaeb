// A column of a table, and the texts in its fields.

/// Which column of a CSV file is meant.
public enum CSVColumn: Equatable, Sendable {
  /// By its number, counted from 1.
  case number(Int)
  /// By its name in the first line.
  case name(String)

  /// The column of a word on a command line: a number where it is one of 1 and above, else a name.
  public init(_ word: String) {
    if let number = Int(word), number > 0 { self = .number(number) } else { self = .name(word) }
  }
}

/// The fields of a line of text between commas; those that begin with a quotation mark end at the next
/// one, and hold doubled ones as one (RFC 4180, but for fields over several lines).
struct CSVFields {
  private let bytes: ArraySlice<UInt8>
  /// Where the next field begins.
  private(set) var place: Int

  /// The fields of a line from a place on.
  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    place = bytes.startIndex
  }

  /// The text of the next field, without blanks around it or quotation marks.
  ///
  /// - Returns: nil where a quoted field does not end, or something follows it. `place` is behind the
  ///   comma then, or at the end of the line.
  mutating func next() -> [UInt8]? {
    var p = place
    while p < bytes.endIndex, isBlank(bytes[p]) { p += 1 }
    guard p < bytes.endIndex, bytes[p] == quote else {
      let end = bytes[p...].firstIndex(of: comma) ?? bytes.endIndex
      var text = bytes[p..<end]
      while let last = text.last, isBlank(last) { text.removeLast() }
      place = min(end + 1, bytes.endIndex)
      return Array(text)
    }
    var text: [UInt8] = []
    p += 1
    while p < bytes.endIndex {
      if bytes[p] == quote {
        guard p + 1 < bytes.endIndex, bytes[p + 1] == quote else { break }
        p += 1
      }
      text.append(bytes[p])
      p += 1
    }
    guard p < bytes.endIndex else { return nil }
    p += 1
    while p < bytes.endIndex, isBlank(bytes[p]) { p += 1 }
    guard p == bytes.endIndex || bytes[p] == comma else { return nil }
    place = min(p + 1, bytes.endIndex)
    return text
  }

  /// The texts of all fields; nil where one does not end.
  static func all(of bytes: ArraySlice<UInt8>) -> [[UInt8]]? {
    var fields = CSVFields(bytes)
    var texts: [[UInt8]] = []
    while fields.place < bytes.endIndex {
      guard let text = fields.next() else { return nil }
      texts.append(text)
    }
    return texts
  }
}

let comma = UInt8(ascii: ",")
private let quote = UInt8(ascii: "\"")

/// Space, tab, or the carriage return of a CRLF.
func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || byte == 13 }
