// A dataset as its declaration describes it.

import HDF5
import Synchronization
import Tensors

/// A set of images in an HDF5 file: what is known of it before its pixels are read.
///
/// `docs/formats.md` describes the file. Opening checks the declaration: types, shapes, storage,
/// labels and captions. The pixels are checked as they are read, by `ImageReader` and by `verify`.
public struct ImageDataset: Sendable {
  /// The path of the file, or a label where it is embedded in the program.
  public let path: String
  /// The group that holds the images, for files with several splits; nil for the root.
  public let group: String?
  /// The dataset's name; the file's name where it declares none.
  public let name: String
  /// Where the images come from, if the file says so.
  public let origin: String?
  /// Under which terms they may be used, if the file says so.
  public let license: String?
  /// The number of images N, at least 1.
  public let count: Int
  /// The extents of one image.
  public let shape: ImageShape
  /// The element type and scale of the pixels.
  public let format: PixelFormat
  /// The class of each image, not negative, or nil where the file has no labels.
  public let labels: [Int]?
  /// The names of the classes 0, 1, …, if the file has them.
  public let classNames: [String]?
  /// What is said of each image in words, or nil where the file has no captions.
  public let captions: ImageCaptions?
  /// The checksum that the file declares for its shape and pixels, or nil; `verify` compares it.
  public let contentHash: String?
  /// The checksum that the file declares for its captions, or nil; `verify` compares it.
  public let captionsHash: String?
  /// What the file knows of the distribution that its images were drawn from.
  public let truth: KnownTruth?
  /// How the pixels are stored, in words: `chunks of 21 images, gzip`.
  public let storage: String

  /// The number of grey levels, 2 … 256, or nil for floating-point images.
  public var levels: Int? {
    if case .levels(let levels) = format { levels } else { nil }
  }

  let source: DatasetSource
  let order: AxisOrder
  /// The extents of a chunk of the stored images, or nil where they are contiguous.
  let chunk: [Int]?
  /// Whether chunks are compressed or otherwise transformed.
  let isFiltered: Bool

  /// Opens a file and checks what it declares; a child process opens it first (`ChildCheck`).
  ///
  /// - Parameters:
  ///   - path: The HDF5 file.
  ///   - group: The group of a split, as `train`; nil for the root.
  /// - Throws: `.missingInput` where there is no readable file, `.badData` for everything else.
  public init(path: String, group: String? = nil) throws(StorageError) {
    let bytes = try requireFile(path, role: "a dataset")
    guard bytes > 0 else { throw .badData(path: path, reason: "is empty") }
    guard isHDF5(path) else {
      throw .badData(
        path: path,
        reason: "is not an HDF5 file; `ddpm-dist dataset import` makes one from other formats")
    }
    if !Self.trusted.withLock({ $0.contains([path, group ?? "/"]) }) {
      try DatasetTrailer.check(path)
      try ChildCheck.require(path, .dataset(group: group))
    }
    try self.init(.file(path), group: group)
  }

  private static let trusted = Mutex<Set<[String]>>([])

  /// Takes it from another process of this machine, which has opened a file just now, that it may be opened:
  /// it is not read through once more, by this process or by a child, but what it declares is checked.
  public static func trust(_ path: String, group: String? = nil) {
    trusted.withLock { _ = $0.insert([path, group ?? "/"]) }
  }

  /// The 1,797 handwritten digits of 8×8 pixels and 17 levels that are embedded in the program.
  ///
  /// E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI Machine Learning
  /// Repository, CC BY 4.0.
  public static func digits() throws(StorageError) -> ImageDataset {
    try ImageDataset(embedded: PackageResources.digits_h5, label: "the embedded digits")
  }

  /// Opens the bytes of a file in memory.
  package init(embedded bytes: [UInt8], label: String, group: String? = nil) throws(StorageError) {
    try self.init(.memory(FileImage(bytes), label: label), group: group)
  }
}
