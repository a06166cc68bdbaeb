// Pictures of one or two digits, and sentences that say which and where.

import Storage
import Tensors

/// What a scene shows: one digit at a place, or two side by side or one above the other.
public enum DigitScene: Hashable, Sendable {
  /// The corners and the middle.
  public enum Place: Int, CaseIterable, Sendable {
    case topLeft, topRight, bottomLeft, bottomRight, middle

    /// The row and the column of the digit's first pixel.
    var corner: (y: Int, x: Int) {
      switch self {
      case .topLeft: (0, 0)
      case .topRight: (0, 8)
      case .bottomLeft: (8, 0)
      case .bottomRight: (8, 8)
      case .middle: (4, 4)
      }
    }
  }

  case one(Int, Place)
  case beside(left: Int, right: Int)
  case above(top: Int, bottom: Int)

  /// All scenes, in the order of their classes: 10 · place + digit, then 50 + 10 · left + right, then
  /// 150 + 10 · top + bottom.
  public static let all: [DigitScene] =
    Place.allCases.flatMap { place in (0..<10).map { .one($0, place) } }
    + (0..<100).map { .beside(left: $0 / 10, right: $0 % 10) }
    + (0..<100).map { .above(top: $0 / 10, bottom: $0 % 10) }

  /// The class.
  public var label: Int {
    switch self {
    case .one(let digit, let place): 10 * place.rawValue + digit
    case .beside(let left, let right): 50 + 10 * left + right
    case .above(let top, let bottom): 150 + 10 * top + bottom
    }
  }

  /// The digits, and the row and column of the first pixel of each.
  package var cells: [(digit: Int, y: Int, x: Int)] {
    switch self {
    case .one(let digit, let place): [(digit, place.corner.y, place.corner.x)]
    case .beside(let left, let right): [(left, 4, 0), (right, 4, 8)]
    case .above(let top, let bottom): [(top, 0, 4), (bottom, 8, 4)]
    }
  }
}

/// Pictures of 16 × 16 pixels with one or two of the embedded digits; a tenth of the pairs is held out.
///
/// A network that has learned what the words mean, and not the sentences, draws the pairs that it has
/// never seen. Each digit is held out with one other on either side: for each left digit one right one,
/// for each top digit one bottom one, drawn from the seed as two permutations. So every digit is still
/// seen at every place.
public struct DigitScenes: CaptionedImages {
  /// Which scenes are drawn.
  public enum Part: String, CaseIterable, Sendable {
    /// All but those that are held out, 230 of 250.
    case seen
    /// The 20 that the others are not.
    case heldOut = "held-out"
  }

  /// The name in files and on the command line.
  public static let name = "digit-scenes"
  /// 16 rows and columns.
  public let shape = ImageShape(height: 16, width: 16, channels: 1)
  /// Four sentences that mean the same.
  public let captionsPerImage = 4
  /// The first caption of each scene.
  public let classNames: [String]
  /// The scenes that are drawn, in the order of their classes.
  public let scenes: [DigitScene]

  private let digits: EmbeddedDigits
  private let part: Part
  private let captions: [DigitScene: [String]]

  /// The scenes of a part.
  ///
  /// - Parameter seed: That of the images: it says what is held out.
  public init(_ digits: EmbeddedDigits, part: Part, language: CaptionLanguage, seed: UInt64) {
    self.digits = digits
    self.part = part
    let heldOut = Self.heldOut(seed: seed)
    scenes = DigitScene.all.filter { heldOut.contains($0) == (part == .heldOut) }
    let captions = DigitScene.all.map { $0.captions(in: language) }
    self.captions = Dictionary(uniqueKeysWithValues: zip(DigitScene.all, captions))
    classNames = captions.map { $0[0] }
  }

  /// The pairs that a seed holds out.
  package static func heldOut(seed: UInt64) -> Set<DigitScene> {
    let (right, bottom) = (permutation(seed, step: 4), permutation(seed, step: 5))
    return Set(
      (0..<10).flatMap { digit -> [DigitScene] in
        [.beside(left: digit, right: right[digit]), .above(top: digit, bottom: bottom[digit])]
      })
  }

  /// The ten digits in an order of the seed (Fisher and Yates).
  private static func permutation(_ seed: UInt64, step: Int) -> [Int] {
    let stream = RandomStream(seed: seed, purpose: .dataset, step: step)
    var digits = Array(0..<10)
    for i in stride(from: 9, to: 0, by: -1) {
      digits.swapAt(i, stream.integer(below: i + 1, block: i))
    }
    return digits
  }

  /// Image i: one of the scenes, each as likely as the others, and of each digit one of its writings.
  public func image(_ i: Int, seed: UInt64) -> CaptionedImage {
    // Steps 0 and 1 are those of other datasets.
    let stream = RandomStream(
      seed: seed, purpose: .dataset, step: part == .seen ? 2 : 3, shard: i)
    let scene = scenes[stream.integer(below: scenes.count)]
    var pixels = [UInt8](repeating: 0, count: shape.count)
    for (number, cell) in scene.cells.enumerated() {
      let writings = digits.ofClass[cell.digit]
      let writing = digits.images[
        writings[stream.integer(below: writings.count, block: 1 + number)]]
      for (k, value) in writing.enumerated() {
        let (y, x) = (cell.y + k / EmbeddedDigits.side, cell.x + k % EmbeddedDigits.side)
        pixels[y * shape.width + x] = value
      }
    }
    return CaptionedImage(pixels: pixels, label: scene.label, captions: captions[scene]!)
  }
}
