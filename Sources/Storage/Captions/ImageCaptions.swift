// What is said of the images of a dataset in words.

/// The captions of images: M of each, of which many may be the same.
///
/// Each text is kept once, and of each image the numbers of its texts: what is computed of a caption
/// (its tokens, what a frozen encoder makes of it) can be computed once for all images that share it.
public struct ImageCaptions: Equatable, Sendable {
  /// The most bytes of a caption, in UTF-8.
  public static let longest = 4096
  /// The most captions of an image.
  public static let mostPerImage = 64

  /// The different captions, in the order in which they first occur.
  public internal(set) var unique: [String] = []
  /// The number of captions of each image, M.
  public let perImage: Int
  /// For each caption of each image its place in `unique`.
  private(set) var numbers: [Int32] = []
  private var places: [Spelling: Int32] = [:]

  /// No captions yet.
  ///
  /// - Parameter perImage: How many each image has, 1 … `mostPerImage`.
  public init(perImage: Int) {
    precondition((1...Self.mostPerImage).contains(perImage), "An image has a few captions.")
    self.perImage = perImage
  }

  /// Captions of images.
  ///
  /// - Parameter captions: Those of each image, equally many, which `fault` has nothing against.
  public init(_ captions: [[String]]) {
    self.init(perImage: captions.first?.count ?? 1)
    for caption in captions.joined() {
      let fault = add(caption)
      precondition(fault == nil, "A caption is checked before it is kept.")
    }
    precondition(captions.allSatisfy { $0.count == perImage }, "Images have equally many captions.")
  }

  /// The number of images.
  public var count: Int { numbers.count / perImage }

  /// The captions of an image.
  public func captions(of image: Int) -> [String] { numbers(of: image).map { unique[$0] } }

  /// The places in `unique` of the captions of an image.
  public func numbers(of image: Int) -> [Int] {
    numbers[image * perImage..<(image + 1) * perImage].map { Int($0) }
  }

  /// The checksum of the captions, as 32 hexadecimal digits: XXH3-128 over the bytes of each and a zero
  /// byte, image by image, and then N and M, each as eight bytes little-endian.
  public var hash: String {
    var hash = ContentHash()
    for number in numbers { hash.update(unique[Int(number)]) }
    hash.update([count, perImage])
    return hash.hexadecimal()
  }

  /// The bytes of the longest caption.
  public var longestBytes: Int { unique.map(\.utf8.count).max() ?? 0 }

  /// Adds the next caption, of the last image or of the next one.
  ///
  /// - Returns: Why it is none, in words that follow "the caption of image 3"; nil where it is one.
  mutating func add(_ text: String) -> String? {
    if let place = places[Spelling(text: text)] {
      numbers.append(place)
      return nil
    }
    if let fault = Self.fault(in: text) { return fault }
    let place = Int32(unique.count)
    places[Spelling(text: text)] = place
    unique.append(text)
    numbers.append(place)
    return nil
  }

  /// Adds the caption of some bytes, as the other `add`.
  mutating func add(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
    switch Self.text(of: bytes) {
    case .success(let text): add(text)
    case .failure(let reason): reason.text
    }
  }

  /// The text of bytes that are not too many.
  static func text(of bytes: UnsafeBufferPointer<UInt8>) -> Result<String, StorageErrorReason> {
    guard bytes.count <= longest else { return .failure(.init(tooLong(bytes.count))) }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      return .failure(.init("is not UTF-8"))
    }
    return .success(text)
  }

  private static func tooLong(_ bytes: Int) -> String {
    "has \(bytes) bytes; \(longest) are possible"
  }

  /// Why a text is no caption; nil where it is one.
  private static func fault(in text: String) -> String? {
    guard text.utf8.count <= longest else { return tooLong(text.utf8.count) }
    guard !text.utf8.contains(0) else { return "holds a zero byte" }
    guard text.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
      return "is empty"
    }
    return nil
  }

  /// As `the caption of image 3` or, where there are several, `caption 2 of image 3`, counted from 0.
  static func name(_ index: Int, perImage: Int) -> String {
    perImage == 1
      ? "the caption of image \(index)"
      : "caption \(index % perImage) of image \(index / perImage)"
  }
}

extension ImageCaptions {
  /// Whether images have the same captions, byte for byte.
  public static func == (one: ImageCaptions, other: ImageCaptions) -> Bool {
    one.perImage == other.perImage && one.numbers == other.numbers
      && one.unique.elementsEqual(other.unique) { $0.utf8.elementsEqual($1.utf8) }
  }
}

/// A text by its bytes: some strings that differ in bytes are equal.
private struct Spelling: Hashable, Sendable {
  let text: String

  static func == (one: Spelling, other: Spelling) -> Bool {
    one.text == other.text && one.text.utf8.elementsEqual(other.text.utf8)
  }

  func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}
