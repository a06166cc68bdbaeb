// The tokenizer against another implementation, and what every tokenizer must do.

import Foundation
import Testing
import Text

@Suite struct BytePairTokenizerTests {
  /// What `record_tokenizer.py` has recorded.
  private struct Recorded: Decodable {
    let texts: [String]
    let normalized: [[String]]
    let cases: [Case]

    struct Case: Decodable {
      let captions: [String]
      let limit: Int
      let pairs: [Int64]
      let hash: String
      let tokens: [[Int]]
    }

    static let all: Recorded = {
      let url = Bundle.module.resourceURL!.appendingPathComponent("Fixtures/tokenizer.json")
      return try! JSONDecoder().decode(Recorded.self, from: Data(contentsOf: url))
    }()
  }

  @Test(arguments: Recorded.all.cases.indices)
  func mergesAndTokensAreThoseOfAnotherImplementation(_ index: Int) throws {
    let recorded = Recorded.all.cases[index]
    let tokenizer = BytePairTokenizer(
      learnedFrom: recorded.captions, merges: recorded.limit)
    #expect(tokenizer.pairs == recorded.pairs)
    #expect(tokenizer.vocabularyHash == recorded.hash)
    #expect(tokenizer.vocabularySize == 258 + recorded.pairs.count / 2)
    for (text, tokens) in zip(Recorded.all.texts, recorded.tokens) {
      #expect(tokenizer.encode(text) == tokens, "\(text)")
    }
    let kept = try BytePairTokenizer(pairs: recorded.pairs)
    #expect(kept == tokenizer)
  }

  @Test func theOrderOfCaptionsDoesNotMatter() {
    for recorded in Recorded.all.cases {
      let tokenizer = BytePairTokenizer(
        learnedFrom: recorded.captions.reversed(), merges: recorded.limit)
      #expect(tokenizer.pairs == recorded.pairs)
    }
  }

  @Test(arguments: Recorded.all.normalized) func captionsHaveOneSpelling(_ pair: [String]) {
    // Strings are equal where they are canonically; bytes are not.
    #expect(Array(pair[0].normalizedCaption.utf8) == Array(pair[1].utf8))
  }

  /// Texts of scalars from all over Unicode.
  private static let strange: [String] = {
    var generator = Splitting(state: 5)
    return (0..<300).map { _ in
      let scalars = (0..<Int.random(in: 0...40, using: &generator)).compactMap { _ in
        Unicode.Scalar(
          UInt32.random(
            in: 0..<(Bool.random(using: &generator) ? 0x80 : 0x11_0000), using: &generator))
      }
      return String(String.UnicodeScalarView(scalars))
    }
  }()

  @Test(arguments: [0, 1, 300, 5000]) func everyTextComesBack(_ merges: Int) {
    let captions = Self.strange + Recorded.all.cases[3].captions
    let tokenizer = BytePairTokenizer(learnedFrom: captions, merges: merges)
    for text in captions + Recorded.all.texts {
      let decoded = tokenizer.decode(tokenizer.encode(text))
      #expect(Array(decoded.utf8) == Array(text.utf8))
    }
  }

  @Test func captionsBeginAndEnd() {
    let tokenizer = BytePairTokenizer()
    #expect(tokenizer.tokens(ofCaption: "  e\u{301} \n b ") == [256, 0xC3, 0xA9, 32, 98, 257])
    #expect(tokenizer.tokens(ofCaption: "") == [256, 257])
    #expect(tokenizer.decode([256, 0xC3, 0xA9, 257]) == "é")
    // Half a character.
    #expect(tokenizer.decode([0xC3]) == "\u{FFFD}")
  }

  @Test(
    arguments: [
      ([1], "1 numbers are no merges"), ([97, 258], "merge 0"),
      ([97, 98, 259, 97], "merge 1"), ([-1, 97], "merge 0"), ([256, 97], "merge 0"),
      ([97, 257], "merge 0"), ([97, 98, 97, 98], "merge 1"), ([.max, .min], "merge 0"),
    ] as [([Int64], String)])
  func numbersThatAreNoMergesAreRefused(_ pairs: [Int64], _ part: String) {
    let fault = #expect(throws: TokenizerFault.self) { try BytePairTokenizer(pairs: pairs) }
    #expect(fault?.description.contains(part) == true, "\(String(describing: fault))")
  }

  /// Each merge could double the bytes of a token: sixty would fill every memory.
  @Test func tokensOfAnyLengthAreRefused() throws {
    func doubling(_ count: Int) -> [Int64] {
      [97, 97] + (0..<Int64(count - 1)).flatMap { [258 + $0, 258 + $0] }
    }
    #expect(try BytePairTokenizer(pairs: doubling(12)).tokens.last?.count == 4096)
    #expect(throws: TokenizerFault.self) { try BytePairTokenizer(pairs: doubling(13)) }
    // Learning keeps to it as well.
    let long = String(repeating: "a", count: 20_000)
    let learned = BytePairTokenizer(learnedFrom: [long, long], merges: 100)
    #expect(learned.tokens.allSatisfy { $0.count <= 4096 })
    #expect(try BytePairTokenizer(pairs: learned.pairs) == learned)
  }
}

/// SplitMix64, for texts that are the same each time.
private struct Splitting: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
