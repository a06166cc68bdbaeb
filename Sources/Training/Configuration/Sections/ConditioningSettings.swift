// Settings: what the network is told that images show.

import Layers
import Storage
import Text

/// What the network is told that images show.
public struct ConditioningSettings: SettingsSection {
  /// What it may be.
  public enum Condition: String, CaseIterable, Sendable {
    /// Nothing.
    case none
    /// The class of each image, the dataset's label.
    case `class`
    /// A caption of each image.
    case text
  }

  /// Who reads captions.
  public enum Encoder: String, CaseIterable, Sendable {
    /// A transformer that learns beside the network.
    case learned
    /// CLIP's text model, from a file, which learns no more.
    case clip
  }

  /// What the network is told.
  public var condition = Condition.none
  /// The names of the classes 0 … K − 1; nil: as the dataset has them.
  public var classNames: [String]?
  /// The probability with which training does not tell the class of an image.
  public var labelDrop = 0.1
  /// The probability with which training does not tell the caption of an image.
  public var captionDrop = 0.1
  /// Who reads captions.
  public var textEncoder = Encoder.learned
  /// How many pairs of tokens the tokenizer of a learned encoder joins at most.
  public var merges = 256
  /// The pairs that it joins, the left and the right token of each; nil: learned from the captions.
  public var tokenPairs: [Int]?
  /// The most tokens of a caption, those that begin and end it included.
  public var context = 32
  /// The channels of a token; nil: 64, or those of the file.
  public var textWidth: Int?
  /// The blocks of a learned encoder.
  public var textLayers = 2
  /// The heads of each attention of a learned encoder.
  public var textHeads = 4
  /// The file of CLIP's text model, safetensors.
  public var textEncoderFile: String?
  /// The checksum of both files; nil while they have not been read.
  public var textEncoderHash: String?
  /// The vocabulary of CLIP's text model: tokenizer.json, or a folder with vocab.json and merges.txt.
  public var textVocabulary: String?

  /// A network that is told nothing.
  public init() {}

  /// The most classes.
  private static let mostClasses = 1 << 16

  /// The keys: what is told, how often it is not, and who reads captions.
  public static let settings: [Setting<Self>] = [
    .choice("condition", .model, \.condition, "what the network is told of an image"),
    .texts(
      "class_names", .model, \.classNames, limit: mostClasses,
      "names of the classes; auto: the dataset's"),
    .number(
      "label_drop", .training, \.labelDrop, 0...1,
      "probability that training does not tell the class; guidance needs it"),
    .number(
      "caption_drop", .training, \.captionDrop, 0...1,
      "probability that training does not tell the caption; guidance needs it"),
    .choice("text_encoder", .model, \.textEncoder, "who reads captions"),
    .integer(
      "merges", .model, \.merges, from: 0, to: 4096,
      "pairs of tokens that the tokenizer joins at most; 0: bytes"),
    .wholeNumbers(
      "token_pairs", .model, \.tokenPairs, limit: 2 * 4096,
      "the pairs that it joins; auto: learned from the captions"),
    .integer(
      "context", .model, \.context, from: 3, to: 1024, unit: "tokens",
      "the longest caption, with its two ends"),
    .integer(
      "text_width", .model, \.textWidth, from: 16, to: 4096,
      "channels of a token; auto: 64, or those of the file"),
    .integer("text_layers", .model, \.textLayers, from: 1, to: 48, "blocks of the text encoder"),
    .integer("text_heads", .model, \.textHeads, from: 1, "heads of the text encoder"),
    .scalar(
      "text_encoder_hash", .model, \.textEncoderHash, values: "auto, or 32 hexadecimal digits",
      "the checksum of CLIP's files; auto: that of the files", text: { $0 ?? "auto" }
    ) { (text) throws(Setting<Self>.Mismatch) in
      if text == "auto" { return nil }
      guard text.count == 32, text.allSatisfy(\.isHexDigit) else {
        throw .init(reason: "needs auto, or 32 hexadecimal digits")
      }
      return text.lowercased()
    },
    .path("text_encoder_file", .training, \.textEncoderFile, "CLIP's weights (safetensors)"),
    .path(
      "text_vocabulary", .training, \.textVocabulary,
      "CLIP's tokenizer.json, or the folder of its vocab.json and merges.txt"),
  ]

  /// The probability with which training does not tell what an image shows.
  var drop: Double { condition == .text ? captionDrop : labelDrop }

  /// The layers that it takes.
  ///
  /// - Throws: `ConfigurationError` where something is missing or does not fit.
  func kind() throws(ConfigurationError) -> ConditionKind {
    switch condition {
    case .none: return .none
    case .class:
      guard let classNames, !classNames.isEmpty else {
        throw ConfigurationError(
          source: "class_names", reason: "are needed for condition: class.")
      }
      return .classes(classNames.count)
    case .text:
      guard textEncoder == .learned else {
        guard let textWidth else {
          throw ConfigurationError(
            source: "text_width", reason: "is needed for text_encoder: clip.")
        }
        return .encodedText(width: textWidth)
      }
      var encoder = TextEncoderConfiguration(vocabulary: try tokenizer().vocabularySize)
      (encoder.width, encoder.layers) = (textWidth ?? 64, textLayers)
      (encoder.heads, encoder.context) = (textHeads, context)
      if let defect = encoder.defect {
        throw ConfigurationError(source: "text_encoder", reason: defect)
      }
      return .text(encoder)
    }
  }

