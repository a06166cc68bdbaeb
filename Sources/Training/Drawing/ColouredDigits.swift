// Digits in colours, thin and bold, and sentences that say so.

import Storage
import Tensors

/// The embedded digits in one of six colours on black, 8 × 8 × 3; the class is the digit.
///
/// A digit is thin or bold where its ink, the sum of its pixels, is in the lowest or the highest third
/// of its class; nothing is said of the third between.
public struct ColouredDigits: CaptionedImages {
  /// The name in files and on the command line.
  public static let name = "coloured-digits"
  /// 8 rows and columns of red, green and blue.
  public let shape = ImageShape(height: 8, width: 8, channels: 3)
  /// Three sentences that mean the same.
  public let captionsPerImage = 3
  /// The digits' names in the language.
  public let classNames: [String]

  /// How thick the strokes are.
  enum Weight: CaseIterable {
    case thin, plain, bold
  }

  /// What red, green and blue of the ink are.
  enum Colour: Int, CaseIterable {
    case red, green, blue, yellow, purple, white

    var mask: [UInt8] {
      switch self {
      case .red: [1, 0, 0]
      case .green: [0, 1, 0]
      case .blue: [0, 0, 1]
      case .yellow: [1, 1, 0]
      case .purple: [1, 0, 1]
      case .white: [1, 1, 1]
      }
    }

    var chinese: String {
      switch self {
      case .red: "红"
      case .green: "绿"
      case .blue: "蓝"
      case .yellow: "黄"
      case .purple: "紫"
      case .white: "白"
      }
    }
  }

  private let digits: EmbeddedDigits
  private let weights: [Weight]
  private let language: CaptionLanguage

  /// All digits in all colours.
  public init(_ digits: EmbeddedDigits, language: CaptionLanguage) {
    self.digits = digits
    self.language = language
    classNames = language == .english ? Numeral.english : Numeral.chinese
    var weights = [Weight](repeating: .plain, count: digits.images.count)
    for images in digits.ofClass {
      let ink = images.map { (sum: digits.images[$0].reduce(0) { $0 + Int($1) }, image: $0) }
      let rising = ink.sorted { ($0.sum, $0.image) < ($1.sum, $1.image) }.map(\.image)
      for image in rising.prefix(images.count / 3) { weights[image] = .thin }
      for image in rising.suffix(images.count / 3) { weights[image] = .bold }
    }
    self.weights = weights
  }

  /// Image i: one of the digits in one of the colours, each as likely as the others.
  public func image(_ i: Int, seed: UInt64) -> CaptionedImage {
    // Steps 0 to 5 are those of other datasets.
    let stream = RandomStream(seed: seed, purpose: .dataset, step: 6, shard: i)
    let colour = Colour(rawValue: stream.integer(below: Colour.allCases.count))!
    let image = stream.integer(below: digits.images.count, block: 1)
    return CaptionedImage(
      pixels: digits.images[image].flatMap { ink in colour.mask.map { ink * $0 } },
      label: digits.labels[image],
      captions: Self.captions(digits.labels[image], colour, weights[image], language))
  }

  /// Three sentences that mean the same.
  static func captions(
    _ digit: Int, _ colour: Colour, _ weight: Weight, _ language: CaptionLanguage
  ) -> [String] {
    switch language {
    case .english:
      let (word, one) = (Numeral.english[digit], Numeral.withArticle(digit))
      switch weight {
      case .thin:
        return [
          "a thin \(colour) \(word)", "\(one) in thin \(colour) strokes",
          "\(one), thin and \(colour)",
        ]
      case .plain: return ["a \(colour) \(word)", "\(one) in \(colour)", "\(one), \(colour)"]
      case .bold:
        return [
          "a bold \(colour) \(word)", "\(one) in bold \(colour) strokes",
          "\(one), bold and \(colour)",
        ]
      }
    case .chinese:
      let (word, colour) = (Numeral.chinese[digit], colour.chinese)
      switch weight {
      case .thin:
        return ["一个细的\(colour)色的\(word)", "\(colour)色的\(word)，笔画细", "细细的\(word)，\(colour)色"]
      case .plain: return ["一个\(colour)色的\(word)", "\(colour)色的\(word)", "\(word)，\(colour)色"]
      case .bold:
        return ["一个粗的\(colour)色的\(word)", "\(colour)色的\(word)，笔画粗", "粗粗的\(word)，\(colour)色"]
      }
    }
  }
}
