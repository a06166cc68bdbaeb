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
    /// The element type and scale of the pixels.
    public let format: PixelFormat
    /// The number of images of each class 0, 1, …, or nil without labels.
    public let classCounts: [Int]?
    /// What is said of the images, or nil without captions.
    public let captions: ImageCaptions?
    /// The checksum of shape, scale and pixels.
    public let contentHash: String
    /// The size of the file in bytes.
    public let bytes: Int
  }

  private let path: String
  private let shape: ImageShape
  private let format: PixelFormat
  private let classNames: [String]?
  private let rowsPerChunk: Int
  private var output: Output?
  private var hash = ContentHash()
  /// The bytes of whole images that do not fill a chunk yet.
  private var pending: [UInt8] = []
  /// The bytes of the first images, for a picture of them.
  private var firstImages: [UInt8] = []
  private var count = 0
  private var labels: [Int]?
  private var captions: ImageCaptions?
  private let gzip: Int?
  private let attributes: [(String, String)]
  private let origins: [String: AttributeValue]

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
  ///   - format: 2 … 65,536 grey levels, or 32-bit floats of a range.
  ///   - name: The dataset's name.
  ///   - origin: Where the images come from.
  ///   - license: Under which terms they may be used.
  ///   - classNames: The names of the classes 0, 1, …, for images with labels.
  ///   - captionsPerImage: How many captions come with each image; 0, the default, for none.
  ///   - gzip: Compress chunks at a level of 1 to 9; nil, the default, reads fastest.
  ///   - origins: What the source of the images says of them: attributes of `/source`. What is too long for one is
  ///     left out.
  public init(
    output path: String, shape: ImageShape, format: PixelFormat = .levels(256), name: String,
    origin: String? = nil, license: String? = nil, classNames: [String]? = nil,
    captionsPerImage: Int = 0, gzip: Int? = nil, origins: [String: AttributeValue] = [:]
  ) throws(StorageError) {
    precondition(shape.count > 0, "An image must have pixels.")
    if case .levels(let levels) = format {
      precondition(
        PixelFormat.possibleLevels.contains(levels), "Images have 2 to 65,536 levels.")
    }
    self.path = path
    self.shape = shape
    self.format = format
    self.classNames = classNames
    (self.gzip, self.origins) = (gzip, origins)
    captions = captionsPerImage == 0 ? nil : ImageCaptions(perImage: captionsPerImage)
    rowsPerChunk = max(1, (1 << 16) / (shape.count * format.bytes))
    attributes = [("name", name), ("origin", origin ?? ""), ("license", license ?? "")]
      .filter { !$0.1.isEmpty }
    let temporary = try TemporaryFile(for: path)
    do throws(HDF5Error) {
      let file = try File.create(temporary.path)
      let root = try file.root()
      // Earlier programs know neither several captions of an image nor levels of 16 bits.
      let isNew = captionsPerImage > 1 || format.element == .uint16
      try FileFormat.dataset.write(to: root, version: isNew ? 2 : 1)
      let extents = [shape.height, shape.width, shape.channels]
      let layout = DatasetLayout.chunked([rowsPerChunk] + extents, gzip: gzip, growing: true)
      let images = try root.createDataset(
        "images", of: format.element.type, shape: [0] + extents, layout: layout)
      switch format {
      case .levels(let levels): try images.setAttribute("levels", .integer(levels))
      case .range(let range):
        try images.setAttribute("value_range", .doubles([range.lowerBound, range.upperBound]))
      }
      try images.setAttribute("layout", .string(AxisOrder.channelsLast.rawValue))
      let hints = ViewerAttributes.picture(channels: shape.channels, isStack: true)
      for (name, value) in hints.sorted(by: { $0.key < $1.key }) {
        try images.setAttribute(name, value)
      }
      output = Output(temporary: temporary, file: file, root: root, images: images)
    } catch {
      throw StorageError(writing: path, error)
    }
  }

  /// Adds images behind the last ones.
  ///
  /// - Parameters:
  ///   - images: Whole images: n × H × W × C values in the bytes of the format, channels last.
  ///   - labels: The class of each, for all images of the dataset or for none.
  ///   - captions: The captions of each, as many as the writer was told; nil where it was told none.
  /// - Throws: `.badData` for a value that the format does not allow, a class without a name or what is
  ///   no caption, `.inputOutput` where writing fails. The writer is of no use then and leaves no file.
  public func append(
    images: [UInt8], labels: [Int]? = nil, captions: [[String]]? = nil
  ) throws(StorageError) {
    try append(bytes: images, labels, captions)
  }

  /// Adds continuous images behind the last ones.
  ///
  /// - Parameters:
  ///   - values: Whole images: n × H × W × C values of the format's range, channels last.
  ///   - labels: The class of each, for all images of the dataset or for none.
  /// - Throws: As `append` of bytes.
  public func append(values: [Float], labels: [Int]? = nil) throws(StorageError) {
    precondition(format.bytes == 4, "Floats are for continuous images.")
    try append(bytes: values.withUnsafeBytes { Array($0) }, labels, nil)
  }

  private func append(
    bytes images: [UInt8], _ newLabels: [Int]?, _ newCaptions: [[String]]?
  ) throws(StorageError) {
    let imageBytes = shape.count * format.bytes
    precondition(images.count % imageBytes == 0, "Only whole images can be appended.")
    let added = images.count / imageBytes
    precondition(newLabels == nil || newLabels!.count == added, "Each image needs one label.")
    precondition(
      count == 0 || (labels == nil) == (newLabels == nil), "All images have labels, or none has.")
    precondition(
      (newCaptions == nil) == (captions == nil) && newCaptions?.count ?? added == added
        && newCaptions?.allSatisfy { $0.count == captions?.perImage } != false,
      "Each image comes with the captions that the writer was told of.")
    do throws(StorageError) {
      try check(images, newLabels)
      try add(newCaptions ?? [])
      if let newLabels {
        if labels == nil { labels = [] }
        labels!.append(contentsOf: newLabels)
      }
      images.withUnsafeBytes { hash.update($0) }
      count += added
      pending += images
      let room = ViewerAttributes.pictureCount * imageBytes - firstImages.count
      firstImages += images.prefix(max(0, room))
      try writeChunks(all: false)
    } catch {
      output = nil
      throw error
    }
  }

  /// Writes what remains, verifies the file and gives it its name.
  ///
  /// - Parameters:
  ///   - truth: What is known of the distribution that the images were drawn from.
  ///   - parameters: What that distribution is made of, for the record.
  /// - Throws: `.badData` without images, `.inputOutput` where writing fails; no file is left then.
  public func finish(
    truth: KnownTruth? = nil, parameters: [(name: String, values: [Double])] = []
  ) throws(StorageError) -> Summary {
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
    hash.update(count: count, shape: shape, format: format)
    let contentHash = hash.hexadecimal()
    guard let output = output.take() else {
      preconditionFailure("A writer is finished once, and not after an error.")
    }
    let temporary = try close(output, contentHash, truth, parameters)
    let bytes = try verify(temporary, contentHash, truth)
    try temporary.publish()
    return Summary(
      path: path, count: count, shape: shape, format: format, classCounts: classCounts(),
      captions: captions, contentHash: contentHash, bytes: bytes)
  }

  private func check(_ images: [UInt8], _ newLabels: [Int]?) throws(StorageError) {
    let imageBytes = shape.count * format.bytes
    let fault = images.withUnsafeBytes { bytes in
      (0..<bytes.count / imageBytes).lazy.compactMap { [format] image in
        let one = bytes[image * imageBytes..<(image + 1) * imageBytes]
        return format.fault(in: UnsafeRawBufferPointer(rebasing: one)).map { (image, $0) }
      }.first
    }
    if let (image, fault) = fault {
      throw .badData(path: path, reason: "image \(count + image) has \(fault)")
    }
    let limit = classNames?.count ?? ImageDataset.classLimit
    if let index = newLabels?.firstIndex(where: { $0 < 0 || $0 >= limit }) {
      throw .badData(
        path: path,
        reason: "image \(count + index) has the class \(newLabels![index]); classes are "
          + "0 … \(limit - 1)")
    }
  }

  private func add(_ newCaptions: [[String]]) throws(StorageError) {
    for (image, texts) in newCaptions.enumerated() {
      for (index, text) in texts.enumerated() {
        if let fault = captions!.add(text) {
          let name = ImageCaptions.name(
            (count + image) * texts.count + index, perImage: texts.count)
          throw .badData(path: path, reason: "\(name) \(fault)")
        }
      }
    }
  }

  /// Writes full chunks, each once, so that their bytes do not depend on the portions.
  private func writeChunks(all: Bool) throws(StorageError) {
    let chunkBytes = rowsPerChunk * shape.count * format.bytes
    let bytes = all ? pending.count : pending.count / chunkBytes * chunkBytes
    guard bytes > 0 else { return }
    precondition(output != nil, "A writer takes no images after an error or its end.")
    do throws(HDF5Error) {
      try pending.withUnsafeBufferPointer { (buffer) throws(HDF5Error) in
        let rows = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: buffer[..<bytes]))
        switch format.element {
        case .uint8: try output!.images.append(rows: rows.assumingMemoryBound(to: UInt8.self))
        case .uint16: try output!.images.append(rows: rows.assumingMemoryBound(to: UInt16.self))
        case .float32: try output!.images.append(rows: rows.assumingMemoryBound(to: Float.self))
        }
      }
    } catch {
      throw StorageError(writing: path, error)
    }
    pending.removeFirst(bytes)
  }

  /// Writes labels and attributes and closes everything, each close checked.
  private func close(
    _ output: consuming Output, _ contentHash: String, _ truth: KnownTruth?,
    _ parameters: [(name: String, values: [Double])]
  ) throws(StorageError) -> TemporaryFile {
    do throws(HDF5Error) {
      try output.images.close()
      if let labels { try output.root.write(labels: labels, classNames: classNames) }
      try captions?.write(to: output.root, named: "captions", gzip: gzip)
      for (name, value) in attributes { try output.root.setAttribute(name, .string(value)) }
      try output.root.setAttribute("content_hash", .string(contentHash))
      if !origins.isEmpty {
        let source = try output.root.createGroup("source")
        for (name, value) in origins.sorted(by: { $0.key < $1.key }) {
          // What an attribute cannot hold is not worth the dataset.
          try? source.setAttribute(name, value)
        }
        try source.close()
      }
      try truth?.write(to: output.root, parameters: parameters)
      let shown = firstImages.count / (shape.count * format.bytes)
      let grid = ImageGrid(shape: shape, count: shown, magnification: 1)
      try ViewerAttributes.writeView(grid.picture(of: firstImages, format), to: output.root)
      try output.root.close()
      try output.file.close()
    } catch {
      throw StorageError(writing: path, error)
    }
    try DatasetTrailer.append(to: output.temporary.path, for: path)
    return output.temporary
  }

  /// Reads the finished file back: a disk error may have stayed unnoticed until here.
  private func verify(
    _ temporary: borrowing TemporaryFile, _ contentHash: String, _ truth: KnownTruth?
  ) throws(StorageError) -> Int {
    try temporary.synchronize()
    do throws(StorageError) {
      // No child need read what this process has just written.
      let written = try ImageDataset(.file(temporary.path), group: nil)
      guard try written.verify() == contentHash, written.labels == labels, written.truth == truth,
        written.captions == captions
      else {
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
