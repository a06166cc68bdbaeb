// Captions in HDF5 files: strings of one place for each, or of variable length.

import HDF5

extension ImageCaptions {
  /// The most bytes that a file may declare for the place of a caption.
  private static let placeLimit = 1 << 16
  /// The most bytes of captions that are read at a time, padded as they are stored.
  private static let portionLimit = 1 << 24

  /// Reads and checks captions, a few at a time.
  ///
  /// - Parameters:
  ///   - name: The path of the dataset, (N) or (N, M).
  ///   - count: N, as it must be; nil where any will do.
  /// - Returns: nil where the group has nothing of this name.
  init?(
    of group: borrowing Group, named name: String, count: Int?
  ) throws(HDF5Error) {
    guard try group.kind(of: name) != nil else { return nil }
    let stored = try group.dataset(name, chunkCacheBytes: Self.portionLimit)
    let (shape, place) = (stored.shape, stored.place)
    guard case .string(let bytes) = stored.elementType else {
      throw .refused(place: place, reason: "holds \(stored.elementType); captions are strings")
    }
    guard (1...2).contains(shape.count) else {
      throw .refused(
        place: place,
        reason: "has the shape \(shape); captions are (N), or (N, M) for M of each image")
    }
    guard shape[0] == count ?? shape[0] else {
      throw .refused(
        place: place, reason: "has the shape \(shape), but there are \(count!) images")
    }
    let perImage = shape.count == 2 ? shape[1] : 1
    guard shape[0] > 0, (1...Self.mostPerImage).contains(perImage), shape[0] <= 1 << 31 / perImage
    else {
      throw .refused(
        place: place,
        reason: "has the shape \(shape); an image has 1 to \(Self.mostPerImage) captions")
    }
    guard bytes ?? 0 <= Self.placeLimit else {
      throw .refused(
        place: place,
        reason: "holds strings of \(bytes!) bytes; captions have at most \(Self.longest)")
    }
    // What is of variable length is a pointer of 16 bytes here, and lies somewhere else.
    let rowBytes = (bytes ?? 16) * perImage
    let chunkRows = min(stored.chunk?[0] ?? 1, shape[0])
    let chunkBytes = (stored.chunk ?? []).reduce(Double(bytes ?? 16)) { $0 * Double($1) }
    guard stored.filters.isEmpty || chunkBytes <= Double(Self.portionLimit) else {
      throw .refused(
        place: place,
        reason: "is compressed in chunks of more than \(Self.portionLimit >> 20) MiB; write it in "
          + "smaller ones, of about 1 MiB")
    }
    // Whole chunks, so that each is unpacked once.
    let wanted = max(1, (1 << 20) / rowBytes / chunkRows) * chunkRows
    let portion = min(wanted, Self.portionLimit / rowBytes)
    self.init(perImage: perImage)
    var index = 0
    for first in stride(from: 0, to: shape[0], by: portion) {
      let rows = first..<min(first + portion, shape[0])
      try stored.forEachString(rows: rows) { (bytes) throws(HDF5Error) in
        if let fault = add(bytes) {
          let name = Self.name(index, perImage: perImage)
          throw .refused(place: place, reason: "\(name) \(fault)")
        }
        index += 1
      }
    }
  }

  /// Writes the captions, with their checksum.
  ///
  /// - Parameter gzip: Compress them at a level of 1 to 9; nil reads fastest.
  func write(to group: borrowing Group, named name: String, gzip: Int?) throws(HDF5Error) {
    let bytes = max(1, longestBytes)
    let rows = max(1, min(count, (1 << 16) / (bytes * perImage)))
    let isVector = perImage == 1
    let dataset = try group.writeStrings(
      name, bytesEach: bytes, shape: isVector ? [count] : [count, perImage],
      layout: gzip == nil
        ? .contiguous : .chunked(isVector ? [rows] : [rows, perImage], gzip: gzip)
    ) { rows in rows.flatMap { captions(of: $0) } }
    try dataset.setAttribute("content_hash", .string(hash))
    try dataset.close()
  }
}
