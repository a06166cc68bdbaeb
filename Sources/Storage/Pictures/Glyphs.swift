// Letters for words under pictures: a part of GNU Unifont (Resources/glyphs-license.txt).

/// The picture of a character: 16 rows of 8 or 16 pixels.
package struct Glyph: Equatable, Sendable {
  /// The pixels of a row.
  let width: Int
  /// The rows from the top; of each the leftmost pixel is the highest of its `width` bits.
  let rows: [UInt16]

  /// The rows of each glyph.
  static let height = 16

  /// Whether a pixel is ink.
  func isInk(_ y: Int, _ x: Int) -> Bool { rows[y] >> UInt16(width - 1 - x) & 1 == 1 }

  /// The glyph of a character: a box where there is none, as wide as the character would be.
  static func of(_ scalar: Unicode.Scalar) -> Glyph {
    known[scalar.value] ?? box(scalar.isWide ? 16 : 8)
  }

  /// Whether there is a glyph of a character.
  package static func isKnown(_ scalar: Unicode.Scalar) -> Bool { known[scalar.value] != nil }

  /// An empty frame.
  private static func box(_ width: Int) -> Glyph {
    let line = ((UInt16(1) << UInt16(width - 2)) - 1) << 1
    let sides = UInt16(1) << UInt16(width - 2) | 2
    let rows = (0..<height).map { y -> UInt16 in
      switch y {
      case 2, height - 3: line
      case 3..<height - 3: sides
      default: 0
      }
    }
    return Glyph(width: width, rows: rows)
  }

  /// The glyphs of the resource: a line each, as `0041:` and 32 or 64 hexadecimal digits.
  private static let known: [UInt32: Glyph] = {
    var glyphs: [UInt32: Glyph] = [:]
    for line in String(decoding: PackageResources.glyphs_hex, as: UTF8.self).split(separator: "\n")
    {
      let parts = line.split(separator: ":")
      let digits = parts[1].count / height
      var (rows, rest): ([UInt16], Substring) = ([], parts[1])
      for _ in 0..<height {
        rows.append(UInt16(rest.prefix(digits), radix: 16)!)
        rest = rest.dropFirst(digits)
      }
      glyphs[UInt32(parts[0], radix: 16)!] = Glyph(width: 4 * digits, rows: rows)
    }
    return glyphs
  }()
}

extension Unicode.Scalar {
  /// Whether a character takes the place of two letters: those of East Asia and the emoji.
  fileprivate var isWide: Bool {
    switch value {
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF,
      0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
      true
    default: false
    }
  }
}

/// Text in lines of at most a number of pixels.
///
/// Lines break at spaces and beside wide characters, and in words that are longer than a line. Where
/// there would be more lines than are wanted, the last one ends with `…`.
struct WrappedText: Equatable {
  /// The lines, without the spaces at which they were broken.
  let lines: [[Unicode.Scalar]]

  /// Wraps a text; all white space in it is a space.
  init(_ text: String, width: Int, mostLines: Int) {
    precondition(width >= 16 && mostLines > 0, "A line has room for a character.")
    var lines: [[Unicode.Scalar]] = []
    var room = 0
    func breakLine() {
      lines.append([])
      room = width
    }
    for piece in Self.pieces(of: text) {
      if Self.width(of: piece) > room { breakLine() }
      for scalar in lines.last?.isEmpty == true && piece[0] == " " ? piece.dropFirst() : piece[...]
      {
        let own = Glyph.of(scalar).width
        if own > room { breakLine() }
        lines[lines.count - 1].append(scalar)
        room -= own
      }
    }
    if lines.count > mostLines {
      lines.removeLast(lines.count - mostLines)
      while Self.width(of: lines[mostLines - 1] + ["…"]) > width {
        lines[mostLines - 1].removeLast()
      }
      lines[mostLines - 1].append("…")
    }
    self.lines = lines
  }

  /// The pixels of a line.
  static func width(of line: [Unicode.Scalar]) -> Int {
    line.reduce(0) { $0 + Glyph.of($1).width }
  }

  /// What a line is not broken inside of: words with the space before them, and single wide characters.
  private static func pieces(of text: String) -> [[Unicode.Scalar]] {
    var pieces: [[Unicode.Scalar]] = []
    for word in text.unicodeScalars.split(whereSeparator: \.properties.isWhitespace) {
      var isOpen = false
      var space: [Unicode.Scalar] = pieces.isEmpty ? [] : [" "]
      for scalar in word {
        let isWide = Glyph.of(scalar).width == 16
        if isOpen, !isWide {
          pieces[pieces.count - 1].append(scalar)
        } else {
          pieces.append(space + [scalar])
          space = []
        }
        isOpen = !isWide
      }
    }
    return pieces
  }
}
