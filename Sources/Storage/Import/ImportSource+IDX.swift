// IDX, the format of MNIST: big-endian extents, then unsigned bytes.
//
// A file starts with two zero bytes, the element type (0x08: unsigned byte) and the number of
// dimensions, then one 32-bit big-endian extent per dimension. Source: Y. LeCun, C. Cortes,
// C. Burges, "The MNIST database of handwritten digits", section "File formats".

import Tensors

extension ImportSource {
  /// Images (count × height × width) and, where given, their labels (count), gzip'd or not.
  ///
  /// - Throws: `StorageError` for a missing file and for headers that are not those of images
  ///   and labels that belong together.
  public static func idx(images: String, labels: String?) throws(StorageError) -> ImportSource {
    let extents = try IDXFile(images, rank: 3, holding: "images (count, height, width)").extents
    guard extents[0] > 0 else {
      throw .badData(path: images, reason: "holds no images (its header says 0)")
    }
    guard let shape = ImageShape.checked(height: extents[1], width: extents[2], channels: 1)
    else {
      throw .badData(
        path: images,
        reason: "says that its images are \(extents[1]) × \(extents[2]); the header is damaged")
    }
    if let labels {
      let count = try IDXFile(labels, rank: 1, holding: "labels (count)").extents[0]
      guard count == extents[0] else {
        throw .badData(
          path: labels,
          reason: "holds \(count) labels where \(images) holds \(extents[0]) images; "
            + "give the two files that belong together")
      }
    }
    let header = ImportedHeader(
      path: images, shape: shape, format: .levels(256), count: extents[0], hasLabels: labels != nil,
      classNames: nil,
      suggestedName: suggestedName(for: images))
    return ImportSource(header: header) { sink in
      var imageFile = try IDXFile(images, rank: 3, holding: "images")
      let pixels = { (n: Int) in try imageFile.next(n, of: shape.count) }
      if let labels {
        var labelFile = try IDXFile(labels, rank: 1, holding: "labels")
        try batches(header) { n in try sink(pixels(n), labelFile.next(n, of: 1).map(Int.init)) }
        try labelFile.end()
      } else {
        try batches(header) { n in try sink(pixels(n), nil) }
      }
      try imageFile.end()
    }
  }

  private static func batches(_ header: ImportedHeader, _ body: (Int) throws -> Void) throws {
    for start in stride(from: 0, to: header.count, by: header.shape.importBatch) {
      try body(min(header.shape.importBatch, header.count - start))
    }
  }
}

/// One IDX file, read behind its header.
private struct IDXFile: ~Copyable {
  /// The extents of its dimensions; the first counts the items.
  let extents: [Int]
  private var file: InputFile
  private var itemsRead = 0

  /// Opens a file of unsigned bytes in `rank` dimensions; `kind` names them in messages.
  init(_ path: String, rank: Int, holding kind: String) throws(StorageError) {
    var file = try InputFile(path: path)
    let magic = try file.read(upTo: 4)
    guard magic.count == 4, magic[0] == 0, magic[1] == 0 else {
      throw .badData(path: path, reason: "is not an IDX file (it does not start with 00 00)")
    }
    guard magic[2] == 0x08 else {
      throw .badData(
        path: path,
        reason: "holds elements of IDX type \(magic[2]); only unsigned bytes (8) are images "
          + "or labels")
    }
    guard magic[3] == rank else {
      throw .badData(
        path: path,
        reason: "has \(magic[3]) dimensions where \(kind) have \(rank); "
          + "were the images and the labels swapped?")
    }
    let fields = try file.read(upTo: 4 * rank)
    guard fields.count == 4 * rank else {
      throw .badData(path: path, reason: "ends inside its header")
    }
    extents = (0..<rank).map { d in
      fields[4 * d..<4 * d + 4].reduce(0) { $0 << 8 | Int($1) }
    }
    self.file = file
  }

  /// The next `n` items of `size` bytes.
  mutating func next(_ n: Int, of size: Int) throws(StorageError) -> [UInt8] {
    let bytes = try file.read(upTo: n * size)
    itemsRead += bytes.count / size
    guard bytes.count == n * size else {
      throw .badData(
        path: file.path,
        reason: "ends after \(itemsRead) of the \(extents[0]) items that its header announces; "
          + "fetch it again")
    }
    return bytes
  }

  /// Refuses bytes after the last item, and verifies the checksum of a gzip'd file.
  mutating func end() throws(StorageError) {
    try file.expectEnd(after: "the \(extents[0]) items that its header announces")
  }
}
