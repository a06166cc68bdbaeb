// The one spelling of a caption that tokens are made of.

import Foundation

extension String {
  /// The text in Unicode's normal form C, without space at its ends, and with single spaces between
  /// words: line ends, tabs and the spaces of other scripts become spaces too.
  ///
  /// Captions and prompts pass here before they become tokens, so that an accent typed as a mark of
  /// its own, or a second space, makes no difference.
  public var normalizedCaption: String {
    // ASCII is in normal form.
    let composed = utf8.allSatisfy { $0 < 128 } ? self : precomposedStringWithCanonicalMapping
    return composed.unicodeScalars.split(whereSeparator: \.isSpace)
      .map { String($0) }.joined(separator: " ")
  }
}

extension Unicode.Scalar {
  /// Whether it is white space; the tables of Unicode are asked for what is not ASCII only.
  fileprivate var isSpace: Bool {
    value < 128 ? value == 32 || (9...13).contains(value) : properties.isWhitespace
  }
}
