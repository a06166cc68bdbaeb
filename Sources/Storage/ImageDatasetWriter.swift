// Writes a dataset image by image, in memory that does not grow with it.

import HDF5
import Tensors

/// A dataset under construction: `append` the images in order, then `finish`.
///
/// The images go to a temporary file beside the target. `finish` writes what remains, reads the
/// file back and compares the checksum, and only then gives it its name. A writer that goes out of
/// scope without `finish`, after an error for example, leaves nothing. Equal input gives equal
/// bytes, in whatever portions it comes.
public final class ImageDatasetWriter {
  /// What was written.
  public struct Summary: Equatable, Sendable {
    /// The file.
    public let path: String
    /// The number of images.
    public let count: Int
    /// The extents of one image.
    public let shape: ImageShape
    /// The number of grey levels.
    public let levels: Int
    /// The number of images of each class 0, 1, …, or nil without labels.
    public let classCounts: [Int]?
    /// The checksum of shape, levels and pixels.
    public let contentHash: String
    /// The size of the file in bytes.
    public let bytes: Int
  }

  private let path: String
  private let shape: ImageShape
  private let levels: Int
  private let classNames: [String]?
  private let rowsPerChunk: Int
  private var output: Output?
  private var hash = ContentHash()
  /// Whole images that do not fill a chunk yet.
  private var pending: [UInt8] = []
  private var count = 0
  private var labels: [Int]?
  private let attributes: [(String, String)]

  /// The open file; all of it goes when the first error comes.
  private struct Output: ~Copyable {
    let temporary: TemporaryFile
    let file: File
    let root: Group
    var images: Dataset
  }

  /// Creates the temporary file.
  ///
  /// - Parameters:
  ///   - path: The file to write; one that exists is replaced when the new one is complete.
  ///   - shape: The extents of every image.
  ///   - levels: The number of grey levels, 2 … 256: values are 0 … levels − 1.
  ///   - name: The dataset's name.
  ///   - origin: Where the images come from.
  ///   - license: Under which terms they may be used.
  ///   - classNames: The names of the classes 0, 1, …, for images with labels.
  ///   - gzip: Compress chunks at a level of 1 to 9; nil, the default, reads fastest.
  public init(
    output path: String, shape: ImageShape, levels: Int = 256, name: String,
    origin: String? = nil, license: String? = nil, classNames: [String]? = nil, gzip: Int? = nil
  ) throws(StorageError) {
    precondition(shape.count > 0, "An image must have pixels.")
    precondition((2...256).contains(levels), "Bytes have 2 to 256 levels.")
    self.path = path
    self.shape = shape
    self.levels = levels
    self.classNames = classNames
    rowsPerChunk = max(1, (1 << 16) / shape.count)
    attributes = [("name", name), ("origin", origin ?? ""), ("license", license ?? "")]
      .filter { !$0.1.isEmpty }
    let temporary = try TemporaryFile(for: path)
    do throws(HDF5Error) {
      let file = try File.create(temporary.path)
      let root = try file.root()
      try FileFormat.dataset.write(to: root)
      let extents = [shape.height, shape.width, shape.channels]
      let images = try root.createDataset(
        "images", of: UInt8.self, shape: [0] + extents,
        layout: .chunked([rowsPerChunk] + extents, gzip: gzip, growing: true))
      try images.setAttribute("levels", .integer(levels))
      try images.setAttribute("layout", .string(AxisOrder.channelsLast.rawValue))
      output = Output(temporary: temporary, file: file, root: root, images: images)
    } catch {
      throw StorageError(writing: path, error)
    }
  }

  /// Adds images behind the last ones.
  ///
  /// - Parameters:
  ///   - images: Whole images: n × H × W × C bytes, channels last.
  ///   - labels: The class of each, for all images of the dataset or for none.
  /// - Throws: `.badData` for a value above the levels or a class without a name, `.inputOutput`
  ///   where writing fails. The writer is of no use then and leaves no file.
  public func append(images: [UInt8], labels newLabels: [Int]? = nil) throws(StorageError) {
    precondition(images.count % shape.count == 0, "Only whole images can be appended.")
    let added = images.count / shape.count
    precondition(newLabels == nil || newLabels!.count == added, "Each image needs one label.")
    precondition(
      count == 0 || (labels == nil) == (newLabels == nil), "All images have labels, or none has.")
    do throws(StorageError) {
      try check(images, newLabels)
      if let newLabels { labels = (labels.take() ?? []) + newLabels }
      images.withUnsafeBytes { hash.update($0) }
      count += added
      pending += images
      try writeChunks(all: false)
    } catch {
      output = nil
      throw error
    }
  }

