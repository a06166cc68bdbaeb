// Text as numbers: bytes, of which neighbours that often meet have become one token.

/// Byte-level byte-pair encoding (Gage 1994; Sennrich et al. 2016, arXiv:1508.07909), learned from
/// captions.
///
/// Tokens 0 … 255 are the bytes of UTF-8, so every text can be said: there is no unknown token. 256
/// and 257 begin and end a caption; 258 + k is what the k-th merge makes of two tokens before it.
/// Merges stay inside words: a word is a run of bytes with the space in front of it.
public struct BytePairTokenizer: Equatable, Sendable {
  /// The token before a caption.
  public static let beginning = 256
  /// The token behind a caption.
  public static let end = 257
  /// The most bytes of a token.
  public static let longestToken = 4096
  /// The most merges of a tokenizer.
  public static let mostMerges = 1 << 16

  /// The bytes of each token, none for those that begin and end a caption.
  public let tokens: [[UInt8]]
  /// The merges in the order in which they were learned, and in which they are made.
  let merges: [TokenPair]
  private let ranks: [TokenPair: Int]

  /// The tokenizer of bytes, which no merges make shorter.
  public init() { self.init(merges: []) }

  /// A tokenizer with the merges that `pairs` has given, as a checkpoint keeps them.
  ///
  /// - Parameter pairs: The left and the right token of each merge, one merge after the other.
  /// - Throws: What is wrong with numbers that are no merges.
  public init(pairs: [Int64]) throws(TokenizerFault) {
    guard pairs.count % 2 == 0, pairs.count / 2 <= Self.mostMerges else {
      throw TokenizerFault(
        "\(pairs.count) numbers are no merges: each takes two, and there are at most "
          + "\(Self.mostMerges)")
    }
    var (merges, lengths): ([TokenPair], [Int]) = ([], [Int](repeating: 1, count: 258))
    (lengths[Self.beginning], lengths[Self.end]) = (0, 0)
    var known: Set<TokenPair> = []
    for k in 0..<pairs.count / 2 {
      let ends = [pairs[2 * k], pairs[2 * k + 1]]
      guard ends.allSatisfy({ $0 >= 0 && $0 < lengths.count && lengths[Int($0)] > 0 }) else {
        throw TokenizerFault("merge \(k) joins the tokens \(ends), which are not both there before")
      }
      let pair = TokenPair(Int32(ends[0]), Int32(ends[1]))
      guard known.insert(pair).inserted else {
        throw TokenizerFault("merge \(k) joins the tokens \(ends), as one before it does")
      }
      lengths.append(lengths[Int(ends[0])] + lengths[Int(ends[1])])
      guard lengths.last! <= Self.longestToken else {
        throw TokenizerFault("merge \(k) makes a token of more than \(Self.longestToken) bytes")
      }
      merges.append(pair)
    }
    self.init(merges: merges)
  }

  /// A tokenizer of merges that are known to be good.
  init(merges: [TokenPair]) {
    self.merges = merges
    var tokens = (0..<256).map { [UInt8($0)] } + [[], []]
    for pair in merges { tokens.append(tokens[Int(pair.left)] + tokens[Int(pair.right)]) }
    self.tokens = tokens
    ranks = Dictionary(
      uniqueKeysWithValues: merges.enumerated().map { rank, pair in (pair, rank) })
  }

  /// The number of tokens: 258 and the merges.
  public var vocabularySize: Int { tokens.count }

  /// The merges as numbers, for `init(pairs:)`.
  public var pairs: [Int64] { merges.flatMap { [Int64($0.left), Int64($0.right)] } }

  /// A checksum of the merges: 16 hexadecimal digits of FNV-1a with 64 bits over `pairs`, each as eight
  /// bytes, little-endian.
  ///
  /// Equal tokenizers have equal ones on every machine. It finds a mistake; it is no protection against
  /// someone who wants to deceive.
  public var vocabularyHash: String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for value in pairs {
      for shift in stride(from: 0, to: 64, by: 8) {
        hash =
          (hash ^ UInt64(truncatingIfNeeded: value >> Int64(shift)) & 255)
          &* 0x100_0000_01b3
      }
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// The tokens of a caption or a prompt, after `normalizedCaption`, between those that begin and end
  /// one.
  public func tokens(ofCaption caption: String) -> [Int] {
    [Self.beginning] + encode(caption.normalizedCaption) + [Self.end]
  }

  /// The tokens of a text as it stands: `decode` gives it back, byte for byte.
  public func encode(_ text: String) -> [Int] {
    Self.words(of: text).flatMap { word -> [Int] in
      var tokens = word.map { Int32($0) }
      while tokens.count > 1, let rank = lowestRank(in: tokens) {
        tokens.join(merges[rank], into: Int32(258 + rank))
      }
      return tokens.map { Int($0) }
    }
  }

  /// The text of some tokens, without those that begin and end a caption.
  ///
  /// Where the bytes are no UTF-8, as of a part of a character, U+FFFD stands for them.
  public func decode(_ tokens: [Int]) -> String {
    String(decoding: tokens.flatMap { self.tokens[$0] }, as: UTF8.self)
  }

  /// The first merge that neighbours of a word allow.
  private func lowestRank(in word: [Int32]) -> Int? {
    var lowest: Int?
    for i in 1..<word.count {
      if let rank = ranks[TokenPair(word[i - 1], word[i])], rank < lowest ?? .max { lowest = rank }
    }
    return lowest
  }

  /// The bytes of a text, cut before each space.
  static func words(of text: String) -> [ArraySlice<UInt8>] {
    let bytes = Array(text.utf8)
    let starts = bytes.indices.filter { $0 == 0 || bytes[$0] == UInt8(ascii: " ") }
    return zip(starts, starts.dropFirst() + [bytes.count]).map { bytes[$0..<$1] }
  }
}

/// Two tokens that stand side by side.
struct TokenPair: Hashable, Sendable {
  let left, right: Int32

  init(_ left: Int32, _ right: Int32) { (self.left, self.right) = (left, right) }
}

extension [Int32] {
  /// Puts a token in the place of each occurrence of a pair, from the left.
  mutating func join(_ pair: TokenPair, into token: Int32) {
    var (from, to) = (0, 0)
    while from < count {
      let isPair = from + 1 < count && self[from] == pair.left && self[from + 1] == pair.right
      self[to] = isPair ? token : self[from]
      from += isPair ? 2 : 1
      to += 1
    }
    removeLast(count - to)
  }
}

/// Why numbers are no merges of a tokenizer.
public struct TokenizerFault: Error, Equatable, CustomStringConvertible {
  /// The sentence, without the file.
  public let description: String

  init(_ description: String) { self.description = description }
}
