// CLIP's tokens against transformers', recorded by `record_clip_tokenizer.py`.

import Foundation
import Storage
import TestSupport
import Testing

@Suite struct CLIPTokenizerTests {
  let folder = try! TemporaryFolder()

  private func fixture(_ name: String) -> String {
    Bundle.module.bundleURL.appending(path: "Fixtures/clip/\(name)").path
  }

  /// All forms of one vocabulary, and the folder of it.
  @Test(arguments: ["vocab.json", "tokenizer.json", ""])
  func recordedTokens(_ name: String) throws {
    let tokenizer = try CLIPTokenizer(path: fixture(name))
    let recorded = try #require(
      JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(fileURLWithPath: fixture("texts.json")))) as? [[Any]])
    #expect(recorded.count == 18)
    for pair in recorded {
      let text = try #require(pair[0] as? String)
      #expect(tokenizer.encode(text) == pair[1] as? [Int], "\(text)")
    }
    #expect(tokenizer.tokenCount == tokenizer.end + 1)
    #expect(tokenizer.encode("") == [tokenizer.beginning, tokenizer.end])
  }

  /// A text that looks like a special token is a text.
  @Test func nothingSaidIsSpecial() throws {
    let tokenizer = try CLIPTokenizer(path: fixture("vocab.json"))
    let tokens = tokenizer.encode("<|endoftext|>")
    #expect(tokens.count > 3 && tokens.dropLast().allSatisfy { $0 != tokenizer.end })
  }

  @Test func whatIsNoVocabularyIsRefused() throws {
    func write(_ vocabulary: String, merges: String? = nil) throws -> String {
      if let merges { try folder.write(Array(merges.utf8), to: "merges.txt") }
      return try folder.write(Array(vocabulary.utf8), to: "vocab.json")
    }
    let vocabulary = try String(contentsOfFile: fixture("vocab.json"), encoding: .utf8)
    let merges = try String(contentsOfFile: fixture("merges.txt"), encoding: .utf8)
    let good = try write(vocabulary, merges: merges)
    #expect(try CLIPTokenizer(path: good) == CLIPTokenizer(path: fixture("tokenizer.json")))
    #expect(
      try CLIPTokenizer(path: write(vocabulary, merges: merges.replacing("\n", with: "\r\n")))
        == CLIPTokenizer(path: fixture("tokenizer.json")))
    for (text, merges, part) in [
      ("", merges, "neither a tokenizer.json nor a vocab.json"),
      ("[1]", merges, "neither a tokenizer.json nor a vocab.json"),
      ("{\"a\":\"b\"}", merges, "neither a tokenizer.json nor a vocab.json"),
      ("{\"a\":1}", merges, "no tokens <|startoftext|>"),
      (vocabulary.replacing("\"!</w>\"", with: "\"other\""), merges, "no token for !</w>"),
      (vocabulary, merges + "a b c\n", "no two symbols in line"),
      (vocabulary, merges + "onlyone\n", "no two symbols in line"),
      (vocabulary, merges + "zz qq</w>\n", "what its merge 133 joins or makes"),
      (
        #"{"model":{"type":"Unigram","vocab":{"a":1},"merges":[]}}"#, merges,
        "is not byte-pair encoding"
      ),
    ] {
      let path = try write(text, merges: merges)
      expectRefusal(part) { _ = try CLIPTokenizer(path: path) }
    }
    try folder.write([0x61, 0xff, 0x0a], to: "merges.txt")
    let path = try write(vocabulary)
    expectRefusal("is not UTF-8 text") { _ = try CLIPTokenizer(path: path) }
    try FileManager.default.removeItem(atPath: folder.file("merges.txt"))
    expectRefusal("merges.txt: cannot find a list of merges") {
      _ = try CLIPTokenizer(path: path)
    }
    try FileManager.default.removeItem(atPath: path)
    expectRefusal("is a folder without tokenizer.json") {
      _ = try CLIPTokenizer(path: folder.path)
    }
  }

  /// A word of twenty thousand letters, which is no caption, takes no minutes.
  @Test func longWordsEnd() throws {
    let tokenizer = try CLIPTokenizer(path: fixture("vocab.json"))
    let start = ContinuousClock.now
    let tokens = tokenizer.encode(String(repeating: "seven", count: 4000))
    #expect(ContinuousClock.now - start < .seconds(10))
    #expect(tokens.count > 1000 && tokens.count < 20_000)
  }
}
