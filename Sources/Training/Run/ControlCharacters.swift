// Text from files and command lines, made harmless before a terminal or a log sees it.

extension String {
  /// The text with its control characters written out, as `\u{1B}`.
  ///
  /// A name or an attribute in a file may hold sequences that colour, move or retitle a terminal,
  /// lines that look like the program's own, or marks that turn the direction of writing.
  ///
  /// - Parameter keepingLines: Whether line ends and tabs are left as they are.
  package func escapingControls(keepingLines: Bool) -> String {
    func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
      switch scalar.value {
      case 9, 10: keepingLines
      case 0..<0x20, 0x7F..<0xA0: false
      case 0x2028...0x202E, 0x2066...0x2069: false
      default: true
      }
    }
    guard !unicodeScalars.allSatisfy(isHarmless) else { return self }
    var result = ""
    for scalar in unicodeScalars {
      if isHarmless(scalar) {
        result.unicodeScalars.append(scalar)
      } else {
        result += scalar.escaped(asASCII: true)
      }
    }
    return result
  }
}
