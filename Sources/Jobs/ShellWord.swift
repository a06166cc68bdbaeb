// Values as words of bash, which mean the value and nothing else.

/// How values become words of a script.
public enum ShellWord {
  /// A value as one word of bash.
  ///
  /// Plain words stay as they are; the others stand between single quotes, in which nothing has a meaning;
  /// those with control characters between `$'` and `'`, where these are written as numbers, so that no
  /// value ever begins a new line.
  public static func quoted(_ value: String) -> String {
    let scalars = value.unicodeScalars
    if scalars.contains(where: { $0.value < 32 || (127..<160).contains($0.value) }) {
      return "$'" + scalars.map(escaped).joined() + "'"
    }
    let isPlain = scalars.allSatisfy { scalar in
      scalar.isASCII
        && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
          || "_-./:=,+@%^".unicodeScalars.contains(scalar))
    }
    if isPlain, !value.isEmpty { return value }
    return "'" + value.replacing("'", with: #"'\''"#) + "'"
  }

  private static func escaped(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "'", "\\": "\\\(scalar)"
    case "\n": "\\n"
    case "\t": "\\t"
    case _ where scalar.value < 32 || (127..<160).contains(scalar.value):
      // Byte by byte, in three octal digits, after which a digit is a digit again.
      String(scalar).utf8.map { byte in
        let digits = String(byte, radix: 8)
        return "\\" + String(repeating: "0", count: 3 - digits.count) + digits
      }.joined()
    default: String(scalar)
    }
  }

  /// Words in lines, as many in each as fit.
  ///
  /// - Parameters:
  ///   - words: Words of bash.
  ///   - first: What stands before the first of them.
  ///   - indent: What stands before those of the other lines.
  ///   - end: What ends every line but the last, as a backslash.
  public static func lines(
    _ words: [String], after first: String, indent: String, end: String = "", width: Int = 100
  ) -> [String] {
    var lines: [String] = []
    var line = first
    var isEmpty = true
    for word in words {
      let isLong = line.count + 1 + word.count + end.count > width
      if isLong, !isEmpty {
        lines.append(line + end)
        (line, isEmpty) = (indent, true)
      }
      line += (isEmpty ? "" : " ") + word
      isEmpty = false
    }
    return lines + [line]
  }

  /// Words of which an option and its value are one.
  static func pairs(_ words: [String]) -> [String] {
    var pairs: [String] = []
    for word in words {
      if let last = pairs.last, last.hasPrefix("--"), last != "--", !last.contains(" "),
        !word.hasPrefix("-")
      {
        pairs[pairs.count - 1] = "\(last) \(word)"
      } else {
        pairs.append(word)
      }
    }
    return pairs
  }

  /// The lines that make an array of bash.
  ///
  /// - Parameters:
  ///   - name: The name of the variable.
  ///   - words: Its elements as words of bash; a string may hold several.
  public static func array(_ name: String, _ words: [String]) -> [String] {
    var lines = lines(words, after: "\(name)=(", indent: "  ", width: 99)
    lines[lines.count - 1] += ")"
    return lines
  }
}
