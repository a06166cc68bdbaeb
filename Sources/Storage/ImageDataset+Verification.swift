// The checksum of a dataset's pixels, and the check of every one of them.

import Tensors

extension ImageDataset {
  /// Reads and checks every pixel and compares the checksums with those that the file declares: those
  /// of its pixels and its captions and, where it has a trailer, that of its bytes.
  ///
  /// This reads the whole file, so it is for inspection and after writing, not for every start of
  /// a training run.
  ///
  /// - Returns: The checksum, as 32 hexadecimal digits: XXH3-128 over the pixels (channels last;
  ///   uint8, or float32 little-endian) and then, each as eight bytes little-endian, the integers
  ///   N, H, W, C and levels (0 for float32) and, for float32, the two doubles of `value_range`.
  /// - Throws: `.badData` for pixels that the format does not allow and for another checksum.
  @discardableResult
  public func verify() throws(StorageError) -> String {
    if case .file(let path) = source { try DatasetTrailer.check(path, comparingUpTo: .max) }
    let result = try readPixels()
    if let contentHash, contentHash != result {
      throw .badData(
        path: path,
        reason: "its pixels have the checksum \(result), but content_hash is \(contentHash): "
          + "the file is damaged or was changed")
    }
    if let captions, let captionsHash, captionsHash != captions.hash {
      throw .badData(
        path: path,
        reason: "its captions have the checksum \(captions.hash), but their content_hash is "
          + "\(captionsHash): the file is damaged or was changed")
    }
    return result
  }

  /// Reads and checks every pixel and gives the checksum.
  @discardableResult
  func readPixels() throws(StorageError) -> String {
    var hash = ContentHash()
    var open = try OpenImages.open(self, memoryLimit: 1 << 26)
    let imageBytes = shape.count * format.bytes
    let batch = max(1, (1 << 22) / imageBytes)
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: min(batch, count) * imageBytes, alignment: 16)
    defer { buffer.deallocate() }
    for first in stride(from: 0, to: count, by: batch) {
      let rows = first..<min(first + batch, count)
      let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(rows.count * imageBytes)])
      try open.read(rows, into: part)
      hash.update(UnsafeRawBufferPointer(part))
    }
    hash.update(count: count, shape: shape, format: format)
    return hash.hexadecimal()
  }
}

extension ContentHash {
  /// Ends the checksum of a dataset: its extents and its scale follow the pixels.
  mutating func update(count: Int, shape: ImageShape, format: PixelFormat) {
    let extents = [count, shape.height, shape.width, shape.channels]
    switch format {
    case .levels(let levels): update(extents + [levels])
    case .range(let range):
      update(extents + [0])
      update([range.lowerBound, range.upperBound].map { Int(bitPattern: UInt($0.bitPattern)) })
    }
  }
}
