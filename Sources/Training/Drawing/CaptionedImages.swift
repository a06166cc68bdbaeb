// Datasets of images with captions that are made of the embedded digits: no download is needed.

import Storage
import Tensors

/// The language of captions.
public enum CaptionLanguage: String, CaseIterable, Sendable {
  case english, chinese
}

/// Images that are put together from the embedded digits, and are told in words.
public protocol CaptionedImages {
  /// The name in files and on the command line.
  static var name: String { get }
  /// The extents of an image; its values are 0 … 16.
  var shape: ImageShape { get }
  /// The names of the classes 0, 1, ….
  var classNames: [String] { get }
  /// How many captions each image has.
  var captionsPerImage: Int { get }

  /// Image i of a seed: a function of these two alone.
  func image(_ i: Int, seed: UInt64) -> CaptionedImage
}

/// An image, its class, and what is said of it.
public struct CaptionedImage: Equatable, Sendable {
  /// The pixels, height × width × channels.
  public let pixels: [UInt8]
  /// The class.
  public let label: Int
  /// Sentences that mean the same.
  public let captions: [String]
}

extension CaptionedImages {
  /// Writes images 0 ..< count of a seed as a dataset.
  ///
  /// - Parameters:
  ///   - origin: How the file was made, for the record.
  ///   - path: The file to write; one that exists is replaced when the new one is complete.
  ///   - progress: Is told after every batch how many images are done.
  /// - Throws: `.cannotCreate` or `.inputOutput`; no file is left then.
  public func write(
    count: Int, seed: UInt64, origin: String, to path: String,
    progress: (_ done: Int) -> Void = { _ in }
  ) throws(StorageError) -> ImageDatasetWriter.Summary {
    precondition(count > 0, "A dataset has images.")
    let writer = try ImageDatasetWriter(
      output: path, shape: shape, format: .levels(EmbeddedDigits.levels), name: Self.name,
      origin: origin, license: "CC BY 4.0, as the embedded digits", classNames: classNames,
      captionsPerImage: captionsPerImage)
    let batch = 4096
    for first in stride(from: 0, to: count, by: batch) {
      let images = (first..<min(first + batch, count)).map { image($0, seed: seed) }
      try writer.append(
        images: images.flatMap(\.pixels), labels: images.map(\.label),
        captions: images.map(\.captions))
      progress(first + images.count)
    }
    return try writer.finish()
  }
}

/// The embedded digits, sorted into their classes.
public struct EmbeddedDigits: Sendable {
  /// The rows and columns of a digit.
  static let side = 8
  /// Values are 0 … 16.
  static let levels = 17
  /// The pixels of each digit, row by row.
  package let images: [[UInt8]]
  /// The class of each, 0 … 9.
  package let labels: [Int]
  /// The digits of each class.
  package let ofClass: [[Int]]

  /// Reads them.
  public init() throws(StorageError) {
    let digits = try ImageDataset.digits()
    let reader = try ImageReader(digits, range: 0..<digits.count)
    let (count, size) = (digits.count, Self.side * Self.side)
    var values = [Float](repeating: 0, count: count * size)
    try values.withUnsafeMutableBufferPointer { (buffer) throws(StorageError) in
      try reader.read(Array(0..<count), into: buffer.baseAddress!)
    }
    let bytes = values.withUnsafeBufferPointer { digits.format.encode($0) }
    images = (0..<count).map { Array(bytes[$0 * size..<($0 + 1) * size]) }
    let labels = digits.labels!
    self.labels = labels
    ofClass = (0..<10).map { digit in labels.indices.filter { labels[$0] == digit } }
  }
}