  /// Writes what remains, verifies the file and gives it its name.
  ///
  /// - Throws: `.badData` without images, `.inputOutput` where writing fails; no file is left then.
  public func finish() throws(StorageError) -> Summary {
    guard count > 0 else {
      output = nil
      throw .badData(path: path, reason: "would be a dataset without images; nothing was written")
    }
    do throws(StorageError) {
      try writeChunks(all: true)
    } catch {
      output = nil
      throw error
    }
    hash.update(count: count, shape: shape, format: .levels(levels))
    let contentHash = hash.hexadecimal()
    guard let output = output.take() else {
      preconditionFailure("A writer is finished once, and not after an error.")
    }
    let temporary = try close(output, contentHash)
    let bytes = try verify(temporary, contentHash)
    try temporary.publish()
    return Summary(
      path: path, count: count, shape: shape, levels: levels, classCounts: classCounts(),
      contentHash: contentHash, bytes: bytes)
  }

  private func check(_ images: [UInt8], _ newLabels: [Int]?) throws(StorageError) {
    if let value = levels < 256 ? images.max() : nil, Int(value) >= levels {
      let image = images.firstIndex(of: value)! / shape.count
      throw .badData(
        path: path,
        reason: "image \(count + image) has the value \(value), but levels are 0 … \(levels - 1)")
    }
    let limit = classNames?.count ?? ImageDataset.classLimit
    if let index = newLabels?.firstIndex(where: { $0 < 0 || $0 >= limit }) {
      throw .badData(
        path: path,
        reason: "image \(count + index) has the class \(newLabels![index]); classes are "
          + "0 … \(limit - 1)")
    }
  }

  /// Writes full chunks, each once, so that their bytes do not depend on the portions.
  private func writeChunks(all: Bool) throws(StorageError) {
    let chunkBytes = rowsPerChunk * shape.count
    let bytes = all ? pending.count : pending.count / chunkBytes * chunkBytes
    guard bytes > 0 else { return }
    precondition(output != nil, "A writer takes no images after an error or its end.")
    do throws(HDF5Error) {
      try pending.withUnsafeBufferPointer { (buffer) throws(HDF5Error) in
        try output!.images.append(rows: UnsafeBufferPointer(rebasing: buffer[..<bytes]))
      }
    } catch {
      throw StorageError(writing: path, error)
    }
    pending.removeFirst(bytes)
  }

  /// Writes labels and attributes and closes everything, each close checked.
  private func close(
    _ output: consuming Output, _ contentHash: String
  ) throws(StorageError) -> TemporaryFile {
    do throws(HDF5Error) {
      try output.images.close()
      if let labels {
        let dataset = try output.root.createDataset(
          "labels", of: Int64.self, shape: [labels.count])
        let values = labels.map { Int64($0) }
        try values.withUnsafeBufferPointer { (buffer) throws(HDF5Error) in
          try dataset.write(buffer)
        }
        if let classNames { try dataset.setAttribute("class_names", .strings(classNames)) }
        try dataset.close()
      }
      for (name, value) in attributes { try output.root.setAttribute(name, .string(value)) }
      try output.root.setAttribute("content_hash", .string(contentHash))
      try output.root.close()
      try output.file.close()
    } catch {
      throw StorageError(writing: path, error)
    }
    return output.temporary
  }

  /// Reads the finished file back: a disk error may have stayed unnoticed until here.
  private func verify(
    _ temporary: borrowing TemporaryFile, _ contentHash: String
  ) throws(StorageError) -> Int {
    try temporary.synchronize()
    do throws(StorageError) {
      let written = try ImageDataset(path: temporary.path)
      guard try written.verify() == contentHash, written.labels == labels else {
        throw .inputOutput(path: path, reason: "what was written differs from what was given")
      }
      return try requireFile(temporary.path, role: "a dataset")
    } catch {
      throw .inputOutput(path: path, reason: "cannot be written: \(error.reason)")
    }
  }

  private func classCounts() -> [Int]? {
    guard let labels else { return nil }
    var counts = [Int](
      repeating: 0, count: max(classNames?.count ?? 0, (labels.max() ?? -1) + 1))
    for label in labels { counts[label] += 1 }
    return counts
  }
}