  /// The tokenizer of a learned encoder.
  ///
  /// - Throws: `ConfigurationError` where its pairs are missing or are none.
  func tokenizer() throws(ConfigurationError) -> BytePairTokenizer {
    guard let tokenPairs else {
      throw ConfigurationError(source: "token_pairs", reason: "are needed for condition: text.")
    }
    do throws(TokenizerFault) {
      return try BytePairTokenizer(pairs: tokenPairs.map { Int64($0) })
    } catch {
      throw ConfigurationError(source: "token_pairs", reason: "are no tokenizer: \(error).")
    }
  }

  /// Whether a network with these settings is told the same, in the same words and numbers, as one with
  /// others; one that is told nothing is.
  public func tellsAs(_ other: ConditioningSettings) -> Bool {
    condition == .none
      || (condition, classNames, tokenPairs, textEncoderHash)
        == (other.condition, other.classNames, other.tokenPairs, other.textEncoderHash)
  }

  // MARK: Meeting a dataset

  /// Fills in what the dataset says, or refuses one that says something else.
  mutating func adopt(_ dataset: ImageDataset) throws {
    guard condition == .class || classNames == nil else {
      throw ConfigurationError(
        source: "class_names", reason: "are of no use without condition=class.")
    }
    switch condition {
    case .none: break
    case .class: try adoptClasses(dataset)
    case .text: try adoptCaptions(dataset)
    }
  }

  private mutating func adoptClasses(_ dataset: ImageDataset) throws {
    guard let labels = dataset.labels else {
      throw StorageError.badData(
        path: dataset.path,
        reason: "has no labels, which condition=class needs; import it with labels, or set "
          + "condition=none")
    }
    guard labels.allSatisfy({ $0 < Self.mostClasses }) else {
      throw StorageError.badData(
        path: dataset.path,
        reason: "has an image of class \(labels.max()!); \(Self.mostClasses) classes are possible")
    }
    if let fault = dataset.classNames.flatMap(Self.fault(inNames:)) {
      throw StorageError.badData(
        path: dataset.path, reason: "has class names that cannot be used: \(fault)")
    }
    let own = dataset.classNames ?? classNames ?? (0...(labels.max() ?? 0)).map { "\($0)" }
    guard classNames ?? own == own else {
      throw ConfigurationError(
        source: "class_names",
        reason: "are \(Self.list(classNames!)), but those of \(dataset.path) are "
          + "\(Self.list(own)).")
    }
    if let large = labels.max(), large >= own.count {
      throw ConfigurationError(
        source: "class_names",
        reason: "are \(own.count), but \(dataset.path) has an image of class \(large).")
    }
    classNames = own
  }

  /// Why a configuration could not hold names; nil where it can.
  private static func fault(inNames names: [String]) -> String? {
    if names.count > mostClasses { return "there are \(names.count); \(mostClasses) are possible" }
    if names.contains("") { return "one is empty" }
    // YAML drops a byte order mark, and escapes what a terminal must not see.
    let isOdd = { (scalar: Unicode.Scalar) in
      scalar.value == 0xFEFF || scalar.properties.generalCategory == .control
    }
    if let odd = names.first(where: { $0.unicodeScalars.contains(where: isOdd) }) {
      return "'\(odd)' holds a control character"
    }
    var seen: Set<String> = []
    return names.first { !seen.insert($0).inserted }.map { "'\($0)' stands twice" }
  }

  private mutating func adoptCaptions(_ dataset: ImageDataset) throws {
    guard let captions = dataset.captions else {
      throw StorageError.badData(
        path: dataset.path,
        reason: "has no captions, which condition=text needs; import it with captions, or set "
          + "condition=none")
    }
    switch textEncoder {
    case .learned:
      guard textEncoderFile == nil, textVocabulary == nil else {
        throw ConfigurationError(
          source: textEncoderFile == nil ? "text_vocabulary" : "text_encoder_file",
          reason: "is of no use without text_encoder=clip.")
      }
      if tokenPairs == nil {
        tokenPairs = BytePairTokenizer(learnedFrom: captions.unique, merges: merges).pairs
          .map { Int($0) }
      }
      textWidth = textWidth ?? 64
    case .clip:
      let width = try PromptReader.width(of: self)
      guard textWidth ?? width == width else {
        throw ConfigurationError(
          source: "text_width",
          reason: "is \(textWidth!), but the tokens of \(textEncoderFile!) have \(width) channels.")
      }
      textWidth = width
      let hash = try PromptReader.checksum(of: self)
      try PromptReader.require(hash, as: textEncoderHash, textEncoderFile!)
      textEncoderHash = hash
    }
  }

  /// Takes what is `auto` here from another run.
  mutating func fill(from old: ConditioningSettings) {
    if condition == .class { classNames = classNames ?? old.classNames }
    guard condition == .text, old.condition == .text else { return }
    tokenPairs = tokenPairs ?? old.tokenPairs
    textWidth = textWidth ?? old.textWidth
    textEncoderHash = textEncoderHash ?? old.textEncoderHash
    textEncoderFile = textEncoderFile ?? old.textEncoderFile
    textVocabulary = textVocabulary ?? old.textVocabulary
  }

  private static func list(_ names: [String]) -> String {
    let shown = names.prefix(5).joined(separator: ", ")
    return names.count > 5 ? "\(shown), … (\(names.count))" : shown
  }
}
