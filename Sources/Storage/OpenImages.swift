// The pixels of a dataset in the order of storage: every read passes here and is checked here.

import HDF5

/// An open dataset whose images can be read, any number of neighbours at a time.
///
/// It may move between threads, but serves one at a time: `ImageReader` keeps it behind a lock.
struct OpenImages: ~Copyable, @unchecked Sendable {
  private let dataset: ImageDataset
  private let file: File
  private let images: Dataset
  /// One image in the order of storage, where that is not channels last.
  private var scratch: [UInt8]

  /// The bytes of one image.
  var imageBytes: Int { dataset.shape.count * dataset.format.bytes }

  private init(_ dataset: ImageDataset, _ file: consuming File, _ images: consuming Dataset) {
    self.dataset = dataset
    self.file = file
    self.images = images
    let needsScratch = dataset.order == .channelsFirst
    scratch = [UInt8](
      repeating: 0, count: needsScratch ? dataset.shape.count * dataset.format.bytes : 0)
  }

  /// Opens the file again.
  static func open(
    _ dataset: ImageDataset, memoryLimit: Int
  ) throws(StorageError) -> OpenImages {
    try reading(dataset.path) { () throws(HDF5Error) -> OpenImages in
      let file = try dataset.source.open()
      let group = try dataset.open(in: file)
      let images = try group.dataset(
        "images", chunkCacheBytes: Self.cacheBytes(dataset, limit: memoryLimit))
      // The file may have been replaced since it was described.
      let shape = dataset.shape
      let extents =
        dataset.order == .channelsLast
        ? [shape.height, shape.width, shape.channels] : [shape.channels, shape.height, shape.width]
      guard images.shape == [dataset.count] + extents, images.chunk == dataset.chunk else {
        throw .refused(place: images.place, reason: "has changed while the program ran")
      }
      return OpenImages(dataset, file, images)
    }
  }

  /// The memory for chunks: four times what one image touches where they must be unpacked whole,
  /// and never less than that, so that neighbouring images unpack no chunk twice.
  ///
  /// Without a cache the library reads from plain chunks just the rows that are asked for, which
  /// was four times faster for single images of 3 KiB in chunks of 64 KiB.
  private static func cacheBytes(_ dataset: ImageDataset, limit: Int) -> Int? {
    guard let chunk = dataset.chunk else { return nil }
    guard dataset.isFiltered else { return 0 }
    let row = ChunkSize(of: chunk, shape: dataset.shape, dataset.order, dataset.format).row
    return max(1 << 20, row, min(limit, 4 * row))
  }

  /// Reads neighbouring images, channels last, and checks every value.
  ///
  /// - Parameters:
  ///   - rows: The images.
  ///   - buffer: Memory for exactly these images in the dataset's element type.
  mutating func read(
    _ rows: Range<Int>, into buffer: UnsafeMutableRawBufferPointer
  ) throws(StorageError) {
    precondition(buffer.count == rows.count * imageBytes, "The buffer must hold the images.")
    do throws(HDF5Error) {
      switch dataset.format.element {
      case .uint8: try images.read(rows: rows, into: buffer.assumingMemoryBound(to: UInt8.self))
      case .uint16: try images.read(rows: rows, into: buffer.assumingMemoryBound(to: UInt16.self))
      case .float32: try images.read(rows: rows, into: buffer.assumingMemoryBound(to: Float.self))
      }
    } catch {
      throw StorageError(reading: dataset.path, error)
    }
    for (position, row) in rows.enumerated() {
      let start = position * imageBytes
      let image = UnsafeMutableRawBufferPointer(rebasing: buffer[start..<(start + imageBytes)])
      if let fault = dataset.format.fault(in: UnsafeRawBufferPointer(image)) {
        throw .badData(
          path: dataset.path, reason: "\(images.place.object): image \(row) has \(fault)")
      }
      if dataset.order == .channelsFirst { toChannelsLast(image) }
    }
  }

  private mutating func toChannelsLast(_ image: UnsafeMutableRawBufferPointer) {
    let (shape, format) = (dataset.shape, dataset.format)
    scratch.withUnsafeMutableBytes { scratch in
      scratch.copyMemory(from: UnsafeRawBufferPointer(image))
      func rearrange<Value: BitwiseCopyable>(_ type: Value.Type) {
        AxisOrder.channelsFirst.rearrange(
          scratch.assumingMemoryBound(to: type).baseAddress!,
          image.assumingMemoryBound(to: type).baseAddress!, shape)
      }
      switch format.element {
      case .uint8: rearrange(UInt8.self)
      case .uint16: rearrange(UInt16.self)
      case .float32: rearrange(Float.self)
      }
    }
  }
}
