// What all formats of images have in common once they are opened.

import HDF5
import Tensors

/// What an import knows before it has read the images.
public struct ImportedHeader: Equatable, Sendable {
  /// The file or folder with the images, for messages.
  public let path: String
  /// Extents of every image.
  public let shape: ImageShape
  /// The element type and scale of the pixels.
  public let format: PixelFormat
  /// Number of images.
  public let count: Int
  /// Whether every image comes with a class.
  public let hasLabels: Bool
  /// Names of the classes 0, 1, …, where the source has them.
  public let classNames: [String]?
  /// A name for the dataset, taken from the file's or folder's name.
  public let suggestedName: String
}

/// A set of images in somebody else's format: a header, and the images in batches.
///
/// Each format is one file with one function that makes a source:
/// `idx`, `cifar10`, `csv`, `pictures`, `npy`.
public struct ImportSource {
  /// Takes a batch: images (N × H × W × C values in the bytes of the header's format, channels last) and, where
  /// there are any, N classes.
  public typealias Sink = (_ images: [UInt8], _ labels: [Int]?) throws -> Void

  /// What is known before the images are read.
  public let header: ImportedHeader
  /// What the source says of its images, or nil where it says nothing.
  public let captions: ImageCaptions?
  /// The names of the images, in order, where each is a file of its own.
  let names: [String]?
  /// What the source says of itself, which a dataset keeps as the attributes of `/source`.
  var origins: [String: AttributeValue] = [:]
  /// What there is to say once all images are read.
  package var notes: () -> [String] = { [] }
  private let stream: (Sink) throws -> Void

  init(
    header: ImportedHeader, captions: ImageCaptions? = nil, names: [String]? = nil,
    stream: @escaping (Sink) throws -> Void
  ) {
    self.header = header
    self.captions = captions
    self.names = names
    self.stream = stream
  }

  /// Reads all the images, in order, and hands them to `sink` a batch at a time.
  ///
  /// - Throws: `StorageError` at the first thing that is wrong with the input, and what `sink`
  ///   throws.
  public func forEachBatch(_ sink: Sink) throws {
    try stream(sink)
  }

  /// The last part of a path without `.gz` and without its extension: "a/train-images.idx.gz"
  /// gives "train-images".
  static func suggestedName(for path: String) -> String {
    var name = path.split(separator: "/").last.map(String.init) ?? path
    if name.hasSuffix(".gz") { name.removeLast(3) }
    if let dot = name.lastIndex(of: "."), dot != name.startIndex { name = String(name[..<dot]) }
    return name
  }
}

extension ImageShape {
  /// One image may take this many bytes; a larger one is taken for a damaged header.
  static let importLimit = 1 << 26

  /// How many images make a batch of about 4 MiB.
  var importBatch: Int { min(max((1 << 22) / count, 1), 4096) }

  /// The shape, where its extents are at least 1 and its size is below `importLimit`.
  static func checked(height: Int, width: Int, channels: Int) -> ImageShape? {
    guard height > 0, width > 0, channels > 0,
      height <= importLimit, width <= importLimit, channels <= importLimit,
      height * width <= importLimit, height * width * channels <= importLimit
    else { return nil }
    return ImageShape(height: height, width: width, channels: channels)
  }
}
