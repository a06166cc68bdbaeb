// Captions as the tokens of a model that has learned elsewhere.

import Foundation

/// CLIP's tokenizer: byte-pair encoding of lower-case words, whose last symbol carries their end.
///
/// A caption in Unicode's normal form C is cut into words: runs of letters, single digits, runs of
/// other signs, and English endings such as 's. Each byte of a word is a symbol, a sign of its own
/// (`symbols`); the last one has `</w>` behind it. Of all neighbours, those whose merge comes first in
/// the list become one symbol, again and again. What a caption says is never taken for a special
/// token.
public struct CLIPTokenizer: Equatable, Sendable {
  /// What marks the last symbol of a word.
  private static let wordEnd = "</w>"
  /// The sign of each byte (Radford et al. 2019): itself where it is visible Latin-1, else one of those
  /// from 256 on, in order.
  private static let symbols: [String] = {
    var next: UInt32 = 256
    return (0..<256).map { byte in
      switch byte {
      case 33...126, 161...172, 174...255: return String(UnicodeScalar(UInt8(byte)))
      default:
        defer { next += 1 }
        return String(UnicodeScalar(next)!)
      }
    }
  }()
  private static let contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].map {
    Array($0.unicodeScalars)
  }

  /// Two neighbouring tokens.
  private struct Pair: Hashable {
    let left: Int
    let right: Int
  }

  /// What becomes of two neighbours, and how early.
  private struct Merge: Equatable {
    let rank: Int
    let token: Int
  }

  /// The token before a caption.
  public let beginning: Int
  /// The token behind a caption.
  public let end: Int
  /// The number of tokens that a model must know: one more than the largest.
  public let tokenCount: Int
  /// The token of each byte inside a word, and at its end.
  private let bytes: (inside: [Int], last: [Int])
  private let merges: [Pair: Merge]

  /// A tokenizer of a vocabulary and a list of merges.
  ///
  /// - Parameter merges: The two symbols of each, the first merge first.
  /// - Throws: What is missing.
  init(vocabulary: [String: Int], merges: [(String, String)]) throws(CLIPTokenizerFault) {
    guard let beginning = vocabulary["<|startoftext|>"], let end = vocabulary["<|endoftext|>"]
    else {
      throw CLIPTokenizerFault("has no tokens <|startoftext|> and <|endoftext|>, as CLIP's have")
    }
    guard vocabulary.values.allSatisfy({ 0..<1 << 28 ~= $0 }) else {
      throw CLIPTokenizerFault("has tokens with numbers that are none")
    }
    func token(_ symbol: String) throws(CLIPTokenizerFault) -> Int {
      guard let token = vocabulary[symbol] else {
        throw CLIPTokenizerFault("has no token for \(symbol): not every caption could be said")
      }
      return token
    }
    var (inside, last): ([Int], [Int]) = ([], [])
    for symbol in Self.symbols {
      inside.append(try token(symbol))
      last.append(try token(symbol + Self.wordEnd))
    }
    var table: [Pair: Merge] = [:]
    for (rank, merge) in merges.enumerated() {
      guard let left = vocabulary[merge.0], let right = vocabulary[merge.1],
        let token = vocabulary[merge.0 + merge.1]
      else {
        throw CLIPTokenizerFault(
          "has no token for what its merge \(rank + 1) joins or makes; vocabulary and merges do not "
            + "belong together")
      }
      let pair = Pair(left: left, right: right)
      if table[pair] == nil { table[pair] = Merge(rank: rank, token: token) }
    }
    (self.beginning, self.end, tokenCount) = (beginning, end, (vocabulary.values.max() ?? 0) + 1)
    (bytes, self.merges) = ((inside, last), table)
  }

  /// Whether two tokenizers make the same tokens of everything.
  public static func == (a: CLIPTokenizer, b: CLIPTokenizer) -> Bool {
    (a.beginning, a.end, a.tokenCount) == (b.beginning, b.end, b.tokenCount)
      && a.bytes == b.bytes && a.merges == b.merges
  }

  /// The tokens of a caption, with those that begin and end it.
  public func encode(_ caption: String) -> [Int] {
    let scalars = Array(
      caption.precomposedStringWithCanonicalMapping.lowercased().unicodeScalars)
    return [beginning] + Self.words(scalars).flatMap(tokens(ofWord:)) + [end]
  }

  /// The words, without the spaces between them.
  private static func words(_ scalars: [UnicodeScalar]) -> [ArraySlice<UnicodeScalar>] {
    var words: [ArraySlice<UnicodeScalar>] = []
    var rest = scalars[...]
    while let first = rest.first {
      let kind = Kind(first)
      var count = 1
      if let contraction = contractions.first(where: rest.starts(with:)) {
        count = contraction.count
      } else if kind == .letter || kind == .other {
        count = rest.prefix { Kind($0) == kind }.count
      }
      if kind != .space { words.append(rest.prefix(count)) }
      rest = rest.dropFirst(count)
    }
    return words
  }

  /// What a character is in a word.
  private enum Kind {
    case letter, digit, space, other

    init(_ scalar: UnicodeScalar) {
      let properties = scalar.properties
      switch properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
        self = .letter
      case .decimalNumber, .letterNumber, .otherNumber: self = .digit
      default: self = properties.isWhitespace ? .space : .other
      }
    }
  }

  /// The tokens of a word.
  private func tokens(ofWord word: ArraySlice<UnicodeScalar>) -> [Int] {
    let utf8 = word.flatMap { Array(String($0).utf8) }
    var tokens = utf8.map { bytes.inside[Int($0)] }
    tokens[tokens.count - 1] = bytes.last[Int(utf8.last!)]
    func rank(_ i: Int) -> Int {
      merges[Pair(left: tokens[i], right: tokens[i + 1])]?.rank ?? .max
    }
    // How early each token is joined with the next: only what is new is looked up.
    var ranks = tokens.indices.dropLast().map(rank)
    while let best = ranks.indices.min(by: { ranks[$0] < ranks[$1] }), ranks[best] != .max,
      let merge = merges[Pair(left: tokens[best], right: tokens[best + 1])]
    {
      tokens[best] = merge.token
      tokens.remove(at: best + 1)
      ranks.remove(at: best)
      for i in [best - 1, best] where ranks.indices.contains(i) { ranks[i] = rank(i) }
    }
    return tokens
  }
}

/// Why a vocabulary makes no tokenizer.
struct CLIPTokenizerFault: Error {
  /// What is wrong with it, behind the name of its file.
  let description: String

  init(_ description: String) { self.description = description }
}
