// How merges are learned from captions, the same on every machine.

extension BytePairTokenizer {
  /// The most frequent pairs of captions, one merge after the other.
  ///
  /// Each time the pair of neighbours with the highest count becomes a token; of equal counts the one
  /// whose bytes come first, compared left token first, then right, and of equal bytes the one whose
  /// tokens are older. A pair that occurs once is none.
  ///
  /// - Parameters:
  ///   - captions: Whatever texts; they pass `normalizedCaption`.
  ///   - limit: The most merges, at most `mostMerges`; 0 leaves the bytes alone.
  public init(learnedFrom captions: some Sequence<String>, merges limit: Int) {
    precondition((0...Self.mostMerges).contains(limit), "Merges are a moderate number.")
    var learning = PairCounts(limit == 0 ? [:] : Self.wordCounts(captions))
    var merges: [TokenPair] = []
    while merges.count < limit, let pair = learning.best() {
      learning.join(pair)
      merges.append(pair)
    }
    self.init(merges: merges)
  }

  /// How often each word of the captions occurs.
  private static func wordCounts(_ captions: some Sequence<String>) -> [ArraySlice<UInt8>: Int] {
    var counts: [ArraySlice<UInt8>: Int] = [:]
    // Datasets say the same again and again.
    var lines: [String: Int] = [:]
    for caption in captions { lines[caption, default: 0] += 1 }
    for (caption, count) in lines {
      for word in words(of: caption.normalizedCaption) { counts[word, default: 0] += count }
    }
    return counts
  }
}

/// The words of all captions in the tokens so far, and how often each pair of neighbours occurs.
private struct PairCounts {
  private var words: [(tokens: [Int32], count: Int)]
  private var counts: [TokenPair: Int] = [:]
  /// The words in which a pair occurs, or has once occurred.
  private var places: [TokenPair: [Int32]] = [:]
  private var bytes = (0..<256).map { [UInt8($0)] } + [[], []]

  init(_ wordCounts: [ArraySlice<UInt8>: Int]) {
    words = wordCounts.map { (tokens: $0.key.map { Int32($0) }, count: $0.value) }
    for index in words.indices { count(index, sign: 1) }
  }

  /// Adds the pairs of a word to the counts, or takes them away.
  ///
  /// - Parameter new: The token that the word did not have before; nil where all are new.
  private mutating func count(_ index: Int, sign: Int, new: Int32? = nil) {
    let (tokens, number) = words[index]
    for i in tokens.indices.dropFirst() {
      let pair = TokenPair(tokens[i - 1], tokens[i])
      let count = counts[pair, default: 0] + sign * number
      counts[pair] = count == 0 ? nil : count
      let isNew = new == nil || pair.left == new || pair.right == new
      if sign > 0, isNew, places[pair]?.last != Int32(index) {
        places[pair, default: []].append(Int32(index))
      }
    }
  }

  /// The pair that comes next, if one occurs twice.
  func best() -> TokenPair? {
    var best: (pair: TokenPair, count: Int)?
    for (pair, count) in counts where count >= max(2, best?.count ?? 2) {
      guard size(pair) <= BytePairTokenizer.longestToken else { continue }
      if let old = best, count == old.count, !isBefore(pair, old.pair) { continue }
      best = (pair, count)
    }
    return best?.pair
  }

  private func size(_ pair: TokenPair) -> Int {
    bytes[Int(pair.left)].count + bytes[Int(pair.right)].count
  }

  private func isBefore(_ one: TokenPair, _ other: TokenPair) -> Bool {
    let (left, right) = (bytes[Int(one.left)], bytes[Int(other.left)])
    if left != right { return left.lexicographicallyPrecedes(right) }
    let (next, otherNext) = (bytes[Int(one.right)], bytes[Int(other.right)])
    if next != otherNext { return next.lexicographicallyPrecedes(otherNext) }
    return (one.left, one.right) < (other.left, other.right)
  }

  /// Makes a pair a token, in all words.
  mutating func join(_ pair: TokenPair) {
    let token = Int32(bytes.count)
    bytes.append(bytes[Int(pair.left)] + bytes[Int(pair.right)])
    for index in places.removeValue(forKey: pair) ?? [] {
      count(Int(index), sign: -1)
      words[Int(index)].tokens.join(pair, into: token)
      count(Int(index), sign: 1, new: token)
    }
  }
}
