// From the words of a caption to what the network is told.

import Foundation
import Layers
import Storage
import Tensors
import Text

/// Turns captions and prompts into what a model with some settings is told.
public struct PromptReader: Sendable {
  private enum Way: Sendable {
    case tokens(BytePairTokenizer)
    case clip(CLIPTokenizer, CLIPTextModel)
  }

  private let way: Way
  /// The most tokens of a caption.
  private let context: Int

  /// The reader of a model that is told captions.
  ///
  /// - Parameter settings: Those of the model, filled in; the files of a frozen encoder are read.
  /// - Throws: `ConfigurationError`, `StorageError`.
  public init(_ settings: ConditioningSettings) throws {
    switch settings.textEncoder {
    case .learned:
      way = .tokens(try settings.tokenizer())
      context = settings.context
    case .clip:
      let (weights, vocabulary) = try Self.files(of: settings)
      try Self.require(
        try Self.checksum(of: settings), as: settings.textEncoderHash, weights)
      let file = try Safetensors(path: weights)
      let extents: CLIPTextConfiguration
      do {
        extents = try CLIPTextConfiguration(shapes: file.shapes)
      } catch {
        throw StorageError.badData(path: weights, reason: "\(error)")
      }
      let tokenizer = try CLIPTokenizer(path: vocabulary)
      guard tokenizer.tokenCount <= extents.vocabulary else {
        throw StorageError.badData(
          path: vocabulary,
          reason:
            "has \(tokenizer.tokenCount) tokens, but \(weights) knows \(extents.vocabulary): they "
            + "do not belong together")
      }
      let model = try CLIPTextModel(extents) { (name) throws(StorageError) in
        try file.values(name)
      }
      way = .clip(tokenizer, model)
      context = min(settings.context, extents.context)
    }
  }

  /// The channels of a token of the frozen encoder that settings name.
  ///
  /// - Throws: `ConfigurationError`, `StorageError`.
  static func width(of settings: ConditioningSettings) throws -> Int {
    let weights = try files(of: settings).weights
    do {
      return try CLIPTextConfiguration(shapes: try Safetensors(path: weights).shapes).width
    } catch let error as LayersError {
      throw StorageError.badData(path: weights, reason: "\(error)")
    }
  }

  /// The checksum of a frozen encoder's files: the bytes of the weights, and those of the vocabulary.
  ///
  /// - Throws: `ConfigurationError`, `StorageError`.
  static func checksum(of settings: ConditioningSettings) throws -> String {
    let (weights, vocabulary) = try files(of: settings)
    // They refuse what is no file.
    _ = try Safetensors(path: weights)
    _ = try CLIPTokenizer(path: vocabulary)
    var isFolder: ObjCBool = false
    _ = FileManager.default.fileExists(atPath: vocabulary, isDirectory: &isFolder)
    // As `CLIPTokenizer` looks for them: in a folder, or a vocab.json with its neighbour.
    let url = URL(fileURLWithPath: vocabulary)
    let parts =
      isFolder.boolValue
      ? ["tokenizer.json", "vocab.json", "merges.txt"].map { "\(vocabulary)/\($0)" }
        .filter { FileManager.default.fileExists(atPath: $0) }
      : url.lastPathComponent == "vocab.json"
        ? [vocabulary, url.deletingLastPathComponent().path + "/merges.txt"] : [vocabulary]
    var hash = ContentHash()
    for path in [weights] + parts {
      do {
        try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
          .withUnsafeBytes { hash.update($0) }
      } catch {
        throw StorageError.inputOutput(path: path, reason: "cannot be read")
      }
    }
    return hash.hexadecimal()
  }

  /// Requires the files that the model was trained with.
  static func require(
    _ hash: String, as expected: String?, _ path: String
  ) throws(StorageError) {
    guard expected ?? hash == hash else {
      throw .badData(
        path: path,
        reason:
          "is not the text encoder, with its vocabulary, that the model was trained with: the "
          + "checksum is \(hash), not \(expected!)")
    }
  }

  private static func files(
    of settings: ConditioningSettings
  ) throws(ConfigurationError) -> (weights: String, vocabulary: String) {
    guard let weights = settings.textEncoderFile else {
      throw ConfigurationError(
        source: "text_encoder_file", reason: "is needed for text_encoder: clip.")
    }
    guard let vocabulary = settings.textVocabulary else {
      throw ConfigurationError(
        source: "text_vocabulary", reason: "is needed for text_encoder: clip.")
    }
    return (weights, vocabulary)
  }

  /// What the network is told by a caption; a failure is words that follow "the caption".
  func condition(_ caption: String, in pool: BufferPool) throws(CaptionFault) -> Condition {
    guard !caption.normalizedCaption.isEmpty else { throw CaptionFault("is empty") }
    guard caption.utf8.count <= ImageCaptions.longest else {
      throw CaptionFault("has \(caption.utf8.count) bytes; \(ImageCaptions.longest) are possible")
    }
    guard !caption.utf8.contains(0) else { throw CaptionFault("holds a zero byte") }
    let tokens =
      switch way {
      case .tokens(let tokenizer): tokenizer.tokens(ofCaption: caption)
      case .clip(let tokenizer, _): tokenizer.encode(caption)
      }
    guard tokens.count <= context else {
      throw CaptionFault("has \(tokens.count) tokens, but the model reads at most \(context)")
    }
    switch way {
    case .tokens: return .tokens(tokens)
    case .clip(_, let model): return .encoded(model(tokens, in: pool))
    }
  }
}

/// Why words cannot be told to a network, as the end of a sentence.
struct CaptionFault: Error {
  let reason: String

  init(_ reason: String) { self.reason = reason }
}
