// The files in which CLIP's vocabulary comes.

import Foundation

extension CLIPTokenizer {
  /// The most bytes of a file; those of OpenAI's model have 2 MB.
  private static let largestFile = 64 << 20

  /// The tokenizer of a `tokenizer.json`, of a `vocab.json` beside its `merges.txt`, or of a folder that
  /// holds one of these.
  ///
  /// - Throws: `.missingInput`, `.badData` where that is no vocabulary of CLIP's, `.inputOutput`.
  public init(path: String) throws(StorageError) {
    if case .folder = FileKind(path) {
      let names = try folderNames(path)
      guard let name = ["tokenizer.json", "vocab.json"].first(where: names.contains) else {
        throw .missingInput(
          path: path, reason: "is a folder without tokenizer.json or vocab.json with merges.txt")
      }
      try self.init(file: "\(path)/\(name)")
    } else {
      try self.init(file: path)
    }
  }

  private init(file path: String) throws(StorageError) {
    let bytes = try readSmallFile(path, role: "a vocabulary", limit: Self.largestFile)
    do {
      if let file = try? JSONDecoder().decode(TokenizerFile.self, from: Data(bytes)) {
        guard file.model.type == nil || file.model.type == "BPE" else {
          throw CLIPTokenizerFault("is not byte-pair encoding, as CLIP's vocabulary is")
        }
        let added = (file.added_tokens ?? []).map { ($0.content, $0.id) }
        try self.init(
          vocabulary: file.model.vocab.merging(added) { first, _ in first },
          merges: file.model.merges.map(\.pair))
        return
      }
      guard
        let vocabulary = try? JSONDecoder().decode([String: Int].self, from: Data(bytes))
      else { throw CLIPTokenizerFault("is neither a tokenizer.json nor a vocab.json") }
      let merges = try Self.merges(file: "\(parentFolder(of: path))/merges.txt")
      try self.init(vocabulary: vocabulary, merges: merges)
    } catch let fault as CLIPTokenizerFault {
      throw .badData(path: path, reason: fault.description)
    } catch let error as StorageError {
      throw error
    } catch {
      throw .badData(path: path, reason: "is no vocabulary")
    }
  }

  /// The merges of a `merges.txt`: two symbols on each line, behind a line that says `#version`.
  private static func merges(file path: String) throws(StorageError) -> [(String, String)] {
    let bytes = try readSmallFile(path, role: "a list of merges", limit: largestFile)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .badData(path: path, reason: "is not UTF-8 text")
    }
    var merges: [(String, String)] = []
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (number, line) in lines.enumerated() {
      if line.isEmpty || number == 0 && line.hasPrefix("#version") { continue }
      guard let pair = symbolPair(line) else {
        throw .badData(path: path, reason: "holds no two symbols in line \(number + 1)")
      }
      merges.append(pair)
    }
    return merges
  }
}

/// Two symbols with a space between them; nil where there are more or fewer.
private func symbolPair(_ text: some StringProtocol) -> (String, String)? {
  let parts = text.split(separator: " ", omittingEmptySubsequences: false)
  guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
  return (String(parts[0]), String(parts[1]))
}

/// What is read of a `tokenizer.json`.
private struct TokenizerFile: Decodable {
  struct Model: Decodable {
    let type: String?
    let vocab: [String: Int]
    let merges: [Merge]
  }

  struct AddedToken: Decodable {
    let id: Int
    let content: String
  }

  /// Two symbols, as a string or, in newer files, as a list.
  struct Merge: Decodable {
    let pair: (String, String)

    init(from decoder: Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let text = try? container.decode(String.self), let pair = symbolPair(text) {
        self.pair = pair
        return
      }
      let parts = try container.decode([String].self)
      guard parts.count == 2 else {
        throw DecodingError.dataCorruptedError(in: container, debugDescription: "not two symbols")
      }
      pair = (parts[0], parts[1])
    }
  }

  let model: Model
  let added_tokens: [AddedToken]?
}
